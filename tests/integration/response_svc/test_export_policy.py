"""Bundles of profile types and settings, and what all replicated tables have in common: order, schema, wake-ups."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from common.rpc.caller import current_caller
from response_svc.adapters.export_tables import ReplicatedTableSource
from response_svc.adapters.export_wake_ups import export_wake_ups
from response_svc.adapters.replicated_tables import PROFILE_TYPES, SETTINGS, USERS, ReplicatedTable
from response_svc.adapters.users import PostgresUsers
from response_svc.domain.user import UserChanges
from response_svc.usecases.change_users import UserContext, deactivate_user, update_user
from tests.integration.response_svc.test_export_users import Exports, raise_priority
from tests.integration.response_svc.world import make_user, rows
from transfer.bundle.limits import MAX_RECORD
from transfer.bundle.record_shapes import SHAPES
from transfer.bundle.replication import TableDigest

if TYPE_CHECKING:
    from airlock.bundle.v1.record_pb2 import Record
    from airlock.bundle.v1.replication_pb2 import TableState

    from common.database.transaction import Database

PUT_SETTING = (
    "INSERT INTO settings (key, content, revision, is_deleted) VALUES (:key, CAST(:content AS jsonb), :revision, :gone)"
    " ON CONFLICT (key) DO UPDATE SET content = excluded.content, revision = excluded.revision,"
    " is_deleted = excluded.is_deleted"
)
PUT_INDEX = (
    "INSERT INTO indices (name, content, revision)"
    " VALUES (:name, jsonb_build_object('description', '', 'fields', CAST(:fields AS jsonb)), :revision)"
)
TAKE_REVISION = (
    "INSERT INTO revision_counters (kind, revision) VALUES ('settings', 1)"
    " ON CONFLICT (kind) DO UPDATE SET revision = revision_counters.revision + 1 RETURNING revision"
)


@pytest.fixture
async def opened(database: Database) -> Database:
    async with database.transaction() as transaction:
        await transaction.connection.execute(text("INSERT INTO streams (direction) VALUES ('outgoing'), ('incoming')"))
    return database


def exports_of(database: Database, table: ReplicatedTable, schema_minor: int = 2) -> Exports:
    exports = Exports(database, source=ReplicatedTableSource(table, snapshot_every=timedelta(days=7)))
    exports.numbers.schema_minor = schema_minor
    return exports


async def put_setting(database: Database, key: str, content: str, revision: int, *, gone: bool = False) -> None:
    await rows(database, PUT_SETTING, key=key, content=content, revision=revision, gone=gone)


async def sealed(exports: Exports) -> tuple[TableState, list[Record]]:
    """The next bundle's state and its other records; it is sealed and not acknowledged."""
    batch = await exports.claim()
    assert batch is not None
    first, *rest = await exports.read(batch)
    async with exports.database.transaction() as transaction:
        await exports.source.sealed(transaction.connection, batch)
    for record in rest:
        content = record.WhichOneof("content")
        assert content is not None
        assert SHAPES[content](getattr(record, content)) is None
    return first.table_state, rest


async def sealed_and_acknowledged(exports: Exports) -> tuple[TableState, list[Record]]:
    state, records = await sealed(exports)
    [last] = await rows(exports.database, "SELECT batch_id FROM replication_batches ORDER BY sequence DESC LIMIT 1")
    await exports.acknowledge(last.batch_id)
    return state, records


def digest_of(records: list[Record]) -> bytes:
    """Of settings bundles: indices come first as bytes."""
    inner = [(record.WhichOneof("content") or "", record) for record in records]
    digest = TableDigest()
    for content, record in sorted(inner, key=lambda one: one[0]):
        digest.add(getattr(record, content).SerializeToString(deterministic=True))
    return digest.digest()


async def test_settings_come_before_indices_and_the_digest_has_indices_first(opened: Database) -> None:
    exports = exports_of(opened, SETTINGS)
    assert await exports.seal() is None, "nothing was ever set"
    await put_setting(opened, "query.max_size", '{"value": 5}', 1)
    await put_setting(opened, "query.allow_leading_wildcard", '{"value": false}', 2)
    await rows(opened, PUT_INDEX, name="cities", fields='{"name": "text", "geo": "geo_point", "a": "long"}', revision=3)
    state, records = await sealed_and_acknowledged(exports)
    assert (state.snapshot, state.revision, state.row_count) == (True, 3, 3)
    assert [record.setting.key or record.index.name for record in records] == [
        "query.allow_leading_wildcard",
        "query.max_size",
        "cities",
    ]
    assert [field.name for field in records[2].index.fields] == ["a", "geo", "name"]
    assert state.table_digest == digest_of(records)
    assert await exports.seal() is None


async def test_a_setting_put_back_travels_as_a_tombstone_until_it_is_acknowledged(opened: Database) -> None:
    exports = exports_of(opened, SETTINGS)
    await put_setting(opened, "query.max_size", '{"value": 5}', 1)
    await sealed_and_acknowledged(exports)
    await put_setting(opened, "query.max_size", '{"value": 5}', 2, gone=True)
    for _ in range(2):
        state, [record] = await sealed(exports)
        assert (state.since_revision, state.row_count) == (1, 1)
        assert (record.setting.is_deleted, record.setting.WhichOneof("value")) == (True, None)
        await put_setting(opened, "query.max_size", '{"value": 5}', 3, gone=True)


