"""Requests as their users see them: find, list, cancel. Submitting and exporting have modules of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, Text, Uuid, any_, cast, select, tuple_, update

from request_svc.adapters.changes import notify_changes
from request_svc.adapters.tables import requests
from request_svc.domain.request import FailureReason, Request
from request_svc.domain.status import OPEN, RequestStatus, sources_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Row, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from request_svc.ports import RequestFilter

_SHOWN = (
    requests.c.id,
    requests.c.user_id,
    requests.c.index_name,
    requests.c.query_type,
    requests.c.status,
    requests.c.priority,
    requests.c.created_at,
    requests.c.not_after,
    requests.c.accept_partial,
    requests.c.idempotency_key,
    requests.c.retry_count,
    requests.c.failure_reason,
    requests.c.error_message,
    requests.c.export_batch_id,
    requests.c.export_sequence,
    requests.c.exported_at,
    requests.c.travelled_before,
    requests.c.acknowledged_at,
    requests.c.result_received_at,
    requests.c.cancelled_at,
)


class SqlRequestStore:
    """`RequestStore` on PostgreSQL. It holds nothing, so one serves the whole process."""

    async def find(self, connection: AsyncConnection, request_id: UUID, user_id: UUID) -> Request | None:
        """See the port."""
        return await _one(connection, _of(request_id, user_id))

    async def find_for_update(self, connection: AsyncConnection, request_id: UUID, user_id: UUID) -> Request | None:
        """See the port."""
        return await _one(connection, _of(request_id, user_id).with_for_update())

    async def find_by_key(
        self, connection: AsyncConnection, user_id: UUID, idempotency_key: str
    ) -> tuple[Request, bytes] | None:
        """See the port."""
        return (await self.find_by_keys(connection, user_id, [idempotency_key])).get(idempotency_key)

    async def find_by_keys(
        self, connection: AsyncConnection, user_id: UUID, idempotency_keys: Sequence[str]
    ) -> Mapping[str, tuple[Request, bytes]]:
        """See the port."""
        named = any_(cast(list(idempotency_keys), ARRAY(Text)))
        statement = select(*_SHOWN, requests.c.search).where(
            requests.c.user_id == user_id,
            requests.c.idempotency_key == named,
            # Without it the planner cannot tell that the partial index has them all.
            requests.c.idempotency_key.is_not(None),
        )
        rows = await connection.execute(statement)
        return {row.idempotency_key: (_request(row), bytes(row.search)) for row in rows}

    async def page(
        self, connection: AsyncConnection, wanted: RequestFilter, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[Request]:
        """See the port."""
        place = tuple_(requests.c.created_at, requests.c.id)
        conditions = _conditions(wanted)
        if after is not None:
            conditions.append(place < tuple_(*after) if wanted.newest_first else place > tuple_(*after))
        order = [requests.c.created_at, requests.c.id]
        statement = (
            select(*_SHOWN)
            .where(*conditions)
            .order_by(*([column.desc() for column in order] if wanted.newest_first else order))
            .limit(limit)
        )
        return [_request(row) for row in await connection.execute(statement)]

    async def cancel(
        self, connection: AsyncConnection, request_id: UUID, at: datetime, *, tell_the_other_network: bool
    ) -> Request:
        """See the port."""
        statement = (
            update(requests)
            .where(requests.c.id == request_id, requests.c.status.in_(sources_of(RequestStatus.CANCELLED)))
            .values(status=RequestStatus.CANCELLED, cancelled_at=at, cancel_pending=tell_the_other_network)
            .returning(*_SHOWN)
        )
        cancelled = _request((await connection.execute(statement)).one())
        await notify_changes(connection)
        return cancelled

    async def statuses(
        self, connection: AsyncConnection, user_id: UUID, ids: Sequence[UUID], created_since: datetime | None
    ) -> dict[UUID, RequestStatus]:
        """See the port."""
        wanted: ColumnElement[bool] = requests.c.id == _any(ids)
        if created_since is not None:
            wanted |= requests.c.created_at >= created_since
        statement = select(requests.c.id, requests.c.status).where(requests.c.user_id == user_id, wanted)
        return {row.id: RequestStatus(row.status) for row in await connection.execute(statement)}

    async def open_ids(self, connection: AsyncConnection, user_id: UUID, limit: int) -> list[UUID]:
        """See the port."""
        statement = (
            select(requests.c.id)
            .where(requests.c.user_id == user_id, requests.c.status.in_(sorted(OPEN)))
            .order_by(requests.c.created_at.desc())
            .limit(limit)
        )
        return list((await connection.execute(statement)).scalars())

    async def find_many(self, connection: AsyncConnection, user_id: UUID, ids: Sequence[UUID]) -> list[Request]:
        """See the port."""
        statement = select(*_SHOWN).where(requests.c.user_id == user_id, requests.c.id == _any(ids))
        return [_request(row) for row in await connection.execute(statement)]


def _of(request_id: UUID, user_id: UUID) -> Select[Any]:
    return select(*_SHOWN).where(requests.c.id == request_id, requests.c.user_id == user_id)


def _any(ids: Sequence[UUID]) -> ColumnElement[Any]:
    # One array instead of a placeholder for each id, so that the statement is the same and stays prepared.
    return any_(cast(list(ids), ARRAY(Uuid)))


async def _one(connection: AsyncConnection, statement: Select[Any]) -> Request | None:
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else _request(row)


def _conditions(wanted: RequestFilter) -> list[ColumnElement[bool]]:
    conditions = [requests.c.user_id == wanted.user_id]
    if wanted.statuses:
        conditions.append(requests.c.status.in_(sorted(wanted.statuses)))
    if wanted.index is not None:
        conditions.append(requests.c.index_name == wanted.index)
    if wanted.created_after is not None:
        conditions.append(requests.c.created_at > wanted.created_after)
    if wanted.created_before is not None:
        conditions.append(requests.c.created_at < wanted.created_before)
    return conditions


def _request(row: Row[*tuple[Any, ...]]) -> Request:
    return Request(
        request_id=row.id,
        user_id=row.user_id,
        index=row.index_name,
        query_type=row.query_type,
        status=RequestStatus(row.status),
        priority=row.priority,
        created_at=row.created_at,
        not_after=row.not_after,
        accept_partial=row.accept_partial,
        idempotency_key=row.idempotency_key,
        retry_count=row.retry_count,
        failure_reason=None if row.failure_reason is None else FailureReason(row.failure_reason),
        error_message=row.error_message,
        export_batch_id=row.export_batch_id,
        export_sequence=row.export_sequence,
        exported_at=row.exported_at,
        travelled_before=row.travelled_before,
        acknowledged_at=row.acknowledged_at,
        result_received_at=row.result_received_at,
        cancelled_at=row.cancelled_at,
    )
