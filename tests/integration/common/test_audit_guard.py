"""The database itself keeps the audit trail: nothing is changed, and old segments go whole through one function."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from common.audit.seal import forget_audit, seal_audit
from common.database.transaction import Database
from tests.integration.common.trail import HOSTILE, age, imitate, look, run, trail, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TABLES = ["audit_logs", "audit_segments", "audit_forgettings", "audit_witnesses"]
CHANGES = {"audit_logs": "action = 'x'", "audit_witnesses": "agrees = true"}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("change", ["UPDATE {table} SET {values}", "DELETE FROM {table}", "TRUNCATE {table}"])
async def test_nobody_changes_or_deletes_a_row(database: Database, table: str, change: str) -> None:
    await write(database, "auth.signed_in")
    await seal_audit(database)
    statement = change.format(table=table, values=CHANGES.get(table, "number = 7"))
    with pytest.raises(ProgrammingError, match="never changed or deleted"):
        await look(database, statement)
    assert len(await trail(database)) == 1


async def test_who_imitates_the_function_still_deletes_nothing_young_or_unsealed(database: Database) -> None:
    await write(database, "user.created")
    await seal_audit(database)
    await age(database, 29)
    await write(database, "user.deactivated")
    for statement in ("DELETE FROM audit_logs WHERE id = 1", "DELETE FROM audit_logs WHERE id = 2"):
        with pytest.raises(ProgrammingError, match="at least 30 days"):
            await imitate(database, statement)
    assert len(await trail(database)) == 2


async def test_a_segment_that_does_not_continue_the_chain_is_refused(database: Database) -> None:
    await write(database, "one")
    await seal_audit(database)
    forged = (
        "INSERT INTO audit_segments (number, first_id, last_id, rows, digest, previous_digest)"
        " SELECT number + :step, last_id + :behind, last_id + 9, 1, digest, {previous} FROM audit_segments"
    )
    for step, behind, previous in ((2, 1, "digest"), (1, 0, "digest"), (1, 1, "previous_digest")):
        with pytest.raises(IntegrityError, match="does not continue"):
            await look(database, forged.format(previous=previous), step=step, behind=behind)


async def test_a_segment_of_rows_that_are_still_to_come_is_refused(database: Database) -> None:
    """They would be left out of the chain, and forgotten together with the segment, however young they are by then."""
    await write(database, "one")
    with pytest.raises(IntegrityError, match="does not continue"):
        await run(
            database,
            "INSERT INTO audit_segments (number, first_id, last_id, rows, digest, previous_digest)"
            " VALUES (1, 1, 2, 1, sha256(''), decode(repeat('00', 32), 'hex'))",
        )


async def test_the_time_of_sealing_is_the_databases_own(database: Database) -> None:
    await write(database, "one")
    await run(
        database,
        "INSERT INTO audit_segments (number, first_id, last_id, rows, digest, previous_digest, sealed_at)"
        " VALUES (1, 1, 1, 1, sha256(''), decode(repeat('00', 32), 'hex'), now() - interval '400 days')",
    )
    [(age_in_seconds,)] = await look(database, "SELECT extract(epoch FROM now() - sealed_at) FROM audit_segments")
    assert age_in_seconds < 60
    assert await forget_audit(database, 30) == {"audit_rows_forgotten": 0}


async def test_less_than_30_days_are_refused_by_the_database(database: Database) -> None:
    with pytest.raises(DBAPIError, match="at least 30 days"):
        await forget_audit(database, 29)


async def test_old_segments_are_forgotten_whole_and_oldest_first(database: Database) -> None:
    await write(database, "one", "two", "three")
    await seal_audit(database, segment_rows=2)
    await age(database, 366)
    await write(database, "four")
    await seal_audit(database)
    await write(database, "five")
    assert await forget_audit(database, 365) == {"audit_rows_forgotten": 3}
    assert [row.action for row in await trail(database)] == ["four", "five"]
    assert [tuple(row) for row in await look(database, "SELECT number FROM audit_forgettings ORDER BY 1")] == [
        (1,),
        (2,),
    ]
    assert len(await look(database, "SELECT FROM audit_segments")) == 3, "the chain stays"
    assert await forget_audit(database, 365) == {"audit_rows_forgotten": 0}


@pytest.fixture
async def narrow(database: Database) -> AsyncIterator[Database]:
    """The same database for a role that may only read and add."""
    role = f"service_{uuid4().hex[:8]}"
    grants = (
        f"CREATE ROLE {role} LOGIN",
        f"GRANT SELECT, INSERT ON audit_logs, audit_segments TO {role}",
        f"GRANT SELECT ON audit_forgettings TO {role}",
        f"GRANT EXECUTE ON FUNCTION audit_settled_id(), audit_forget(integer) TO {role}",
    )
    for grant in grants:
        await run(database, grant)
    separator = "&" if "?" in database.url else "?"
    opened = Database(f"{database.url}{separator}options=-crole%3D{role}")
    yield opened
    await opened.close()
    await run(database, f"DROP OWNED BY {role}")
    await run(database, f"DROP ROLE {role}")


async def test_a_role_with_select_and_insert_alone_seals_and_forgets_and_deletes_nothing_itself(
    database: Database, narrow: Database
) -> None:
    await write(narrow, "one", "two")
    assert await seal_audit(narrow) == {"segments": 1, "audit_rows_sealed": 2}
    for statement in ("DELETE FROM audit_logs", "LOCK TABLE audit_logs IN SHARE MODE"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            await run(narrow, statement)
    await age(database, 400)
    # Even a right that it should not have does not help it without being the owner.
    [(role,)] = await look(narrow, "SELECT current_user")
    await run(database, f"GRANT DELETE ON audit_logs TO {role}")
    with pytest.raises(ProgrammingError, match="never changed or deleted"):
        await imitate(narrow, "DELETE FROM audit_logs")
    assert await forget_audit(narrow, 365) == {"audit_rows_forgotten": 2}


async def test_no_text_of_a_stranger_keeps_a_row_from_being_written(database: Database) -> None:
    await write(
        database,
        "auth.sign_in_refused",
        user_agent=HOSTILE,
        resource_id=HOSTILE * 9,
        address="not an address",
        metadata={"username": HOSTILE, HOSTILE: [HOSTILE]},
    )
    [row] = await trail(database)
    assert "\0" not in row.user_agent
    assert (len(row.resource_id), row.ip_address) == (100, None)
    assert row.metadata["username"].startswith("x\n")
