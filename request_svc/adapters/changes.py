"""Tells watchers at once that requests changed: PostgreSQL's NOTIFY, and a poll where it does not come through."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.database.notices import Notices

CHANNEL: Final = "airlock_requests"
POLL_SECONDS: Final = 2.0
"""How late a change is seen at most where notices do not come through (PgBouncer, a lost connection)."""

_NOTIFY = text(f"SELECT pg_notify('{CHANNEL}', '')")


async def notify_changes(connection: AsyncConnection) -> None:
    """Wakes all watchers when this transaction commits. Said once or many times in a transaction, it is one wake-up."""
    await connection.execute(_NOTIFY)


class NoticedChanges:
    """`RequestChanges`: every watcher of the process is woken by the process's notices."""

    def __init__(self, notices: Notices | None, *, poll_seconds: float = POLL_SECONDS) -> None:
        """`notices` are still to be started; None polls only."""
        self._poll_seconds = poll_seconds
        self._changed = asyncio.Event()
        if notices is not None:
            notices.wake_on(CHANNEL, self._wake)

    async def ticks(self) -> AsyncGenerator[None]:
        """See the port. The first tick comes at once: something may have changed since the watcher looked.

        A change between two ticks is not missed: each watcher waits for the event that was the next one as it looked.
        """
        while True:
            changed = self._changed
            yield
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
