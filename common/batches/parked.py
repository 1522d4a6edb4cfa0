"""Records that cannot be applied alone, such as an answer to an unknown request, kept beside the bundle's others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert

from common.batches.tables import parked_records
from transfer.bundle.names import kind_name

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.ports import IncomingBatch


async def park(
    connection: AsyncConnection, batch: IncomingBatch, reason: str, record_id: UUID | None, record: bytes
) -> None:
    """Keeps one serialised Record with a short reason such as `unknown-request` (64 characters at most)."""
    await connection.execute(
        insert(parked_records).values(
            import_batch_id=batch.batch_id,
            kind=kind_name(batch.kind),
            record_id=record_id,
            reason=reason[:64],
            record=record,
            parked_at=batch.received_at,
        )
    )
