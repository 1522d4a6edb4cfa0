"""Single statements that run by the thousand: on one connection of the process's own, each a transaction by itself.

A pool that pings, a BEGIN and a COMMIT are five times the cost of the statement between them.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import psycopg
import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

log = structlog.get_logger("common.database")

TRUSTED_SECONDS: Final = 1.0
"""A connection that was quiet for longer is asked whether it is still there; the server may have been restarted."""
CONNECT_SECONDS: Final = 5


class Direct:
    """Opened when it is first needed, and anew after a fault. One statement at a time; others wait for it."""

    def __init__(self, url: str, *, prepared_statements: bool) -> None:
        """As of `Database`, which owns this."""
        self.trusted_seconds = TRUSTED_SECONDS
        self._url = url
        self._prepare_threshold = 5 if prepared_statements else None
        self._lock = asyncio.Lock()
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._used_at = 0.0

    async def fetch(self, statement: str, parameters: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        """All rows of a statement, which is committed when they are there.

        Raises psycopg.Error. Where the connection broke while the statement ran, nobody can tell whether it counts.
        """
        async with self._lock:
            try:
                connection = await self._living()
                cursor = await connection.execute(statement, parameters)
                rows: Sequence[tuple[Any, ...]] = await cursor.fetchall()
            except psycopg.Error:
                raise
            except BaseException:
                # Cancelled midway: what comes next must not read the rest of this.
                await self._drop()
                raise
            self._used_at = time.monotonic()
            return rows

    async def close(self) -> None:
        """Closes the connection, after the statement that runs on it."""
        async with self._lock:
            await self._drop()

    async def _living(self) -> psycopg.AsyncConnection[Any]:
        connection = self._connection
        if connection is not None and time.monotonic() - self._used_at > self.trusted_seconds:
            try:
                await connection.execute("")
            except psycopg.Error:
                log.info("connection_renewed")
        if connection is None or connection.closed:
            await self._drop()
            self._connection = connection = await psycopg.AsyncConnection.connect(
                self._url,
                autocommit=True,
                prepare_threshold=self._prepare_threshold,
                connect_timeout=CONNECT_SECONDS,
            )
            await connection.execute("SET TIME ZONE 'UTC'")
        return connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
