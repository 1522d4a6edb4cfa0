"""The one table from reasons to gRPC statuses, and the rich status with which every refusal reaches its caller.

What a driver or the code itself said stays in the log: a caller gets our own sentences only.
"""

from __future__ import annotations

import errno
import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import grpc
import psycopg
import redis.exceptions
import sqlalchemy.exc
from airlock.common.v1 import error_reason_pb2 as reasons
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from common.errors import AirlockError, BundleRefusedError, UnavailableError
from transfer.errors import BundleError, NoSpaceError, TransferError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

DOMAIN: Final = "airlock"
STATUS_DETAILS: Final = "grpc-status-details-bin"

STATUS_CODES: Final[Mapping[reasons.ErrorReason.ValueType, grpc.StatusCode]] = MappingProxyType(
    {
        reasons.ERROR_REASON_INTERNAL: grpc.StatusCode.INTERNAL,
        reasons.ERROR_REASON_INVALID_FIELD: grpc.StatusCode.INVALID_ARGUMENT,
        reasons.ERROR_REASON_CREDENTIALS_MISSING: grpc.StatusCode.UNAUTHENTICATED,
        reasons.ERROR_REASON_CREDENTIALS_WRONG: grpc.StatusCode.UNAUTHENTICATED,
        reasons.ERROR_REASON_TOKEN_INVALID: grpc.StatusCode.UNAUTHENTICATED,
        reasons.ERROR_REASON_TOKEN_EXPIRED: grpc.StatusCode.UNAUTHENTICATED,
        reasons.ERROR_REASON_SESSION_ENDED: grpc.StatusCode.UNAUTHENTICATED,
        reasons.ERROR_REASON_PERMISSION_MISSING: grpc.StatusCode.PERMISSION_DENIED,
        reasons.ERROR_REASON_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
        reasons.ERROR_REASON_ALREADY_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
        reasons.ERROR_REASON_WRONG_STATE: grpc.StatusCode.FAILED_PRECONDITION,
        reasons.ERROR_REASON_QUERY_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
        reasons.ERROR_REASON_QUERY_LIMIT: grpc.StatusCode.INVALID_ARGUMENT,
        reasons.ERROR_REASON_INDEX_NOT_ALLOWED: grpc.StatusCode.PERMISSION_DENIED,
        reasons.ERROR_REASON_IDEMPOTENCY_CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
        reasons.ERROR_REASON_RESULT_NOT_READY: grpc.StatusCode.FAILED_PRECONDITION,
        reasons.ERROR_REASON_BUNDLE_REFUSED: grpc.StatusCode.INVALID_ARGUMENT,
        reasons.ERROR_REASON_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
        reasons.ERROR_REASON_RATE_LIMITED: grpc.StatusCode.RESOURCE_EXHAUSTED,
        reasons.ERROR_REASON_PAGE_TOKEN_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
        reasons.ERROR_REASON_STREAM_STOPPED: grpc.StatusCode.FAILED_PRECONDITION,
        reasons.ERROR_REASON_REPLICA_TOO_OLD: grpc.StatusCode.FAILED_PRECONDITION,
        reasons.ERROR_REASON_RESULT_FORMAT: grpc.StatusCode.FAILED_PRECONDITION,
    }
)

_NEUTRAL: Final = "The service met a fault of its own. It is in the log under this request id; try again or report it."


def reason_name(reason: reasons.ErrorReason.ValueType) -> str:
    """The reason as clients see it, for example `NOT_FOUND`."""
    return reasons.ErrorReason.Name(reason).removeprefix("ERROR_REASON_")


def status_code(error: AirlockError) -> grpc.StatusCode:
    """The status that `error` is sent with."""
    return STATUS_CODES[error.reason]


def as_airlock_error(error: BaseException) -> AirlockError:
    """The refusal that stands for any error: itself, UnavailableError for a part that is away, else one of ours."""
    if isinstance(error, AirlockError):
        return error
    if isinstance(error, sqlalchemy.exc.OperationalError | sqlalchemy.exc.InterfaceError | psycopg.OperationalError):
        return _unavailable("postgresql", "The database does not answer")
    if isinstance(error, sqlalchemy.exc.TimeoutError):
        return _unavailable("postgresql", "All connections to the database are in use")
    if isinstance(error, redis.exceptions.ConnectionError | redis.exceptions.TimeoutError):
        return _unavailable("redis", "Redis does not answer")
    if isinstance(error, NoSpaceError):
        return UnavailableError(str(error), metadata={"part": "disk"}, retry_after_seconds=60)
    if isinstance(error, BundleError):
        return BundleRefusedError(str(error), metadata={"defect": error.defect})
    if isinstance(error, TransferError):
        return UnavailableError(str(error), metadata={"part": error.defect}, retry_after_seconds=60)
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _unavailable("disk", "The disk is full")
    return AirlockError(_NEUTRAL)


def rich_status(error: AirlockError, request_id: str) -> status_pb2.Status:
    """The `google.rpc.Status` of `error`, with all that a program can act upon."""
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=reason_name(error.reason), domain=DOMAIN, metadata=error.metadata)
    ]
    if error.violations:
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(
                        field=violation.field,
                        description=violation.description,
                        reason=reason_name(violation.reason) if violation.reason is not None else "",
                    )
                    for violation in error.violations
                ]
            )
        )
    if error.retry_after_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(round(error.retry_after_seconds * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if request_id:
        details.append(error_details_pb2.RequestInfo(request_id=request_id))
    packed = []
    for detail in details:
        holder = any_pb2.Any()
        holder.Pack(detail)
        packed.append(holder)
    return status_pb2.Status(code=status_code(error).value[0], message=error.message, details=packed)


def error_metadata(error: AirlockError, request_id: str) -> tuple[tuple[str, str | bytes], ...]:
    """The trailing metadata of a refusal. Envoy turns it into the headers and the body of a REST answer."""
    pairs: list[tuple[str, str | bytes]] = [
        (STATUS_DETAILS, rich_status(error, request_id).SerializeToString()),
        ("x-request-id", request_id),
    ]
    if error.retry_after_seconds is not None:
        pairs.append(("retry-after", str(max(1, math.ceil(error.retry_after_seconds)))))
    return tuple(pairs)


def _unavailable(part: str, cause: str) -> UnavailableError:
    return UnavailableError(f"{cause}; try again in a moment.", metadata={"part": part}, retry_after_seconds=1)
