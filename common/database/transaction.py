"""The one way to the database: an engine, and transactions that run queued work only once they have committed."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from common.database.direct import Direct
from common.database.ready import take_ready

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

log = structlog.get_logger("common.database")


class Transaction:
    """An open transaction. `connection` runs statements; `after_commit` queues work that must not run if it fails."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self._after_commit: list[Callable[[], Awaitable[None]]] = []

    def after_commit(self, work: Callable[[], Awaitable[None]]) -> None:
        """Runs `work` once this transaction has committed. A failure there is logged and left to the sweeps."""
        self._after_commit.append(work)

    async def run_after_commit(self) -> None:
        """Runs the queued work in order; called by `Database.transaction` alone."""
        for work in self._after_commit:
            try:
                await work()
            except Exception:
                # The commit stands; a sweep finds what was not done.
                log.warning("after_commit_failed", exc_info=True)


class Database:
    """One pool of connections to one PostgreSQL. Made by a composition root, closed by it."""

    def __init__(self, url: str, *, pool_size: int = 10, prepared_statements: bool = True) -> None:
        """`url` is a libpq URL (`postgresql://…`); PgBouncer in transaction mode needs `prepared_statements=False`."""
        self.url = url
        self._prepared_statements = prepared_statements
        self._direct: list[Direct] = []
        self.engine: AsyncEngine = create_async_engine(
            sqlalchemy_url(url),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            # Parameters may be password hashes and queries; they have no place in an error's text.
            hide_parameters=True,
            connect_args={"prepare_threshold": 5 if prepared_statements else None, "connect_timeout": 5},
        )
        event.listen(self.engine.sync_engine, "connect", _speak_utc)
        event.listen(self.engine.sync_engine, "connect", _take_ready)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commits when the block ends, rolls back when it raises."""
        async with self.engine.begin() as connection:
            transaction = Transaction(connection)
            yield transaction
        await transaction.run_after_commit()

    def direct(self) -> Direct:
        """A connection of its own for single statements, closed with this."""
        direct = Direct(libpq_url(self.url), prepared_statements=self._prepared_statements)
        self._direct.append(direct)
        return direct

    async def close(self) -> None:
        """Closes every connection."""
        for direct in self._direct:
            await direct.close()
        await self.engine.dispose()


def _speak_utc(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    """Times come in UTC, whatever zone the server is set to: the last hours of 9999 have no form in one to the east.

    A statement and not a start-up option, because poolers refuse those they do not know; they do keep a time zone.
    """
    cursor = connection.cursor()
    cursor.execute("SET TIME ZONE 'UTC'")
    cursor.close()
    connection.commit()


def _take_ready(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    take_ready(connection.driver_connection)


def libpq_url(url: str) -> str:
    """The same without a driver's name."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def sqlalchemy_url(url: str) -> str:
    """Names the psycopg driver in a libpq URL."""
    scheme, separator, rest = url.partition("://")
    if scheme not in {"postgresql", "postgres", "postgresql+psycopg"} or not separator:
        raise ValueError("DATABASE_URL must begin with postgresql://")
    return f"postgresql+psycopg://{rest}"
