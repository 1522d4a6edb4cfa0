"""The services' own role can read the replica and cannot write it, but for an import that is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airlock.common.v1.network_pb2 import BUNDLE_KIND_PROFILE_TYPES, BUNDLE_KIND_USERS
from sqlalchemy import func, select, text
from sqlalchemy import table as sql_table
from sqlalchemy.exc import ProgrammingError

from common.batches.import_rows import save_import
from request_svc.adapters.tables import REPLICATED_TABLES, replica_states, users
from tests.integration.request_svc.request_world import import_row, user_message, users_bundle

if TYPE_CHECKING:
    from common.batches.batch_rows import ImportBatchRow
    from common.batches.ports import IncomingBatch
    from common.database.transaction import Database
    from tests.integration.request_svc.request_world import World

RETIRE = text("SELECT * FROM airlock_retire_users(:batch)")


async def refused(database: Database, statement: str) -> str:
    """What PostgreSQL says to a statement that it must refuse."""
    with pytest.raises(ProgrammingError) as refusal:
        async with database.transaction() as transaction:
            await transaction.connection.execute(text(statement))
    return str(refusal.value.orig)


@pytest.mark.parametrize("table", sorted(REPLICATED_TABLES))
@pytest.mark.parametrize("verb", ["UPDATE {} SET revision = 1", "DELETE FROM {}", "INSERT INTO {} DEFAULT VALUES"])
async def test_the_replica_is_read_only(world: World, table: str, verb: str) -> None:
    assert f"permission denied for table {table}" in await refused(world.database, verb.format(table))
    async with world.database.transaction() as transaction:
        await transaction.connection.execute(select(func.count()).select_from(sql_table(table)))


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE users CASCADE",
        "ALTER TABLE users DISABLE TRIGGER ALL",
        "DROP FUNCTION airlock_require_import",
        "CREATE TABLE mine (id int)",
        "SET ROLE airlock_owner",
        "SELECT * FROM users FOR UPDATE",
    ],
)
async def test_nothing_can_be_altered_or_taken_over(world: World, statement: str) -> None:
    said = await refused(world.database, statement)
    assert "permission denied" in said or "must be owner" in said


async def outside(world: World, batch: IncomingBatch, row: ImportBatchRow | None = None) -> str:
    """What PostgreSQL says to a call of a function, behind the row of an import if there is one."""
    async with world.database.transaction() as transaction:
        if row is not None:
            await save_import(transaction.connection, row)
        with pytest.raises(ProgrammingError) as refusal:
            await transaction.connection.execute(RETIRE, {"batch": batch.batch_id})
        await transaction.connection.rollback()
    return str(refusal.value.orig)


async def test_the_functions_are_refused_outside_an_import(world: World) -> None:
    assert "through the import of a newer bundle only" in await outside(world, world.incoming_batch(BUNDLE_KIND_USERS))


async def test_an_import_that_has_ended_opens_nothing(world: World) -> None:
    batch = world.incoming_batch(BUNDLE_KIND_USERS)
    async with world.database.transaction() as transaction:
        await save_import(transaction.connection, import_row(batch))
    assert "through the import" in await outside(world, batch)


@pytest.mark.parametrize(
    ("kind", "sequence"), [(BUNDLE_KIND_PROFILE_TYPES, 100), (BUNDLE_KIND_USERS, 1)], ids=["another kind", "an older"]
)
async def test_the_import_of_another_kind_or_an_older_bundle_opens_nothing(
    world: World, kind: int, sequence: int
) -> None:
    batch = world.incoming_batch(kind, sequence)  # type: ignore[arg-type] # a kind's number
    assert "through the import" in await outside(world, batch, import_row(batch))


async def test_an_import_writes_and_its_functions_are_for_nobody_else(world: World, owner: Database) -> None:
    assert await world.import_users(users_bundle([user_message("reza")])) == {"imported": 1, "updated": 0}
    async with owner.transaction() as transaction:
        open_to_all = await transaction.connection.scalars(
            text(
                "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
                " AND has_function_privilege('public', oid, 'EXECUTE')"
            )
        )
    assert list(open_to_all) == []


DAMAGE = {
    "a user let in again": "UPDATE users SET is_active = true WHERE username = 'omid'",
    "a user's new password": "UPDATE users SET hashed_password = 'another' WHERE username = 'sara'",
    "a user too many": "INSERT INTO users SELECT (jsonb_populate_record(users, jsonb_build_object("
    "'id', gen_random_uuid(), 'username', 'eve', 'email', 'eve@example.org'))).* FROM users WHERE username = 'sara'",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
async def test_what_anybody_else_changes_is_seen_by_the_next_bundle_and_undone_by_the_next_snapshot(
    world: World, owner: Database, damage: str
) -> None:
    whole = [user_message("sara"), user_message("omid", is_active=False)]
    await world.import_users(users_bundle(whole, snapshot=True))
    before = await world.rows(users, where=users.c.username != "eve")
    async with owner.transaction() as transaction:
        await transaction.connection.execute(text(damage))
    newcomer = user_message("reza")
    await world.import_users(users_bundle([newcomer], table=[*whole, newcomer]))
    [state] = await world.rows(replica_states)
    assert state.in_step is False
    await world.import_users(users_bundle([*whole, newcomer], snapshot=True))
    [state] = await world.rows(replica_states)
    assert state.in_step is True
    after = {row.id: (row.is_active, row.hashed_password) for row in await world.rows(users)}
    assert {row.id: after[row.id] for row in before} == {row.id: (row.is_active, row.hashed_password) for row in before}
    assert [row.username for row in await world.rows(users) if row.is_active] == ["sara", "reza"]


async def test_a_snapshot_shuts_out_whom_the_owner_let_in_beside_the_table(world: World, owner: Database) -> None:
    """A user of whom the master knows nothing is outside count and digest, so that nothing else would find him."""
    await world.import_users(users_bundle([user_message("sara")], snapshot=True))
    async with owner.transaction() as transaction:
        await transaction.connection.execute(text("UPDATE users SET is_active = true WHERE username = 'omid'"))
    counts = await world.import_users(users_bundle([user_message("sara")], snapshot=True))
    assert counts == {"imported": 0, "updated": 0, "deactivated": 1}
