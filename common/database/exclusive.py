"""One at a time, across processes and hosts: an advisory lock that lives as long as a block, on its own connection."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.database.transaction import Database

log = structlog.get_logger("common.database")

KEEPALIVES = {"tcp_keepalives_idle": 15, "tcp_keepalives_interval": 5, "tcp_keepalives_count": 3}


@asynccontextmanager
async def exclusively(database: Database, name: str, *, wait: bool = False) -> AsyncIterator[bool]:
    """Yields True to one holder of `name` at a time and False to everybody else, at once; with `wait`, True in turn.

    The lock belongs to a transaction that stays open for the whole block, so it works behind PgBouncer and ends with
    the process. It saves work and is not relied upon: should its connection break, two blocks may run side by side.
    """
    async with database.engine.connect() as connection:
        # An idle transaction is the point here; a server-wide time-out would drop the lock halfway.
        await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        # A host that vanishes without a word would hold the lock for as long as the system's TCP waits: two hours.
        for option, seconds in KEEPALIVES.items():
            await connection.execute(text(f"SET LOCAL {option} = {seconds}"))
        if wait:
            await wait_for_lock(connection, name)
        held = await connection.scalar(select(func.pg_try_advisory_xact_lock(lock_number(name))))
        try:
            yield bool(held)
        finally:
            await _let_go(connection, name)


async def wait_for_lock(connection: AsyncConnection, name: str, *, shared: bool = False) -> None:
    """Waits until the caller's transaction holds `name`, alone or `shared`; it is let go when that transaction ends."""
    lock = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
    await connection.execute(select(lock(lock_number(name))))


def lock_number(name: str) -> int:
    """The signed 64-bit number under which PostgreSQL knows the lock; stable between processes and releases."""
    return int.from_bytes(hashlib.sha256(f"airlock/{name}".encode()).digest()[:8], "big", signed=True)


async def _let_go(connection: AsyncConnection, name: str) -> None:
    try:
        await connection.rollback()
    except SQLAlchemyError:
        log.warning("lock_connection_lost", lock=name, exc_info=True)
