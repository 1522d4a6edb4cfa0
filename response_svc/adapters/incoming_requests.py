"""Incoming requests as operators read them, each with where its answer has got to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, tuple_

from response_svc.adapters.tables import incoming_requests, query_results
from response_svc.domain.incoming_request import FailureReason, IncomingRequest, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

requests = incoming_requests.c


class PostgresIncomingRequests:
    """The incoming requests in PostgreSQL, read only."""

    async def find(self, connection: AsyncConnection, request_id: UUID) -> IncomingRequest | None:
        """The request by the id that it has on the Request Network."""
        statement = selected().where(requests.original_request_id == request_id)
        row = (await connection.execute(statement)).one_or_none()
        return request_of(row) if row is not None else None

    async def list_newest_first(
        self,
        connection: AsyncConnection,
        *,
        statuses: Collection[Status],
        user_id: UUID | None,
        index: str | None,
        before: tuple[datetime, UUID] | None,
        limit: int,
    ) -> Sequence[IncomingRequest]:
        """Up to `limit` requests that arrived before `before` (time of arrival and id), the newest first."""
        place = tuple_(requests.imported_at, requests.original_request_id)
        statement = selected().order_by(requests.imported_at.desc(), requests.original_request_id.desc()).limit(limit)
        if statuses:
            statement = statement.where(requests.status.in_(sorted(statuses)))
        if user_id is not None:
            statement = statement.where(requests.user_id == user_id)
        if index is not None:
            statement = statement.where(requests.index_name == index)
        if before is not None:
            statement = statement.where(place < tuple_(*before))
        return [request_of(row) for row in await connection.execute(statement)]


def selected() -> Select[Any]:
    """Requests beside their answers' way back."""
    answers = query_results.c
    return select(
        requests.original_request_id.label("id"),
        requests.user_id,
        requests.index_name.label("index"),
        requests.query_type,
        requests.priority,
        requests.status,
        requests.imported_at,
        requests.retry_count,
        requests.started_at,
        requests.completed_at,
        requests.retry_at,
        requests.not_after,
        requests.failure_reason,
        requests.error_message,
        requests.assigned_worker,
        requests.import_batch_id,
        answers.exported_at.label("answer_exported_at"),
        answers.export_batch_id.label("answer_batch_id"),
    ).select_from(incoming_requests.outerjoin(query_results, answers.request_id == requests.id))


def request_of(row: Row[*tuple[Any, ...]]) -> IncomingRequest:
    """The request that a row holds."""
    values = dict(row._mapping)  # noqa: SLF001 - the documented way to read a row by name.
    return IncomingRequest(
        **{
            **values,
            "status": Status(values["status"]),
            "failure_reason": FailureReason(values["failure_reason"]) if values["failure_reason"] else None,
            "error_message": values["error_message"] or "",
            "assigned_worker": values["assigned_worker"] or "",
        }
    )
