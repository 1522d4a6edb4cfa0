"""How the replica of profile types, settings and indices follows its master, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airlock.bundle.v1.record_pb2 import Record
from airlock.bundle.v1.replication_pb2 import Index, IndexField, ProfileType, Setting, TableState
from airlock.common.v1.network_pb2 import BUNDLE_KIND_PROFILE_TYPES, BUNDLE_KIND_SETTINGS
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from common.batches.import_rows import save_import
from common.batches.tables import streams
from common.policy.live import CHANNEL, LivePolicy
from common.policy.tables import indices, profile_types, settings
from request_svc.adapters.tables import replica_states
from tests.integration.request_svc.request_world import answer, import_row, user_id, user_message
from transfer.bundle.replication import TableDigest
from transfer.errors import MalformedRecordError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airlock.common.v1.network_pb2 import BundleKind

    from common.database.transaction import Database
    from tests.integration.request_svc.request_world import World

Row = ProfileType | Setting | Index


def premium(**changes: Any) -> ProfileType:
    values: dict[str, Any] = {
        "name": "premium",
        "rate_limit_per_minute": 60,
        "rate_limit_per_hour": 1000,
        "rate_limit_per_day": 10_000,
        "priority": 6,
        "query_kinds": ["*"],
        "indices": ["cities"],
        "max_result_bytes": 1 << 20,
        "revision": 1,
    }
    return ProfileType(**{**values, **changes})


def record(row: Row) -> Record:
    if isinstance(row, ProfileType):
        return Record(profile_type=row)
    return Record(setting=row) if isinstance(row, Setting) else Record(index=row)


def identity(row: Row) -> bytes:
    if isinstance(row, Setting):
        return b"setting/" + row.key.encode()
    return (b"index/" if isinstance(row, Index) else b"") + row.name.encode()


def bundle(rows: Sequence[Row], *, snapshot: bool = False, table: Sequence[Row] | None = None) -> list[Record]:
    """The records of a bundle; `table` is the master's whole table where the bundle does not hold all of it."""
    whole = sorted(table if table is not None else rows, key=identity)
    digest = TableDigest()
    for row in whole:
        digest.add(row.SerializeToString(deterministic=True))
    state = TableState(snapshot=snapshot, revision=9, row_count=len(whole), table_digest=digest.digest())
    return [Record(table_state=state), *map(record, rows)]


DEPTH = Setting(key="query.max_depth", int_value=12, revision=1)
WILDCARD = Setting(key="query.allow_leading_wildcard", bool_value=False, revision=2)
FUTURE = Setting(key="future.motto", string_value="سلام", revision=3)
CITIES = Index(name="cities", fields=[IndexField(name="name", type="text")], revision=4)
POLICY = (DEPTH, WILDCARD, FUTURE, CITIES)


async def in_step(world: World, kind: str) -> bool:
    [state] = await world.rows(replica_states, where=replica_states.c.kind == kind)
    return bool(state.in_step)


async def test_what_the_master_decides_counts_in_every_process(world: World) -> None:
    live = LivePolicy(world.database)
    await live.refresh()
    assert live.current.number("query.max_depth") == 10
    counts = await world.import_policy(BUNDLE_KIND_SETTINGS, bundle(POLICY, snapshot=True))
    assert counts == {"imported": 4, "updated": 0}
    await world.import_policy(BUNDLE_KIND_PROFILE_TYPES, bundle([premium(soft=True)], snapshot=True))
    await live.refresh()
    assert live.current.number("query.max_depth") == 12
    assert live.current.switch("query.allow_leading_wildcard") is False
    assert live.current.indices["cities"].fields == {"name": "text"}
    profile = live.current.profile_types["premium"]
    assert (profile.limits.rates.per_day, profile.limits.soft, profile.indices) == (10_000, True, ("cities",))
    assert await in_step(world, "settings")
    assert await in_step(world, "profile_types")


