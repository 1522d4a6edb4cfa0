"""Users bundles: what changed since the acknowledged revision, or everyone, and the same at every attempt."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from airlock.bundle.v1.record_pb2 import Record
from sqlalchemy import text

from common.rpc.caller import current_caller
from response_svc.adapters.export_tables import ReplicatedTableSource
from response_svc.adapters.replicated_tables import USERS
from response_svc.domain.user import UserChanges
from response_svc.usecases.change_users import update_user
from tests.integration.response_svc.world import START, Numbers, make_user
from transfer.bundle.replication import TableDigest

if TYPE_CHECKING:
    from uuid import UUID

    from airlock.bundle.v1.replication_pb2 import TableState, User

    from common.batches.ports import OutgoingBatch
    from common.database.transaction import Database
    from response_svc.usecases.change_users import UserContext


@dataclass
class Exports:
    """Claims, seals, acknowledges and releases users bundles as a run would."""

    database: Database
    numbers: Numbers = field(default_factory=Numbers)
    source: ReplicatedTableSource = field(
        default_factory=lambda: ReplicatedTableSource(USERS, snapshot_every=timedelta(days=7))
    )

    async def claim(self) -> OutgoingBatch | None:
        batch = self.numbers.next()
        async with self.database.transaction() as transaction:
            count = await self.source.claim(transaction.connection, batch)
        if count:
            assert len(await self.read(batch)) == count
        return batch if count else None

    async def read(self, batch: OutgoingBatch) -> list[Record]:
        records: list[Record] = []
        async with self.database.transaction() as transaction:
            async for some in self.source.pieces(transaction.connection, batch):
                records += [Record.FromString(piece) for piece in some if isinstance(piece, bytes)]
        return records

    async def seal(self) -> tuple[UUID, TableState, list[User]] | None:
        """The next bundle's batch, table state and users; None when there is nothing to say."""
        batch = await self.claim()
        if batch is None:
            return None
        first, *rest = await self.read(batch)
        async with self.database.transaction() as transaction:
            await self.source.sealed(transaction.connection, batch)
        return batch.batch_id, first.table_state, [record.user for record in rest]

    async def sealed(self) -> tuple[UUID, TableState, list[User]]:
        made = await self.seal()
        assert made is not None
        return made

    async def acknowledge(self, *batch_ids: UUID) -> None:
        async with self.database.transaction() as transaction:
            await self.source.acknowledged(transaction.connection, batch_ids, START)

    async def release(self, *batch_ids: UUID) -> None:
        async with self.database.transaction() as transaction:
            await self.source.released(transaction.connection, batch_ids)


@pytest.fixture
async def exports(database: Database) -> Exports:
    async with database.transaction() as transaction:
        await transaction.connection.execute(text("INSERT INTO streams (direction) VALUES ('outgoing'), ('incoming')"))
    return Exports(database)


def names(users: list[User]) -> list[str]:
    return sorted(user.username for user in users)


async def raise_priority(context: UserContext, user_id: UUID, priority: int) -> None:
    await update_user(context, user_id, UserChanges(priority=priority), caller=current_caller())


async def test_without_users_there_is_no_bundle(exports: Exports) -> None:
    assert await exports.seal() is None


async def test_the_first_bundle_holds_everyone(exports: Exports, user_context: UserContext) -> None:
    user = await make_user(user_context, "sara")
    await make_user(user_context, "omid")
    _, state, users = await exports.sealed()
    assert (state.snapshot, state.since_revision, state.revision, state.row_count) == (True, 0, 2, 2)
    assert names(users) == ["omid", "sara"]
    [sara] = [sent for sent in users if sent.username == "sara"]
    assert (sara.id, sara.hashed_password, sara.revision) == (user.id.bytes, user.hashed_password, 1)
    digest = TableDigest()
    for sent in sorted(users, key=lambda one: one.id):
        digest.add(sent.SerializeToString(deterministic=True))
    assert state.table_digest == digest.digest()
    assert await exports.seal() is None, "nothing is new"


async def test_while_a_snapshot_is_under_way_every_newer_bundle_is_one(
    exports: Exports, user_context: UserContext
) -> None:
    user = await make_user(user_context, "sara")
    await exports.sealed()
    await raise_priority(user_context, user.id, 9)
    _, state, _ = await exports.sealed()
    assert state.snapshot
    assert await exports.seal() is None


