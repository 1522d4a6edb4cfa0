"""Kinds of which the newest bundle is enough, and asking for the whole table."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from airlock.bundle.v1.record_pb2 import Record
from airlock.bundle.v1.replication_pb2 import TableState, User
from toy_networks import STATUS, USERS, Fault

from common.batches.parked import park
from common.batches.ports import IncomingBatch
from common.batches.run_import import run_imports
from common.batches.snapshots import ask_for_snapshot, snapshot_came, snapshot_wanted
from common.batches.steps import Step

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection
    from toy_networks import Pair, ToyNetwork

    from common.batches.ports import OutgoingBatch
    from common.database.transaction import Transaction


class Changes:
    """A replicated table that is always sent as a whole, once for each change."""

    kind = USERS

    def __init__(self) -> None:
        self.changed = True
        self.calls: list[tuple[str, int]] = []

    async def claim(self, _connection: AsyncConnection, _batch: OutgoingBatch) -> int:
        changed, self.changed = self.changed, False
        return 2 if changed else 0

    async def pieces(self, _connection: AsyncConnection, _batch: OutgoingBatch) -> AsyncIterator[Sequence[bytes]]:
        user = User(
            id=bytes(16),
            username="u",
            email="e",
            hashed_password="h",
            role="user",
            profile_type="p",
            priority=1,
            revision=1,
        )
        state = TableState(snapshot=True, revision=1, row_count=1, table_digest=bytes(32))
        yield [Record(table_state=state).SerializeToString(), Record(user=user).SerializeToString()]

    async def sealed(self, _connection: AsyncConnection, _batch: OutgoingBatch) -> None:
        self.calls.append(("sealed", 1))

    async def acknowledged(self, _connection: AsyncConnection, batch_ids: Sequence[UUID], _at: datetime) -> None:
        self.calls.append(("acknowledged", len(batch_ids)))

    async def begin_again(self, _connection: AsyncConnection) -> None: ...

    async def released(self, _connection: AsyncConnection, batch_ids: Sequence[UUID]) -> None:
        self.calls.append(("released", len(batch_ids)))


class Replica:
    """Counts what comes."""

    def __init__(self, _batch: object) -> None:
        self.counts: Counter[str] = Counter()

    async def apply(self, _transaction: Transaction, pieces: Sequence[Record]) -> None:
        self.counts.update(piece.WhichOneof("content") or "" for piece in pieces)

    async def finish(self, _transaction: Transaction) -> dict[str, int]:
        return dict(self.counts)


@pytest.fixture
def users() -> Changes:
    return Changes()


def master(pair: Pair, users: Changes) -> ToyNetwork:
    return replace(pair.response, source=users)


async def scan_replica(pair: Pair) -> list[str]:
    report = await run_imports(pair.request.context, sinks={USERS: Replica}, sources={})
    return [batch.status for batch in report.batches]


async def test_the_courier_carries_the_newest_bundle_and_not_a_pile(pair: Pair, users: Changes) -> None:
    response = master(pair, users)
    for _ in range(3):
        users.changed = True
        await response.export()
    assert [batch.disposition for batch in await response.exports()] == ["sealed", "voided", "voided"]
    assert len(response.waiting()) == 1
    assert users.calls == [("sealed", 1), ("released", 1), ("sealed", 1), ("released", 1), ("sealed", 1)]
    pair.request.take_in(*response.waiting())
    assert await scan_replica(pair) == ["completed"]
    incoming = (await pair.request.streams()).incoming
    assert (incoming.cumulative, incoming.missing) == (3, "")


async def test_nothing_new_seals_nothing(pair: Pair, users: Changes) -> None:
    response = master(pair, users)
    await response.export()
    assert (await response.export()).batches == ()


async def test_a_predecessor_given_up_by_a_run_that_died_stays_given_up(pair: Pair, users: Changes) -> None:
    response = master(pair, users)
    await response.export()
    first = response.waiting()[0].name
    users.changed = True
    response.steps.step = Step.FREEZE
    with pytest.raises(Fault):
        await response.export()
    await response.export()
    assert first not in [file.name for file in response.waiting()]
    assert first in [file.filename for file in response.context.outbox.voided()]
    assert [batch.disposition for batch in await response.exports()] == ["sealed", "voided"]


async def test_what_was_applied_before_it_was_given_up_is_acknowledged(pair: Pair, users: Changes) -> None:
    response = master(pair, users)
    await response.export()
    pair.request.take_in(*response.waiting())
    await scan_replica(pair)
    users.changed = True
    await response.export()
    pair.request.take_in(*response.waiting())
    assert await scan_replica(pair) == ["completed"]
    await pair.request.status(force=True)
    response.take_in(*pair.request.waiting())
    await response.scan()
    outgoing = (await response.streams()).outgoing
    assert (outgoing.acknowledged_up_to, outgoing.in_flight, outgoing.alarm) == (2, 0, "")


async def test_a_wish_for_the_whole_table_travels_until_it_is_fulfilled(pair: Pair) -> None:
    await pair.begin()
    async with pair.request.database.transaction() as transaction:
        await ask_for_snapshot(transaction.connection, USERS)
        await ask_for_snapshot(transaction.connection, USERS)
    await pair.round_trip()
    async with pair.response.database.transaction() as transaction:
        assert await snapshot_wanted(transaction.connection, USERS)
        assert not await snapshot_wanted(transaction.connection, STATUS)
    async with pair.request.database.transaction() as transaction:
        await snapshot_came(transaction.connection, USERS)
    await pair.round_trip()
    async with pair.response.database.transaction() as transaction:
        assert not await snapshot_wanted(transaction.connection, USERS)


async def test_a_record_that_cannot_be_applied_alone_is_parked(pair: Pair) -> None:
    now = pair.request.clock()
    batch = IncomingBatch(uuid4(), uuid4(), USERS, 1, 1, now, now)
    async with pair.request.database.transaction() as transaction:
        await park(transaction.connection, batch, "unknown-request", None, b"record")
        rows = await transaction.connection.exec_driver_sql("SELECT kind, reason, record FROM parked_records")
        assert [tuple(row) for row in rows] == [("users", "unknown-request", b"record")]
