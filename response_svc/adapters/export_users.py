"""Where users bundles come from: every change since the revision that the other network acknowledged, or all users.

The bundle's records are written down when they are claimed, since users may change before the file is durable and a
batch must read the same at every attempt. A bundle of all users (a snapshot) is due at the first contact and in a new
epoch, when the other network asks for one, and when the last acknowledged one is a week old; it stays due until one is
acknowledged, so that while a snapshot is under way every newer bundle is a snapshot too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airlock.bundle.v1.record_pb2 import Record
from airlock.bundle.v1.replication_pb2 import TableState, User
from airlock.common.v1.network_pb2 import BUNDLE_KIND_USERS
from sqlalchemy import func, select

from common.batches.snapshots import snapshot_wanted
from response_svc.adapters.replication import BatchStatus, ReplicationBatch, ReplicationBatches
from response_svc.adapters.tables import users
from response_svc.adapters.users import USERS_KIND
from transfer.bundle.replication import TableDigest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from airlock.bundle.v1.frame_pb2 import ResultChunk
    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.ports import OutgoingBatch

BLOCK_RECORDS = 500


class UsersSource:
    """The USERS source."""

    def __init__(self, *, snapshot_every: timedelta) -> None:
        """`snapshot_every` is how old the last acknowledged snapshot may become."""
        self._snapshot_every = snapshot_every
        self._batches = ReplicationBatches(USERS_KIND)

    @property
    def kind(self) -> BundleKind.ValueType:
        """Users."""
        return BUNDLE_KIND_USERS

    async def claim(self, connection: AsyncConnection, batch: OutgoingBatch) -> int:
        """Writes down what the bundle is to hold; 0 when it would say nothing new."""
        since = await self._since(connection, batch)
        return await self._write_down(connection, batch, since) if since is not None else 0

    async def pieces(
        self, connection: AsyncConnection, batch: OutgoingBatch
    ) -> AsyncIterator[Sequence[bytes | ResultChunk]]:
        """The state of the table and the users, as they were when the batch was claimed."""
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
        epoch = batch.epoch
        held = await self._batches.newest(connection, epoch, statuses=[BatchStatus.ACKNOWLEDGED])
        last = await self._batches.newest(
            connection, epoch, statuses=[BatchStatus.CLAIMED, BatchStatus.SEALED, BatchStatus.ACKNOWLEDGED]
        )
        if last is not None and last.status is BatchStatus.CLAIMED:
            return None
        revision = await self._revision(connection)
        said = last.revision if last is not None else 0
        if held is None:
            # Nothing is acknowledged in this epoch, so every bundle is a snapshot; without users there is none.
            return 0 if said < revision else None
        under_way = last is not None and last.snapshot and last.status is BatchStatus.SEALED
        if under_way or await self._snapshot_is_due(connection, batch):
            return None if under_way and said >= revision else 0
        return held.revision if max(said, held.revision) < revision else None

    @staticmethod
    async def _revision(connection: AsyncConnection) -> int:
        """The highest revision of the table; 0 without users."""
        highest: int | None = await connection.scalar(select(func.max(users.c.revision)))
        return highest or 0

    async def _snapshot_is_due(self, connection: AsyncConnection, batch: OutgoingBatch) -> bool:
        acknowledged = await self._batches.newest(
            connection, batch.epoch, statuses=[BatchStatus.ACKNOWLEDGED], snapshot=True
        )
        if acknowledged is None or batch.created_at - acknowledged.claimed_at >= self._snapshot_every:
            return True
        return await snapshot_wanted(connection, BUNDLE_KIND_USERS)

    async def _write_down(self, connection: AsyncConnection, batch: OutgoingBatch, since: int) -> int:
        """Reads the table once, in order of ids: the digest covers all of it, the records what changed after `since`.

        Whoever saw a revision committed has all smaller ones before him, so the highest one that this single statement
        sees is a sound beginning for the next bundle.
        """
        digest = TableDigest()
        blocks = Blocks(self._batches, connection, batch.batch_id)
        highest, count = 0, 0
        async with connection.stream(select(users).order_by(users.c.id)) as rows:
            async for row in rows:
                user = user_message(row)
                digest.add(user.SerializeToString(deterministic=True))
                highest, count = max(highest, row.revision), count + 1
                if row.revision > since:
                    await blocks.add(Record(user=user).SerializeToString(deterministic=True))
        await blocks.flush()
        claimed = ReplicationBatch(
            batch_id=batch.batch_id,
            kind=USERS_KIND,
            epoch=batch.epoch,
            sequence=batch.sequence,
            snapshot=since == 0,
            since_revision=since,
            revision=highest,
            row_count=count,
            table_digest=digest.digest(),
            status=BatchStatus.CLAIMED,
            claimed_at=batch.created_at,
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
        self._written = 0
        self.records = 0

    async def add(self, record: bytes) -> None:
        """Takes the next record."""
        self._waiting.append(record)
        self.records += 1
        if len(self._waiting) >= BLOCK_RECORDS:
            await self.flush()

    async def flush(self) -> None:
        """Writes what waits."""
        if self._waiting:
            await self._batches.add_block(self._connection, self._batch_id, self._written, self._waiting)
            self._written, self._waiting = self._written + 1, []


def user_message(row: Row[*tuple[Any, ...]]) -> User:
    """The user as he crosses the gap."""
    return User(
        id=row.id.bytes,
        username=row.username,
        email=row.email,
        hashed_password=row.hashed_password,
        full_name=row.full_name,
        role=row.role,
        profile_type=row.profile_type,
        rate_limit_per_minute=row.rate_limit_per_minute,
        rate_limit_per_hour=row.rate_limit_per_hour,
        rate_limit_per_day=row.rate_limit_per_day,
        priority=row.priority,
        is_active=row.is_active,
        revision=row.revision,
    )


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
