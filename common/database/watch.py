"""Keeps a copy in memory fresh: told by PostgreSQL's NOTIFY at once, and by a poll where nobody can be told."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from common.cancellation import cancel_and_wait

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from common.database.notices import Notices

log = structlog.get_logger("common.database")


class Watch:
    """Calls `refresh` now and then, and soon after a notice on `channel`.

    The poll is enough on its own; notices only make it faster and may be missing (behind PgBouncer).
    """

    def __init__(
        self,
        name: str,
        refresh: Callable[[], Awaitable[None]],
        *,
        channel: str,
        poll_seconds: float,
        notices: Notices | None,
    ) -> None:
        """`notices` are still to be started; None polls only."""
        self._name = name
        self._refresh = refresh
        self._poll_seconds = poll_seconds
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        if notices is not None:
            notices.wake_on(channel, self._wake.set)

    async def start(self) -> None:
        """Refreshes once, failing if that fails, and then keeps on."""
        await self._refresh()
        self._task = asyncio.create_task(self._poll(), name=f"{self._name}-poll")

    async def close(self) -> None:
        """Stops refreshing."""
        if self._task is not None:
            await cancel_and_wait(self._task)
            self._task = None

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