async def test_a_delta_holds_every_change_since_what_was_acknowledged(
    exports: Exports, user_context: UserContext
) -> None:
    sara = await make_user(user_context, "sara")
    omid = await make_user(user_context, "omid")
    await make_user(user_context, "zahra")
    first, *_ = await exports.sealed()
    await exports.acknowledge(first)
    assert await exports.seal() is None
    await raise_priority(user_context, sara.id, 9)
    second, state, users = await exports.sealed()
    assert (state.snapshot, state.since_revision, state.revision, state.row_count) == (False, 3, 4, 3)
    assert names(users) == ["sara"]
    assert await exports.seal() is None
    await raise_priority(user_context, omid.id, 9)
    _, state, users = await exports.sealed()
    assert (state.since_revision, names(users)) == (3, ["omid", "sara"]), "the second is not acknowledged"
    await exports.acknowledge(second)
    await raise_priority(user_context, omid.id, 1)
    _, state, users = await exports.sealed()
    assert (state.since_revision, names(users)) == (4, ["omid"])


async def test_a_voided_bundle_is_made_good_by_the_next(exports: Exports, user_context: UserContext) -> None:
    sara = await make_user(user_context, "sara")
    first, *_ = await exports.sealed()
    await exports.acknowledge(first)
    await raise_priority(user_context, sara.id, 9)
    second, *_ = await exports.sealed()
    await exports.release(second)
    _, state, users = await exports.sealed()
    assert (state.since_revision, names(users)) == (1, ["sara"])


async def test_a_voided_snapshot_is_followed_by_a_snapshot(exports: Exports, user_context: UserContext) -> None:
    await make_user(user_context, "sara")
    first, *_ = await exports.sealed()
    await exports.release(first)
    _, state, _ = await exports.sealed()
    assert state.snapshot


async def test_an_old_acknowledgement_does_not_turn_the_revision_back(
    exports: Exports, user_context: UserContext
) -> None:
    sara = await make_user(user_context, "sara")
    first, *_ = await exports.sealed()
    await raise_priority(user_context, sara.id, 9)
    second, *_ = await exports.sealed()
    await exports.acknowledge(second)
    await exports.acknowledge(first)
    assert await exports.seal() is None
    await make_user(user_context, "omid")
    _, state, _ = await exports.sealed()
    assert state.since_revision == 2


async def test_a_new_epoch_begins_with_a_snapshot(exports: Exports, user_context: UserContext) -> None:
    await make_user(user_context, "sara")
    first, *_ = await exports.sealed()
    await exports.acknowledge(first)
    exports.numbers = Numbers(epoch=2)
    _, state, _ = await exports.sealed()
    assert state.snapshot


async def test_once_a_week_everyone_is_sent(exports: Exports, user_context: UserContext) -> None:
    await make_user(user_context, "sara")
    first, *_ = await exports.sealed()
    await exports.acknowledge(first)
    exports.numbers.at += timedelta(days=6, hours=23)
    assert await exports.seal() is None
    exports.numbers.at += timedelta(hours=1)
    second, state, _ = await exports.sealed()
    assert state.snapshot
    assert await exports.seal() is None, "it is under way"
    await exports.acknowledge(second)
    assert await exports.seal() is None


async def test_where_nobody_is_changed_a_bundle_says_so_before_the_copy_seems_old(
    exports: Exports, user_context: UserContext
) -> None:
    exports.source = ReplicatedTableSource(
        USERS, snapshot_every=timedelta(days=7), renew_after=lambda: timedelta(days=1)
    )
    assert await exports.seal() is None, "there is nobody"
    await make_user(user_context, "sara")
    await exports.sealed()
    exports.numbers.at += timedelta(hours=23)
    assert await exports.seal() is None
    exports.numbers.at += timedelta(hours=1)
    second, state, users = await exports.sealed()
    assert (state.snapshot, names(users)) == (True, ["sara"]), "nothing is acknowledged"
    await exports.acknowledge(second)
    exports.numbers.at += timedelta(days=1)
    third, state, users = await exports.sealed()
    assert (state.snapshot, state.since_revision, state.revision, state.row_count, users) == (False, 1, 1, 1, [])
    assert await exports.seal() is None
    await exports.acknowledge(third)
    assert await exports.seal() is None


async def test_a_batch_reads_the_same_although_its_users_change(exports: Exports, user_context: UserContext) -> None:
    sara = await make_user(user_context, "sara")
    batch = await exports.claim()
    assert batch is not None
    before = await exports.read(batch)
    await raise_priority(user_context, sara.id, 9)
    await make_user(user_context, "omid")
    assert await exports.read(batch) == before
    assert await exports.claim() is None, "the one before is not sealed"


async def test_thousands_of_users_fit_one_bundle_in_order_of_their_ids(exports: Exports, database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.connection.execute(
            text(
                "INSERT INTO users (id, username, email, hashed_password, revision)"
                " SELECT gen_random_uuid(), 'u' || n, 'u' || n || '@x.org', 'x', n FROM generate_series(1, 1700) n"
            )
        )
    _, state, users = await exports.sealed()
    assert state.row_count == len(users) == 1700
    assert [user.id for user in users] == sorted(user.id for user in users)
    async with database.transaction() as transaction:
        left = await transaction.connection.scalar(text("SELECT count(*) FROM replication_blocks"))
    assert left == 0, "a durable file needs them no longer"
