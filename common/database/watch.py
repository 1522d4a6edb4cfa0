"""Keeps a copy in memory fresh: told by PostgreSQL's NOTIFY at once, and by a poll where nobody can be told."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import psycopg
import structlog

from common.cancellation import cancel_and_wait

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = structlog.get_logger("common.database")

LISTEN_RETRY_SECONDS: Final = 5.0


class Watch:
    """Calls `refresh` now and then, and soon after a notice on `channel`.

    The poll is enough on its own; the LISTEN connection only makes it faster and may be missing (behind PgBouncer).
    """

    def __init__(
        self,
        name: str,
        refresh: Callable[[], Awaitable[None]],
        *,
        channel: str,
        poll_seconds: float,
        listen_url: str | None,
    ) -> None:
        """`listen_url` is a libpq URL of a server that keeps sessions; None polls only."""
        self._name = name
        self._refresh = refresh
        self._channel = channel
        self._poll_seconds = poll_seconds
        self._listen_url = listen_url
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Refreshes once, failing if that fails, and then keeps on."""
        await self._refresh()
        self._tasks.append(asyncio.create_task(self._poll(), name=f"{self._name}-poll"))
        if self._listen_url:
            self._tasks.append(asyncio.create_task(self._listen(self._listen_url), name=f"{self._name}-listen"))

    async def close(self) -> None:
        """Stops refreshing."""
        await cancel_and_wait(*self._tasks)
        self._tasks.clear()

    async def _poll(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._refresh()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next poll tries again.
                log.warning("not_refreshed", what=self._name, error=type(error).__name__)

    async def _listen(self, url: str) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    _libpq_url(url), autocommit=True, connect_timeout=5, keepalives_idle=30
                ) as connection:
                    await connection.execute(f"LISTEN {self._channel}")
                    self._wake.set()
                    async for _notice in connection.notifies():
                        self._wake.set()
            except psycopg.Error as error:
                log.info("polled_only", what=self._name, error=type(error).__name__)
            await asyncio.sleep(LISTEN_RETRY_SECONDS)


def _libpq_url(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