async def test_a_setting_that_is_not_known_here_is_kept_for_the_version_that_knows_it(world: World) -> None:
    await world.import_policy(BUNDLE_KIND_SETTINGS, bundle(POLICY, snapshot=True))
    [row] = await world.rows(settings.c.content, where=settings.c.key == "future.motto")
    assert row.content == {"value": "سلام"}


async def test_a_removed_row_stays_as_a_tombstone_that_counts(world: World) -> None:
    await world.import_policy(BUNDLE_KIND_SETTINGS, bundle(POLICY, snapshot=True))
    put_back = Setting(key="query.max_depth", revision=5, is_deleted=True)
    gone = Index(name="cities", fields=CITIES.fields, revision=6, is_deleted=True)
    changed = bundle([put_back, gone], table=[put_back, WILDCARD, FUTURE, gone])
    assert await world.import_policy(BUNDLE_KIND_SETTINGS, changed) == {"imported": 0, "updated": 2}
    live = LivePolicy(world.database)
    await live.refresh()
    assert live.current.number("query.max_depth") == 10
    assert dict(live.current.indices) == {}
    assert await in_step(world, "settings")


async def test_a_snapshot_removes_what_it_does_not_hold_outside_the_digest(world: World) -> None:
    kept, forgotten = premium(), premium(name="forgotten")
    await world.import_policy(BUNDLE_KIND_PROFILE_TYPES, bundle([forgotten, kept], snapshot=True))
    counts = await world.import_policy(BUNDLE_KIND_PROFILE_TYPES, bundle([kept], snapshot=True))
    assert counts == {"imported": 0, "updated": 0, "removed": 1}
    [row] = await world.rows(profile_types, where=profile_types.c.name == "forgotten")
    assert (row.is_deleted, row.row_digest) == (True, None)
    assert await in_step(world, "profile_types")
    # A master that has it again brings it back.
    await world.import_policy(BUNDLE_KIND_PROFILE_TYPES, bundle([forgotten], table=[forgotten, kept]))
    [row] = await world.rows(profile_types, where=profile_types.c.name == "forgotten")
    assert row.is_deleted is False
    assert await in_step(world, "profile_types")


@pytest.mark.parametrize("sequence", [5, 6])
async def test_an_older_bundle_or_the_same_again_changes_nothing(world: World, sequence: int) -> None:
    newer = Setting(key="query.max_depth", int_value=3, revision=7)
    await world.import_policy(BUNDLE_KIND_SETTINGS, bundle([newer], snapshot=True), sequence=6)
    counts = await world.import_policy(BUNDLE_KIND_SETTINGS, bundle(POLICY, snapshot=True), sequence=sequence)
    assert counts == {"imported": 0, "updated": 0, "ignored": 4}
    assert [(row.key, row.content) for row in await world.rows(settings)] == [("query.max_depth", {"value": 3})]
    assert await world.rows(indices) == []


async def test_kinds_are_apart_an_older_bundle_of_another_kind_counts(world: World) -> None:
    await world.import_policy(BUNDLE_KIND_SETTINGS, bundle([DEPTH], snapshot=True), sequence=9)
    counts = await world.import_policy(BUNDLE_KIND_PROFILE_TYPES, bundle([premium()], snapshot=True), sequence=8)
    assert counts == {"imported": 1, "updated": 0}


async def test_a_replica_that_differs_asks_for_that_kind_alone(world: World) -> None:
    async with world.database.transaction() as transaction:
        for direction in ("incoming", "outgoing"):
            await transaction.connection.execute(streams.insert().values(direction=direction))
    unseen = Setting(key="query.max_size", int_value=5, revision=8)
    await world.import_policy(BUNDLE_KIND_SETTINGS, bundle([DEPTH], table=[DEPTH, unseen]))
    [row] = await world.rows(streams.c.snapshots_wanted, where=streams.c.direction == "incoming")
    assert list(row.snapshots_wanted) == ["settings"]
    await world.import_policy(BUNDLE_KIND_SETTINGS, bundle([DEPTH, unseen], snapshot=True))
    [row] = await world.rows(streams.c.snapshots_wanted, where=streams.c.direction == "incoming")
    assert list(row.snapshots_wanted) == []


