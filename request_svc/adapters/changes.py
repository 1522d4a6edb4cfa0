"""Tells watchers at once that requests changed: PostgreSQL's NOTIFY, heard on one connection a process, and a poll."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Final

import psycopg
import structlog
from sqlalchemy import text

from common.cancellation import cancel_and_wait

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

    def __init__(
        self,
        listen_url: str | None,
        *,
        poll_seconds: float = POLL_SECONDS,
        reconnect_seconds: float = RECONNECT_SECONDS,
    ) -> None:
        """`listen_url` names a server that keeps sessions; None, behind a pooler that does not, polls only."""
        self._listen_url = listen_url
        self._poll_seconds = poll_seconds
        self._reconnect_seconds = reconnect_seconds
        self._changed = asyncio.Condition()
        self._generation = 0
        self._listener: asyncio.Task[None] | None = None

    async def ticks(self) -> AsyncGenerator[None]:
        """See the port. The first tick comes at once: something may have changed since the watcher looked.

        A change between two ticks is not missed: the generation tells that there was one.
        """
        if self._listener is None and self._listen_url is not None:
            self._listener = asyncio.create_task(self._listen(self._listen_url), name="request-changes")
        while True:
            seen = self._generation
            yield
            async with self._changed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_seconds):
                        await self._changed.wait_for(partial(self._has_moved_since, seen))

    async def close(self) -> None:
        """Ends the listening connection."""
        if self._listener is not None:
            await cancel_and_wait(self._listener)
            self._listener = None

    def _has_moved_since(self, generation: int) -> bool:
        return self._generation != generation

    async def _listen(self, url: str) -> None:
        while True:
            try:
                await self._listen_once(url)
            except (psycopg.Error, OSError) as error:
                log.warning("listen_failed", error=type(error).__name__, retry_in_seconds=self._reconnect_seconds)
            await asyncio.sleep(self._reconnect_seconds)

    async def _listen_once(self, url: str) -> None:
        async with await psycopg.AsyncConnection.connect(
            url.replace("postgresql+psycopg://", "postgresql://", 1),
            autocommit=True,
            connect_timeout=5,
            keepalives_idle=30,
        ) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            await self._wake()
            async for _ in connection.notifies():
                await self._wake()

    async def _wake(self) -> None:
        async with self._changed:
            self._generation += 1
            self._changed.notify_all()
