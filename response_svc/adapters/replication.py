"""What replication bundles were made of one kind, what became of them, and the records of the one in the making."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select, update

from response_svc.adapters.tables import replication_batches, replication_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

batches = replication_batches.c
blocks = replication_blocks.c


class BatchStatus(StrEnum):
    """What became of a replication batch."""

    CLAIMED = "claimed"
    SEALED = "sealed"
    ACKNOWLEDGED = "acknowledged"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class ReplicationBatch:
    """One replication bundle: what it says of its table, and its place in the stream."""

    batch_id: UUID
    kind: str
    epoch: int
    sequence: int
    snapshot: bool
    since_revision: int
    revision: int
    row_count: int
    table_digest: bytes
    status: BatchStatus
    claimed_at: datetime
    # The schema in which the rows were written for the other network.
    schema_minor: int


class ReplicationBatches:
    """The batches of one kind. Every method runs in the caller's transaction."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    async def add(self, connection: AsyncConnection, batch: ReplicationBatch) -> None:
        """Keeps a batch that was just claimed."""
        await connection.execute(replication_batches.insert().values(asdict(batch)))

    async def add_block(self, connection: AsyncConnection, batch_id: UUID, n: int, records: Sequence[bytes]) -> None:
        """Keeps the `n`-th part of a batch's records until the file is durable."""
        await connection.execute(replication_blocks.insert().values(batch_id=batch_id, n=n, records=list(records)))

    async def find(self, connection: AsyncConnection, batch_id: UUID) -> ReplicationBatch:
        """The batch with that id, which must exist."""
        statement = select(replication_batches).where(batches.batch_id == batch_id)
        row = (await connection.execute(statement)).one()
        return batch_of(row)

    async def block(self, connection: AsyncConnection, batch_id: UUID, n: int) -> Sequence[bytes] | None:
        """The `n`-th part of a batch's records; None after the last."""
        statement = select(blocks.records).where(blocks.batch_id == batch_id, blocks.n == n)
        records: list[bytes] | None = (await connection.execute(statement)).scalar_one_or_none()
        return records

    async def newest(
        self, connection: AsyncConnection, epoch: int, *, statuses: Sequence[BatchStatus], snapshot: bool | None = None
    ) -> ReplicationBatch | None:
        """The batch of the epoch with the highest number, of those in one of `statuses`."""
        statement = select(replication_batches).where(
            batches.kind == self._kind, batches.epoch == epoch, batches.status.in_(statuses)
        )
        if snapshot is not None:
            statement = statement.where(batches.snapshot == snapshot)
        row = (await connection.execute(statement.order_by(batches.sequence.desc()).limit(1))).one_or_none()
        return batch_of(row) if row is not None else None

    async def set_status(self, connection: AsyncConnection, batch_ids: Sequence[UUID], status: BatchStatus) -> None:
        """Notes what became of batches that have no end yet. Their records are needed no longer."""
        named = list(batch_ids)
        open_ones = batches.status.in_((BatchStatus.CLAIMED, BatchStatus.SEALED))
        changed = update(replication_batches).where(batches.batch_id == func.any(named), open_ones)
        await connection.execute(changed.values(status=status))
        await connection.execute(delete(replication_blocks).where(blocks.batch_id == func.any(named)))


def batch_of(row: Row[*tuple[Any, ...]]) -> ReplicationBatch:
    """The batch that a row holds."""
    values = dict(row._mapping)  # noqa: SLF001 - the documented way to read a row by name.
    return ReplicationBatch(**{**values, "status": BatchStatus(values["status"])})
