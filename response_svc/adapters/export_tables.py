"""Where replication bundles come from: every change since the revision that was acknowledged, or all rows.

The bundle's records are written down when they are claimed, since rows may change before the file is durable and a
batch must read the same at every attempt. A bundle of all rows (a snapshot) is due at the first contact and in a new
epoch, when the other network asks for one, when it begins to read another schema than that of the last acknowledged
bundle, and when the last acknowledged one is a week old; it stays due until one is acknowledged, so that while a
snapshot is under way every newer bundle is a snapshot too.

Where nothing changes, a bundle says so from time to time: the other network tells the age of its copy by the last one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from airlock.bundle.v1.record_pb2 import Record
from airlock.bundle.v1.replication_pb2 import TableState

from common.batches.snapshots import snapshot_wanted
from response_svc.adapters.replication import BatchStatus, ReplicationBatch, ReplicationBatches
from transfer.bundle.names import kind_name
from transfer.bundle.replication import TableDigest, row_digest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from airlock.bundle.v1.frame_pb2 import ResultChunk
    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.ports import OutgoingBatch
    from response_svc.adapters.replicated_tables import ReplicatedTable

BLOCK_RECORDS: Final = 500
BLOCK_BYTES: Final = 1024 * 1024
"""A block ends with the record that takes it beyond either."""


class ReplicatedTableSource:
    """The source of one replicated table."""

    def __init__(
        self,
        table: ReplicatedTable,
        *,
        snapshot_every: timedelta,
        renew_after: Callable[[], timedelta | None] = lambda: None,
    ) -> None:
        """`snapshot_every` is how old the last acknowledged snapshot may become; `renew_after` the last bundle at all.

        The latter is asked for at each claim; None lets it become as old as it likes.
        """
        self._table = table
        self._snapshot_every = snapshot_every
        self._renew_after = renew_after
        self._batches = ReplicationBatches(kind_name(table.kind))

    @property
    def kind(self) -> BundleKind.ValueType:
        """The table's."""
        return self._table.kind

    async def claim(self, connection: AsyncConnection, batch: OutgoingBatch) -> int:
        """Writes down what the bundle is to hold; 0 when it would say nothing new."""
        since = await self._since(connection, batch)
        return await self._write_down(connection, batch, since) if since is not None else 0

    async def pieces(
        self, connection: AsyncConnection, batch: OutgoingBatch
    ) -> AsyncIterator[Sequence[bytes | ResultChunk]]:
        """The state of the table and its rows, as they were when the batch was claimed."""
        claimed = await self._batches.find(connection, batch.batch_id)
        yield [table_state(claimed)]
        n = 0
        while (records := await self._batches.block(connection, batch.batch_id, n)) is not None:
            yield records
            n += 1

    async def sealed(self, connection: AsyncConnection, batch: OutgoingBatch) -> None:
        """The file is durable."""
        await self._note(connection, [batch.batch_id], BatchStatus.SEALED)

    async def acknowledged(self, connection: AsyncConnection, batch_ids: Sequence[UUID], at: datetime) -> None:
        """The other network holds these bundles: later ones need not repeat what is in them."""
        await self._note(connection, batch_ids, BatchStatus.ACKNOWLEDGED)

    async def released(self, connection: AsyncConnection, batch_ids: Sequence[UUID]) -> None:
        """These bundles count no more; what they held is in the next one."""
        await self._note(connection, batch_ids, BatchStatus.RELEASED)

    async def begin_again(self, connection: AsyncConnection) -> None:
        """Batches count in their own epoch only, so the new one begins with a snapshot."""

    async def _note(self, connection: AsyncConnection, batch_ids: Sequence[UUID], status: BatchStatus) -> None:
        await self._batches.set_status(connection, batch_ids, status)

    async def _since(self, connection: AsyncConnection, batch: OutgoingBatch) -> int | None:
        """After which revision the bundle begins: 0 for a snapshot, None when there is nothing to say."""
        held = await self._batches.newest(connection, batch.epoch, statuses=[BatchStatus.ACKNOWLEDGED])
        last = await self._batches.newest(
            connection, batch.epoch, statuses=[BatchStatus.CLAIMED, BatchStatus.SEALED, BatchStatus.ACKNOWLEDGED]
        )
        if last is not None and last.status is BatchStatus.CLAIMED:
            return None
        revision = await connection.scalar(self._table.highest_revision) or 0
        # A bundle in another schema says other things of the same rows.
        said = last.revision if last is not None and last.schema_minor == batch.schema_minor else 0
        is_old = last is not None and self._is_old(last, batch)
        if held is None:
            # Nothing is acknowledged in this epoch, so every bundle is a snapshot; without rows there is none.
            return 0 if said < revision or is_old else None
        under_way = last is not None and last.snapshot and last.status is BatchStatus.SEALED
        if under_way or await self._snapshot_is_due(connection, batch, held):
            return None if under_way and said >= revision and not is_old else 0
        return held.revision if max(said, held.revision) < revision or is_old else None

    def _is_old(self, last: ReplicationBatch, batch: OutgoingBatch) -> bool:
        renew_after = self._renew_after()
        return renew_after is not None and batch.created_at - last.claimed_at >= renew_after

    async def _snapshot_is_due(self, connection: AsyncConnection, batch: OutgoingBatch, held: ReplicationBatch) -> bool:
        if held.schema_minor != batch.schema_minor:
            return True
        acknowledged = await self._batches.newest(
            connection, batch.epoch, statuses=[BatchStatus.ACKNOWLEDGED], snapshot=True
        )
        if acknowledged is None or batch.created_at - acknowledged.claimed_at >= self._snapshot_every:
            return True
        return await snapshot_wanted(connection, self.kind)

    async def _write_down(self, connection: AsyncConnection, batch: OutgoingBatch, since: int) -> int:
        """Reads the table once, in order of ids: the digest covers all of it, the records what changed after `since`.

        Whoever saw a revision committed has all smaller ones before him, so the highest one that this single statement
        sees is a sound beginning for the next bundle.
        """
        table = self._table
        digests = {group: bytearray() for _, group in table.fields.values()}
        blocks = Blocks(self._batches, connection, batch.batch_id)
        highest = 0
        async with connection.stream(table.rows) as rows:
            async for row in rows:
                message = table.message(row, batch.schema_minor)
                field, group = table.fields[type(message)]
                digests[group] += row_digest(message.SerializeToString(deterministic=True))
                highest = max(highest, row.revision)
                if row.revision > since:
                    record = Record()
                    getattr(record, field).CopyFrom(message)
                    await blocks.add(record.SerializeToString(deterministic=True))
        await blocks.flush()
        digest = TableDigest()
        for group in sorted(digests):
            digest.add_digests(digests[group])
        claimed = ReplicationBatch(
            batch_id=batch.batch_id,
            kind=kind_name(self.kind),
            epoch=batch.epoch,
            sequence=batch.sequence,
            snapshot=since == 0,
            since_revision=since,
            revision=highest,
            row_count=digest.rows,
            table_digest=digest.digest(),
            status=BatchStatus.CLAIMED,
            claimed_at=batch.created_at,
            schema_minor=batch.schema_minor,
        )
        await self._batches.add(connection, claimed)
        return 1 + blocks.records


class Blocks:
    """Writes a batch's records down, some hundreds at a time."""

    def __init__(self, batches: ReplicationBatches, connection: AsyncConnection, batch_id: UUID) -> None:
        self._batches = batches
        self._connection = connection
        self._batch_id = batch_id
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._written = 0
        self.records = 0

    async def add(self, record: bytes) -> None:
        """Takes the next record."""
        self._waiting.append(record)
        self._waiting_bytes += len(record)
        self.records += 1
        if len(self._waiting) >= BLOCK_RECORDS or self._waiting_bytes >= BLOCK_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Writes what waits."""
        if self._waiting:
            await self._batches.add_block(self._connection, self._batch_id, self._written, self._waiting)
            self._written, self._waiting, self._waiting_bytes = self._written + 1, [], 0


def table_state(batch: ReplicationBatch) -> bytes:
    """The serialised first record of a bundle."""
    state = TableState(
        snapshot=batch.snapshot,
        since_revision=batch.since_revision,
        revision=batch.revision,
        row_count=batch.row_count,
        table_digest=batch.table_digest,
    )
    return Record(table_state=state).SerializeToString(deterministic=True)
