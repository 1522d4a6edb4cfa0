"""A request and its answer as they are read: frozen values with the facts that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from common.errors import IdempotencyConflictError, PermissionMissingError
from request_svc.domain.status import RequestStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

MAX_IDEMPOTENCY_KEY = 128
"""Bytes of an idempotency key."""

LOWEST_PRIORITY = 1
HIGHEST_PRIORITY = 10


class FailureReason(StrEnum):
    """Why a request ended without an answer, by the names of `airlock.common.v1.FailureReason`."""

    REFUSED = "REFUSED"
    EXPIRED = "EXPIRED"
    ENGINE_ERROR = "ENGINE_ERROR"
    TIMEOUT = "TIMEOUT"
    RESULT_TOO_LARGE = "RESULT_TOO_LARGE"
    PARTIAL_RESULT = "PARTIAL_RESULT"


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A checked question on its way into the database. `search` is the normal form, `body` what was submitted."""

    request_id: UUID
    user_id: UUID
    index: str
    query_type: str
    query_params: Mapping[str, object]
    body: bytes
    search: bytes
    priority: int
    created_at: datetime
    not_after: datetime | None
    accept_partial: bool
    idempotency_key: str | None
    trace_id: str


@dataclass(frozen=True, slots=True)
class Request:
    """A stored request. Batch ids and sequences name the bundle that carries it, or that carries its cancellation."""

    request_id: UUID
    user_id: UUID
    index: str
    query_type: str
    status: RequestStatus
    priority: int
    created_at: datetime
    not_after: datetime | None
    accept_partial: bool
    idempotency_key: str | None
    retry_count: int
    failure_reason: FailureReason | None
    error_message: str | None
    export_batch_id: UUID | None
    export_sequence: int | None
    exported_at: datetime | None
    travelled_before: bool
    acknowledged_at: datetime | None
    result_received_at: datetime | None
    cancelled_at: datetime | None

    def is_overdue(self, now: datetime) -> bool:
        """Whether `not_after` has passed without an end. Only the Response Network ends a request for that."""
        return self.not_after is not None and self.not_after < now and not self.status.is_final


@dataclass(frozen=True, slots=True)
class Response:
    """What came back for a request, without the answer's bytes. `sha256` is over exactly those bytes."""

    request_id: UUID
    completed: bool
    result_count: int
    result_bytes: int
    result_sha256: bytes | None
    execution_time_ms: int
    engine_took_ms: int
    cache_hit: bool
    partial: bool
    executed_at: datetime | None
    sealed_at: datetime | None
    received_at: datetime
    import_batch_id: UUID | None
    import_sequence: int | None


def effective_priority(wanted: int | None, own: int, *, may_raise: bool) -> int:
    """The caller's own priority unless another is wanted; less is for everyone, more for operators and admins only."""
    if wanted is None:
        return min(max(own, LOWEST_PRIORITY), HIGHEST_PRIORITY)
    if wanted > own and not may_raise:
        raise PermissionMissingError(
            f"Priority {wanted} is above your own, {own}; ask for {own} or less, or leave it out.",
            metadata={"permission": "PRIORITY", "own_priority": str(own)},
        )
    return wanted


def check_same_question(existing: Request, existing_search: bytes, new: NewRequest) -> None:
    """Raises IdempotencyConflictError unless both ask the same: index, normal form and acceptance of partial answers.

    Priority and `not_after` are no part of the question: a client that tries again computes them anew.
    """
    same = (
        existing.index == new.index and existing_search == new.search and existing.accept_partial == new.accept_partial
    )
    if not same:
        raise IdempotencyConflictError(
            "This idempotency key came with another question before; use a new key for a new question.",
            metadata={"request_id": str(existing.request_id)},
        )


def new_as_stored(new: NewRequest) -> Request:
    """The new request as it reads once it is stored, so that nobody has to read it back."""
    return Request(
        request_id=new.request_id,
        user_id=new.user_id,
        index=new.index,
        query_type=new.query_type,
        status=RequestStatus.PENDING,
        priority=new.priority,
        created_at=new.created_at,
        not_after=new.not_after,
        accept_partial=new.accept_partial,
        idempotency_key=new.idempotency_key,
        retry_count=0,
        failure_reason=None,
        error_message=None,
        export_batch_id=None,
        export_sequence=None,
        exported_at=None,
        travelled_before=False,
        acknowledged_at=None,
        result_received_at=None,
        cancelled_at=None,
    )