async def test_the_first_profile_types_are_sent_with_their_limits(opened: Database) -> None:
    state, records = await sealed(exports_of(opened, PROFILE_TYPES))
    names = [record.profile_type.name for record in records]
    assert names == ["admin", "basic", "enterprise", "premium"]
    assert (state.snapshot, state.row_count) == (True, 4)
    basic = records[1].profile_type
    assert (basic.rate_limit_per_minute, basic.priority, list(basic.indices)) == (10, 5, ["*"])


async def test_an_index_too_large_for_a_record_is_sent_without_its_fields(opened: Database) -> None:
    statement = (
        "INSERT INTO indices (name, content, revision) SELECT 'wide', jsonb_build_object('description', '', 'fields',"
        " (SELECT jsonb_object_agg('f' || n || repeat('x', 400), 'keyword') FROM generate_series(1, 4000) n)), 1"
    )
    await rows(opened, statement)
    exports = exports_of(opened, SETTINGS)
    batch = await exports.claim()
    assert batch is not None
    [_, record] = await exports.read(batch)
    assert record.ByteSize() < MAX_RECORD
    assert (record.index.name, len(record.index.fields)) == ("wide", 0)


async def test_changes_that_commit_in_reverse_become_visible_in_the_order_of_their_revisions(opened: Database) -> None:
    """The second to begin waits for its revision until the first has ended: no export sees the later one alone."""
    exports = exports_of(opened, SETTINGS)
    has_revision, may_end = asyncio.Event(), asyncio.Event()

    async def change(key: str, *, first: bool) -> None:
        async with opened.transaction() as transaction:
            revision = await transaction.connection.scalar(text(TAKE_REVISION))
            values = {"key": key, "content": '{"value": 1}', "revision": revision, "gone": False}
            await transaction.connection.execute(text(PUT_SETTING), values)
            if first:
                has_revision.set()
                await may_end.wait()

    early = asyncio.create_task(change("query.max_size", first=True))
    await has_revision.wait()
    late = asyncio.create_task(change("query.max_depth", first=False))
    async with asyncio.timeout(30):
        while not await rows(opened, "SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert not late.done()
    assert await exports.seal() is None, "neither is there yet"
    may_end.set()
    await asyncio.gather(early, late)
    state, records = await sealed(exports)
    assert state.revision == 2
    assert {record.setting.key: record.setting.revision for record in records} == {
        "query.max_size": 1,
        "query.max_depth": 2,
    }


async def test_a_network_that_reads_less_is_sent_users_without_the_newer_fields(
    opened: Database, user_context: UserContext
) -> None:
    sara = await make_user(user_context, "sara")
    await rows(opened, "UPDATE users SET session_version = 3, inherits = '{priority,rate_limit_per_day}'")
    exports = exports_of(opened, USERS, schema_minor=0)
    state, [record] = await sealed_and_acknowledged(exports)
    assert (record.user.session_version, list(record.user.inherits)) == (0, [])
    digest = TableDigest()
    digest.add(record.user.SerializeToString(deterministic=True))
    assert state.table_digest == digest.digest(), "it is taken over what is sent"
    # The other network was upgraded, and says so.
    exports.numbers.schema_minor = 2
    state, [record] = await sealed(exports)
    assert state.snapshot
    assert (record.user.session_version, list(record.user.inherits)) == (3, [3, 4])
    assert await exports.seal() is None, "it is under way"
    await raise_priority(user_context, sara.id, 9)
    state, _ = await sealed_and_acknowledged(exports)
    assert state.snapshot
    await raise_priority(user_context, sara.id, 8)
    state, _ = await sealed_and_acknowledged(exports)
    assert not state.snapshot


async def test_a_deactivation_and_a_revocation_travel_in_every_bundle_until_they_are_acknowledged(
    opened: Database, user_context: UserContext
) -> None:
    sara, _, zahra = [await make_user(user_context, name) for name in ("sara", "omid", "zahra")]
    exports = exports_of(opened, USERS)
    await sealed_and_acknowledged(exports)
    await deactivate_user(user_context, sara.id, caller=current_caller())
    await rows(opened, "UPDATE users SET session_version = 1, revision = 90 WHERE username = 'omid'")
    await rows(opened, "UPDATE revision_counters SET revision = 90 WHERE kind = 'users'")
    for priority in (7, 8):
        await raise_priority(user_context, zahra.id, priority)
        # The one before is lost on the way.
        _, records = await sealed(exports)
        sent = {record.user.username: record.user for record in records}
        assert set(sent) == {"sara", "omid", "zahra"}
        assert (sent["sara"].is_active, sent["omid"].session_version) == (False, 1)


async def test_every_change_of_users_wakes_their_export_after_the_commit(
    opened: Database, user_context: UserContext
) -> None:
    woken: list[str] = []

    class Queue:
        async def wake(self, name: str, times: int = 1) -> None:
            woken.append(name)

    wake_ups = export_wake_ups(Queue())
    context = UserContext(opened, PostgresUsers(), user_context.hasher, wake_ups[USERS.kind])
    user = await make_user(context, "sara")
    await update_user(context, user.id, UserChanges(priority=9), caller=current_caller())
    await update_user(context, user.id, UserChanges(priority=9), caller=current_caller())
    await deactivate_user(context, user.id, caller=current_caller())
    assert woken == ["export_users"] * 3, "a change that changed nothing wakes nobody"
    await wake_ups[SETTINGS.kind]()
    await wake_ups[PROFILE_TYPES.kind]()
    assert woken[3:] == ["export_settings", "export_profile_types"]
