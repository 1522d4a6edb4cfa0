"""What a request is once it has arrived, which states it passes, and what a failed execution leads to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

MAX_RETRIES = 5
MAX_RETRY_DELAY = timedelta(minutes=30)
RETRY_FACTOR = 4
MESSAGE_LIMIT_BYTES = 4096
EXPIRED_WHILE_WAITING = "Its time was over before it could be executed; submit it again."
EXPIRED_WHILE_RUNNING = "Its time was over while it was executed; submit it again with more time."


class Status(StrEnum):
    """Where an incoming request stands."""

    PENDING = "pending"
    PROCESSING = "processing"
    RETRY = "retry"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


MAY_STILL_END = frozenset({Status.PENDING, Status.RETRY, Status.PROCESSING})
"""The states of requests that wait or run."""


class FailureReason(StrEnum):
    """Why a request ended without an answer."""

    REFUSED = "refused"
    EXPIRED = "expired"
    ENGINE_ERROR = "engine_error"
    TIMEOUT = "timeout"
    RESULT_TOO_LARGE = "result_too_large"
    PARTIAL_RESULT = "partial_result"


@dataclass(frozen=True, slots=True)
class IncomingRequest:
    """A request as operators see it. `id` is the one that it has on the Request Network."""

    id: UUID
    user_id: UUID
    index: str
    query_type: str
    priority: int
    status: Status
    imported_at: datetime
    retry_count: int
    started_at: datetime | None = None
    completed_at: datetime | None = None
    retry_at: datetime | None = None
    not_after: datetime | None = None
    failure_reason: FailureReason | None = None
    error_message: str = ""
    assigned_worker: str = ""
    import_batch_id: UUID | None = None
    answer_exported_at: datetime | None = None
    answer_batch_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ClaimedRequest:
    """A request that one executor holds a lease on.

    `row_id` is the row's own id, `lease` is fresh at every claim, and `executions` counts this one.
    """

    row_id: UUID
    request_id: UUID
    lease: UUID
    user_id: UUID
    index: str
    search: bytes
    executions: int
    accept_partial: bool
    trace_id: str
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The engine's answer, or a kept one. `body` is the engine's JSON, byte for byte."""

    body: bytes
    hit_count: int
    engine_took_ms: int
    cache_hit: bool = False
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """A final end without an answer. `message` is for people on the other network."""

    reason: FailureReason
    message: str


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Another attempt after `delay`."""

    delay: timedelta
    message: str


@dataclass(frozen=True, slots=True)
class FinalEnd:
    """How a claimed request ends for good. `executions` are those that got as far as the check or beyond."""

    claimed: ClaimedRequest
    outcome: Answer | Failure
    execution_ms: int
    executions: int
    query_params: bytes | None = None

    @property
    def status(self) -> Status:
        """The final state that it leads to."""
        if isinstance(self.outcome, Answer):
            return Status.COMPLETED
        return Status.EXPIRED if self.outcome.reason is FailureReason.EXPIRED else Status.FAILED


def after_passing_fault(
    reason: FailureReason, message: str, *, executions: int, first_delay: timedelta, jitter: float
) -> RetryLater | Failure:
    """What follows a fault that may pass: a later attempt, or the end after `MAX_RETRIES` of them.

    `executions` counts the failed one. `jitter` is a random number in [0, 1), which spreads attempts over half to one
    and a half times the exponential delay.
    """
    if executions > MAX_RETRIES:
        return Failure(reason, bounded(f"{message} It was tried {executions} times."))
    delay = min(first_delay * RETRY_FACTOR ** (executions - 1), MAX_RETRY_DELAY)
    return RetryLater(delay * (0.5 + jitter), bounded(message))


def is_expired(not_after: datetime | None, now: datetime) -> bool:
    """Whether the answer would be of no use any more."""
    return not_after is not None and now > not_after


def bounded(message: str) -> str:
    """The message as far as it fits a record, without characters that PostgreSQL cannot keep."""
    return message.replace("\0", "").encode()[:MESSAGE_LIMIT_BYTES].decode(errors="ignore")
