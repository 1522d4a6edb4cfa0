"""The shape of each record by itself: the rules that stand beside its fields in `record.proto` and `replication.proto`.

They are checked by hand, because a pass of the validator costs several times as much as everything else that is done
to a record; a test holds the two together. What a Search means, and whether it is allowed, is for whoever executes
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airlock.bundle.v1.record_pb2 import OUTCOME_COMPLETED, OUTCOME_FAILED, Outcome
from airlock.common.v1.failure_reason_pb2 import FailureReason
from airlock.common.v1.network_pb2 import BUNDLE_KIND_RESPONSES

from transfer.bundle.limits import MAX_INLINE_DATA, MAX_RESULT
from transfer.bundle.policy_shapes import index_shape, limit_list_shape, profile_type_shape, setting_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from airlock.bundle.v1.record_pb2 import Cancellation, Record, Request, Response
    from airlock.bundle.v1.replication_pb2 import TableState, User

_ID: Final = 16
_DIGEST: Final = 32
_MAX_INDEX: Final = 255
_MAX_TRACE_ID: Final = 128
_MAX_MESSAGE: Final = 4096
_MAX_EXECUTIONS: Final = 100
_MAX_NAME: Final = 100
_MAX_TEXT: Final = 255
_MAX_PROFILE: Final = 50
_MAX_PRIORITY: Final = 10
_ROLES: Final = frozenset({"user", "operator", "admin", "system"})
_OUTCOMES: Final = frozenset(Outcome.values()) - {0}
_FAILURES: Final = frozenset(FailureReason.values())


def request_shape(request: Request) -> str | None:
    """The first rule that a request breaks."""
    if len(request.id) != _ID or len(request.user_id) != _ID:
        return "ids have 16 bytes"
    if not 1 <= request.priority <= _MAX_PRIORITY:
        return "the priority is 1 to 10"
    if request.created_at_micros <= 0 or request.not_after_micros < 0:
        return "times are not negative"
    if not 1 <= len(request.index.encode()) <= _MAX_INDEX:
        return "the index has 1 to 255 bytes"
    if len(request.trace_id.encode()) > _MAX_TRACE_ID:
        return "the trace id has at most 128 bytes"
    if not request.HasField("search"):
        return "the search is missing"
    return None


def all_plain_responses(records: Iterable[Record]) -> bool:
    """Whether all are answers whole in their records and of the right shape: the common case, in a quarter of the time.

    The record that holds something else has no request id in its `response`, so it is found out too.
    """
    for record in records:
        response = record.response
        total = response.total_length
        if not (
            len(response.request_id) == _ID
            and response.outcome == OUTCOME_COMPLETED
            and 0 < total == len(response.data) <= MAX_INLINE_DATA
            and len(response.sha256) == _DIGEST
            and not response.failure_reason
            and not response.message
            and response.executions <= _MAX_EXECUTIONS
            and response.executed_at_micros >= 0
        ):
            return False
    return True


def cancellation_shape(cancellation: Cancellation) -> str | None:
    """The first rule that a cancellation breaks."""
    if len(cancellation.request_id) != _ID:
        return "ids have 16 bytes"
    if cancellation.cancelled_at_micros <= 0:
        return "times are not negative"
    return None


def response_shape(response: Response) -> str | None:
    """The first rule that a response breaks, alone; its chunks are not looked at."""
    outcome, length, total = response.outcome, len(response.data), response.total_length
    if len(response.request_id) != _ID:
        return "ids have 16 bytes"
    if outcome not in _OUTCOMES:
        return "the outcome is a known one"
    if length > MAX_INLINE_DATA or not length <= total <= MAX_RESULT:
        return "at most 128 KiB of data stand in the record, and at most 32 MiB in all"
    if len(response.sha256) != (_DIGEST if total else 0):
        return "the SHA-256 has 32 bytes, and none without an answer"
    if outcome != OUTCOME_COMPLETED:
        return _unanswered_shape(response)
    if response.failure_reason or response.message:
        return "only a failed request has a failure reason and a message"
    return _counts_shape(response)


def _unanswered_shape(response: Response) -> str | None:
    if response.total_length:
        return "only a completed request has an answer"
    if bool(response.failure_reason) != (response.outcome == OUTCOME_FAILED):
        return "a failed request, and no other, has a failure reason"
    if response.failure_reason not in _FAILURES:
        return "the failure reason is a known one"
    if len(response.message.encode()) > _MAX_MESSAGE:
        return "the message has at most 4096 bytes"
    return _counts_shape(response)


def _counts_shape(response: Response) -> str | None:
    if response.executions > _MAX_EXECUTIONS or response.executed_at_micros < 0:
        return "executions are at most 100, and times not negative"
    return None


def table_state_shape(state: TableState) -> str | None:
    """The first rule that the state of a table breaks."""
    if len(state.table_digest) != _DIGEST:
        return "the table's digest has 32 bytes"
    if state.snapshot and state.since_revision:
        return "a snapshot holds all rows, since revision 0"
    if state.since_revision > state.revision:
        return "a bundle does not begin after the table's highest revision"
    return None


def user_shape(user: User) -> str | None:
    """The first rule that a user breaks."""
    if len(user.id) != _ID:
        return "ids have 16 bytes"
    if not 1 <= len(user.username) <= _MAX_NAME:
        return "the user name has 1 to 100 characters"
    if not 1 <= len(user.email) <= _MAX_TEXT or not 1 <= len(user.hashed_password) <= _MAX_TEXT:
        return "email and password hash have 1 to 255 characters"
    if len(user.full_name) > _MAX_TEXT or not 1 <= len(user.profile_type) <= _MAX_PROFILE:
        return "the full name has at most 255 characters and the profile type 1 to 50"
    if user.role not in _ROLES:
        return "the role is user, operator, admin or system"
    if not 1 <= user.priority <= _MAX_PRIORITY:
        return "the priority is 1 to 10"
    if not user.revision:
        return "the revision is at least 1"
    return limit_list_shape(user.inherits) if user.inherits else None


# Quick answers for whole blocks; where one says no, the records are looked at one by one.
PLAIN: Final[Mapping[int, Callable[[Iterable[Record]], bool]]] = {BUNDLE_KIND_RESPONSES: all_plain_responses}

# By the name of the field of Record. Each takes the message of that field.
SHAPES: Final[Mapping[str, Callable[[Any], str | None]]] = {
    "request": request_shape,
    "cancellation": cancellation_shape,
    "response": response_shape,
    "table_state": table_state_shape,
    "user": user_shape,
    "profile_type": profile_type_shape,
    "setting": setting_shape,
    "index": index_shape,
}
