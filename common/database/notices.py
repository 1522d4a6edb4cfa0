"""PostgreSQL's NOTIFY, heard on one connection for everything in this process that waits for a change."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

import psycopg
import structlog

from common.cancellation import cancel_and_wait
from common.database.transaction import libpq_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.database.transaction import Database
    from common.settings import NetworkSettings

log = structlog.get_logger("common.database")

RETRY_SECONDS: Final = 5.0


class Notices:
    """Wakes whoever asked for it after each notice on its channel, and all of them when the connection stands anew.

    Nobody may rely on it: a notice is lost with the connection, and behind a pooler there are none.
    """

    def __init__(self, listen_url: str | None, *, retry_seconds: float = RETRY_SECONDS) -> None:
        """`listen_url` names a server that keeps sessions; without one nobody is ever woken."""
        self._listen_url = listen_url
        self._retry_seconds = retry_seconds
        self._wakes: dict[str, list[Callable[[], None]]] = {}
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def from_settings(cls, settings: NetworkSettings, database: Database) -> Self:
        """Those of the services' database. A pooler that cannot keep prepared statements keeps no LISTEN either."""
        return cls(database.url if settings.database_prepared_statements else None)

    def wake_on(self, channel: str, wake: Callable[[], None]) -> None:
        """Lets `wake` be called after notices on `channel`. To be said before `start`."""
        self._wakes.setdefault(channel, []).append(wake)

    def start(self) -> None:
        """Begins to listen."""
        if self._listen_url is not None:
            self._task = asyncio.create_task(self._listen(self._listen_url), name="notices")

    async def close(self) -> None:
        """Ends the connection."""
        if self._task is not None:
            await cancel_and_wait(self._task)
            self._task = None

    async def _listen(self, url: str) -> None:
        while True:
            try:
                await self._listen_once(url)
            except (psycopg.Error, OSError) as error:
                log.warning("listen_failed", error=type(error).__name__, retry_in_seconds=self._retry_seconds)
            await asyncio.sleep(self._retry_seconds)

    async def _listen_once(self, url: str) -> None:
        async with await psycopg.AsyncConnection.connect(
            libpq_url(url),
            autocommit=True,
            connect_timeout=5,
            keepalives_idle=30,
        ) as connection:
            for channel in self._wakes:
                await connection.execute(f"LISTEN {channel}")
            # What was said while nobody listened is lost, so everybody looks once.
            for channel in self._wakes:
                self._wake(channel)
            async for notice in connection.notifies():
                self._wake(notice.channel)

    def _wake(self, channel: str) -> None:
        for wake in self._wakes.get(channel, ()):
            wake()
