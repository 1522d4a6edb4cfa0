"""Tells watchers at once that requests changed: PostgreSQL's NOTIFY, heard on one connection a process, and a poll."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import psycopg
import structlog
from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sqlalchemy.ext.asyncio import AsyncConnection

log = structlog.get_logger("request_svc.changes")

CHANNEL: Final = "airlock_requests"
POLL_SECONDS: Final = 2.0
"""How late a change is seen at most where notifications do not come through (PgBouncer, a lost connection)."""
RECONNECT_SECONDS: Final = 5.0

_NOTIFY = text(f"SELECT pg_notify('{CHANNEL}', '')")


async def notify_changes(connection: AsyncConnection) -> None:
    """Wakes all watchers when this transaction commits. Said once or many times in a transaction, it is one wake-up."""
    await connection.execute(_NOTIFY)


class ListenedChanges:
    """`RequestChanges`: one LISTEN connection for all watchers of the process, opened when the first one comes."""

    def __init__(self, database_url: str, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._url = database_url
        self._poll_seconds = poll_seconds
        self._changed = asyncio.Condition()
        self._generation = 0
        self._listener: asyncio.Task[None] | None = None

    async def ticks(self) -> AsyncGenerator[None]:
        """See the port. A change between two ticks is not missed: the generation tells that there was one."""
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen(), name="request-changes")
        seen = self._generation
        while True:
            async with self._changed:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(
                        self._changed.wait_for(lambda seen=seen: self._generation != seen),  # type: ignore[misc] # a default in a lambda
                        self._poll_seconds,
                    )
                seen = self._generation
            yield

    async def close(self) -> None:
        """Ends the listening connection."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except (psycopg.Error, OSError) as error:
                log.warning("listen_failed", error=type(error).__name__, next_try_seconds=RECONNECT_SECONDS)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_once(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True, connect_timeout=5) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            await self._wake()
            async for _ in connection.notifies():
                await self._wake()

    async def _wake(self) -> None:
        async with self._changed:
            self._generation += 1
            self._changed.notify_all()
