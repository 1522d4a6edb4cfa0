"""The connection for single statements: each is committed by itself, and a fault harms none that comes after."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import text

if TYPE_CHECKING:
    from common.database.transaction import Database

PID = "SELECT pg_backend_pid()"


async def becomes_true(database: Database, condition: str) -> None:
    """Returns once a query says so."""
    async with asyncio.timeout(20):
        while True:
            async with database.transaction() as transaction:
                if await transaction.connection.scalar(text(condition)):
                    return
            await asyncio.sleep(0.01)


async def end_session(database: Database, pid: int) -> None:
    """As a restart of the server does; returns once it is gone."""
    async with database.transaction() as transaction:
        await transaction.connection.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})


async def test_statements_are_committed_and_wait_for_each_other(database: Database) -> None:
    direct = database.direct()
    async with database.transaction() as transaction:
        await transaction.connection.execute(text("CREATE TABLE numbers (n int4)"))
    insert = "INSERT INTO numbers SELECT unnest(%(numbers)b::int4[]) RETURNING n"
    found = await asyncio.gather(*(direct.fetch(insert, {"numbers": [n, n + 100]}) for n in range(20)))
    assert [sorted(row[0] for row in rows) for rows in found] == [[n, n + 100] for n in range(20)]
    async with database.transaction() as transaction:
        assert await transaction.connection.scalar(text("SELECT count(*) FROM numbers")) == 40


async def test_a_wrong_statement_harms_none_that_follows(database: Database) -> None:
    direct = database.direct()
    [(pid,)] = await direct.fetch(PID, {})
    with pytest.raises(psycopg.DataError):
        await direct.fetch("SELECT %(body)s::json", {"body": "{broken"})
    assert await direct.fetch(PID, {}) == [(pid,)]


async def test_a_session_that_was_ended_fails_one_statement_at_most(database: Database) -> None:
    direct = database.direct()
    [(pid,)] = await direct.fetch(PID, {})
    await end_session(database, pid)
    with pytest.raises(psycopg.OperationalError):
        await direct.fetch(PID, {})
    [(other,)] = await direct.fetch(PID, {})
    assert other != pid


async def test_after_a_pause_an_ended_session_is_noticed_before_it_is_used(database: Database) -> None:
    direct = database.direct()
    direct.trusted_seconds = -1
    [(pid,)] = await direct.fetch(PID, {})
    await end_session(database, pid)
    [(other,)] = await direct.fetch(PID, {})
    assert other != pid


async def test_who_is_cancelled_midway_leaves_a_sound_connection(database: Database) -> None:
    direct = database.direct()
    slow = asyncio.create_task(direct.fetch("SELECT pg_sleep(600)", {}))
    running = "SELECT count(*) = {} FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(6%' AND state = 'active'"
    await becomes_true(database, running.format(1))
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    assert await direct.fetch("SELECT 1", {}) == [(1,)]
    await becomes_true(database, running.format(0))


async def test_closed_it_leaves_no_session_behind(database: Database) -> None:
    direct = database.direct()
    [(pid,)] = await direct.fetch(PID, {})
    await direct.close()
    await becomes_true(database, f"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {pid}")  # noqa: S608 - a number.
