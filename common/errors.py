"""The refusals that a caller can meet, each with one reason. `common.rpc.errors` gives them their gRPC status.

AirlockError
├── InvalidFieldError         ├── NotFoundError             ├── ResultNotReadyError
├── CredentialsMissingError   ├── AlreadyExistsError        ├── BundleRefusedError
├── CredentialsWrongError     ├── WrongStateError           ├── UnavailableError
├── TokenInvalidError         ├── QueryInvalidError         ├── RateLimitedError
├── TokenExpiredError         ├── QueryLimitError           ├── PageTokenInvalidError
├── SessionEndedError         ├── IndexNotAllowedError      ├── StreamStoppedError
├── PermissionMissingError    ├── IdempotencyConflictError  ├── ReplicaTooOldError
                                                            └── ResultFormatError
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from airlock.common.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One rule that one field breaks. `field` is a path such as `query.bool.must[2].term`.

    `reason` is said where it may be another than the whole refusal's: in one that speaks of several things at once.
    """

    field: str
    description: str
    reason: reasons.ErrorReason.ValueType | None = None


class AirlockError(Exception):
    """A refusal with a cause and a next step, safe to show to the caller.

    `metadata` and `violations` go to the client as they are, so neither may hold a secret or a driver's text.
    """

    reason: ClassVar[reasons.ErrorReason.ValueType] = reasons.ERROR_REASON_INTERNAL

    def __init__(
        self,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after_seconds = retry_after_seconds


class InvalidFieldError(AirlockError):
    """A field of the call breaks its rule."""

    reason = reasons.ERROR_REASON_INVALID_FIELD


class CredentialsMissingError(AirlockError):
    """The call needs a signed-in caller and none is named."""

    reason = reasons.ERROR_REASON_CREDENTIALS_MISSING


class CredentialsWrongError(AirlockError):
    """Name or password is wrong, or the user is inactive; which of them is not told."""

    reason = reasons.ERROR_REASON_CREDENTIALS_WRONG


class TokenInvalidError(AirlockError):
    """The token is malformed, forged or of the other network."""

    reason = reasons.ERROR_REASON_TOKEN_INVALID


class TokenExpiredError(AirlockError):
    """The token's time is over."""

    reason = reasons.ERROR_REASON_TOKEN_EXPIRED


class SessionEndedError(AirlockError):
    """The session was ended by sign-out, deactivation or the reuse of a refresh token."""

    reason = reasons.ERROR_REASON_SESSION_ENDED


class PermissionMissingError(AirlockError):
    """The caller's role does not allow the call."""

    reason = reasons.ERROR_REASON_PERMISSION_MISSING


class NotFoundError(AirlockError):
    """There is no such thing, or it is another user's."""

    reason = reasons.ERROR_REASON_NOT_FOUND


class AlreadyExistsError(AirlockError):
    """A thing of that name is there already."""

    reason = reasons.ERROR_REASON_ALREADY_EXISTS


class WrongStateError(AirlockError):
    """The thing is in a state that does not allow this."""

    reason = reasons.ERROR_REASON_WRONG_STATE


class QueryInvalidError(AirlockError):
    """The search body is not one that Airlock carries; the violations name path, cause and the nearest valid name."""

    reason = reasons.ERROR_REASON_QUERY_INVALID


class QueryLimitError(AirlockError):
    """The search is beyond a named limit."""

    reason = reasons.ERROR_REASON_QUERY_LIMIT


class IndexNotAllowedError(AirlockError):
    """The index is not one of those allowed."""

    reason = reasons.ERROR_REASON_INDEX_NOT_ALLOWED


class IdempotencyConflictError(AirlockError):
    """The same idempotency key came with another request."""

    reason = reasons.ERROR_REASON_IDEMPOTENCY_CONFLICT


class ResultNotReadyError(AirlockError):
    """The answer is not here yet, or never will be."""

    reason = reasons.ERROR_REASON_RESULT_NOT_READY


class ResultFormatError(AirlockError):
    """The answer is here but cannot be given in the form that is asked for."""

    reason = reasons.ERROR_REASON_RESULT_FORMAT


class BundleRefusedError(AirlockError):
    """A bundle was refused; `metadata["defect"]` says why."""

    reason = reasons.ERROR_REASON_BUNDLE_REFUSED


class UnavailableError(AirlockError):
    """A part that the call needs does not answer."""

    reason = reasons.ERROR_REASON_UNAVAILABLE


class RateLimitedError(AirlockError):
    """Too many calls; `retry_after_seconds` says when to try again."""

    reason = reasons.ERROR_REASON_RATE_LIMITED


class PageTokenInvalidError(AirlockError):
    """The page token is not one that this list gave out."""

    reason = reasons.ERROR_REASON_PAGE_TOKEN_INVALID


class StreamStoppedError(AirlockError):
    """Exports stand still until an operator acts."""

    reason = reasons.ERROR_REASON_STREAM_STOPPED


class ReplicaTooOldError(AirlockError):
    """This network's copy of the users is too old to let the caller in; a users bundle must be carried over."""

    reason = reasons.ERROR_REASON_REPLICA_TOO_OLD