FAULTY = {
    "no table state": lambda: bundle([premium()])[1:],
    "the table state twice": lambda: [*bundle([premium()]), *bundle([])],
    "a user": lambda: [*bundle([premium()]), Record(user=user_message("eve"))],
    "a setting": lambda: [*bundle([premium()]), Record(setting=DEPTH)],
    "an answer": lambda: answer(user_id("eve"), b"{}"),
    "nothing": list,
}


@pytest.mark.parametrize("make", FAULTY.values(), ids=FAULTY.keys())
async def test_a_faulty_bundle_is_refused_whole(world: World, make: Any) -> None:
    with pytest.raises(MalformedRecordError):
        await world.import_policy(BUNDLE_KIND_PROFILE_TYPES, make())
    assert await world.rows(profile_types) == []


PREMIUM_RULES = "UPDATE profile_types SET content = content || '{\"priority\": 10}' WHERE name = 'premium'"
ONE_MORE = (
    "INSERT INTO profile_types (name, content, revision) SELECT 'secret', content, 1 FROM profile_types"
    " WHERE name = 'premium'"
)


async def test_what_anybody_else_changes_is_seen_and_undone(world: World, owner: Database) -> None:
    free = premium(name="free")
    await world.import_policy(BUNDLE_KIND_PROFILE_TYPES, bundle([premium()], snapshot=True))
    async with owner.transaction() as transaction:
        await transaction.connection.execute(text(PREMIUM_RULES))
        await transaction.connection.execute(text(ONE_MORE))
    await world.import_policy(BUNDLE_KIND_PROFILE_TYPES, bundle([free], table=[free, premium()]))
    assert await in_step(world, "profile_types") is False
    await world.import_policy(BUNDLE_KIND_PROFILE_TYPES, bundle([free, premium()], snapshot=True))
    assert await in_step(world, "profile_types") is True
    live = LivePolicy(world.database)
    await live.refresh()
    assert sorted(live.current.profile_types) == ["free", "premium"]
    assert live.current.profile_types["premium"].limits.priority == 6


async def test_a_row_that_would_be_outside_the_digest_cannot_be_slipped_in(world: World) -> None:
    """Who opens an import of his own could else allow what no snapshot would ever take back."""
    batch = world.incoming_batch(BUNDLE_KIND_SETTINGS)
    slip = text("SELECT * FROM airlock_store_indices(:batch, '{secret}', '{\"{}\"}', '{1}', '{f}', ARRAY[NULL::bytea])")
    async with world.database.transaction() as transaction:
        await save_import(transaction.connection, import_row(batch))
        with pytest.raises(IntegrityError, match="rows of kind settings have digests"):
            await transaction.connection.execute(slip, {"batch": batch.batch_id})
        await transaction.connection.rollback()


@pytest.mark.parametrize(
    ("kind", "rows"),
    [(BUNDLE_KIND_PROFILE_TYPES, [premium()]), (BUNDLE_KIND_SETTINGS, [DEPTH])],
    ids=["profile_types", "settings"],
)
async def test_every_process_is_told_once_the_import_is_committed(
    world: World, kind: BundleKind.ValueType, rows: Sequence[Row]
) -> None:
    async with world.database.engine.connect() as listening:
        await listening.exec_driver_sql(f"LISTEN {CHANNEL}")
        await listening.commit()
        await world.import_policy(kind, bundle(rows, snapshot=True))
        raw = (await listening.get_raw_connection()).driver_connection
        assert raw is not None
        assert len([notice async for notice in raw.notifies(timeout=10, stop_after=1)]) == 1
