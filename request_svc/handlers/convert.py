"""Between the API's messages and the service's own values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from airlock.common.v1 import failure_reason_pb2 as failures
from airlock.request.v1 import request_pb2 as messages
from airlock.request.v1 import user_replica_service_pb2 as user_messages
from google.protobuf.timestamp_pb2 import Timestamp

from common.errors import FieldViolation, InvalidFieldError
from request_svc.domain.status import RequestStatus

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from request_svc.domain.request import Request, Response
    from request_svc.domain.timeline import TimelineEvent
    from request_svc.domain.user import ReplicatedUser
    from request_svc.usecases.get_request import RequestDetails

_STATUS: Final = {status: messages.RequestStatus.Value(f"REQUEST_STATUS_{status.name}") for status in RequestStatus}
_STATUS_BACK: Final = {number: status for status, number in _STATUS.items()}


def request_message(request: Request, now: datetime) -> messages.Request:
    """The request as the API shows it at `now`, by which it may be overdue."""
    message = messages.Request(
        id=str(request.request_id),
        status=_STATUS[request.status],
        index=request.index,
        query_type=request.query_type,
        priority=request.priority,
        created_at=timestamp(request.created_at),
        overdue=request.is_overdue(now),
        idempotency_key=request.idempotency_key or "",
        error_message=request.error_message or "",
        retry_count=request.retry_count,
    )
    if request.not_after is not None:
        message.not_after.CopyFrom(timestamp(request.not_after))
    if request.failure_reason is not None:
        message.failure_reason = failures.FailureReason.Value(f"FAILURE_REASON_{request.failure_reason}")
    return message


def event_message(event: TimelineEvent) -> messages.TimelineEvent:
    """One line of a request's history."""
    return messages.TimelineEvent(
        step=messages.TimelineStep.Value(f"TIMELINE_STEP_{event.step}"),
        at=timestamp(event.at),
        batch_id=str(event.batch_id or ""),
        sequence=event.sequence or 0,
    )


def response_message(details: RequestDetails, response: Response) -> messages.Response:
    """The answer: its facts, where it is to be had, and its data where they may be shown inline."""
    message = messages.Response(
        result_path=f"/api/v1/requests/{response.request_id}/result",
        result_count=response.result_count,
        result_bytes=response.result_bytes,
        result_sha256=(response.result_sha256 or b"").hex(),
        execution_time_ms=response.execution_time_ms,
        engine_took_ms=response.engine_took_ms,
        cache_hit=response.cache_hit,
        partial=response.partial,
        received_at=timestamp(response.received_at),
        data_omitted=details.data_omitted,
    )
    if details.data is not None:
        # Setting the field first keeps an empty object from looking like an absent one.
        message.data.SetInParent()
        message.data.update(details.data)
    return message


def user_message(user: ReplicatedUser) -> user_messages.ReplicatedUser:
    """A user of the replica."""
    return user_messages.ReplicatedUser(
        id=str(user.user_id),
        username=user.username,
        email=user.email,
        full_name=user.full_name,
        role=user.role,
        profile_type=user.profile_type,
        rate_limit_per_minute=user.rate_limit_per_minute,
        rate_limit_per_hour=user.rate_limit_per_hour,
        rate_limit_per_day=user.rate_limit_per_day,
        priority=user.priority,
        is_active=user.is_active,
        revision=user.revision,
        synced_at=timestamp(user.synced_at),
    )


def statuses(numbers: list[messages.RequestStatus.ValueType]) -> frozenset[RequestStatus]:
    """The states that a filter names; the field's rules have refused unknown ones."""
    return frozenset(_STATUS_BACK[number] for number in numbers)


def timestamp(at: datetime) -> Timestamp:
    """The time as a message, to the microsecond."""
    message = Timestamp()
    message.FromDatetime(at)
    return message


def optional_time(message: Message, field: str) -> datetime | None:
    """A time that may be absent. Raises InvalidFieldError for one beyond the calendar."""
    if not message.HasField(field):
        return None
    try:
        value = getattr(message, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        text = "is not a time between the years 1 and 9999"
        raise InvalidFieldError(f"{field} {text}.", violations=[FieldViolation(field, text)]) from None
    assert isinstance(value, datetime)
    return value


def uuid_of(text: str) -> UUID:
    """The id; the field's rules have refused whatever is none."""
    return UUID(text)
