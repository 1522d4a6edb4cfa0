"""Answers as they are read: what came back, and its bytes piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, select

from request_svc.adapters.tables import responses, result_chunks
from request_svc.domain.request import Response

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

_SHOWN = tuple(column for column in responses.c if column.name not in {"result_data", "metadata", "cache_key"})


class SqlResponseStore:
    """`ResponseStore` on PostgreSQL."""

    async def find(self, connection: AsyncConnection, request_id: UUID) -> Response | None:
        """See the port."""
        row = (await connection.execute(select(*_SHOWN).where(responses.c.request_id == request_id))).one_or_none()
        if row is None:
            return None
        return Response(
            request_id=row.request_id,
            completed=row.outcome == "completed",
            result_count=row.result_count,
            result_bytes=row.result_bytes,
            result_sha256=None if row.result_sha256 is None else bytes(row.result_sha256),
            execution_time_ms=row.execution_time_ms,
            engine_took_ms=row.engine_took_ms,
            cache_hit=row.is_cached,
            partial=row.is_partial,
            executed_at=row.executed_at,
            sealed_at=row.sealed_at,
            received_at=row.received_at,
            import_batch_id=row.import_batch_id,
            import_sequence=row.import_sequence,
        )

    async def small_data(self, connection: AsyncConnection, request_id: UUID) -> bytes | None:
        """See the port. The cast to text keeps the driver's JSON loader away: it would change numbers."""
        statement = select(cast(responses.c.result_data, Text)).where(responses.c.request_id == request_id)
        data = (await connection.execute(statement)).scalar_one_or_none()
        return None if data is None else str(data).encode()

    async def piece(self, connection: AsyncConnection, request_id: UUID, number: int) -> bytes | None:
        """See the port."""
        statement = select(result_chunks.c.data).where(result_chunks.c.id == request_id, result_chunks.c.n == number)
        data = (await connection.execute(statement)).scalar_one_or_none()
        return None if data is None else bytes(data)
