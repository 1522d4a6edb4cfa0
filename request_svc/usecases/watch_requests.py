"""Tells a user how his requests go on: first as they stand, then each change, until all have ended or time is up."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from request_svc.usecases.get_request import found

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from common.auth.principal import Principal
    from common.database.transaction import Database
    from request_svc.domain.request import Request
    from request_svc.domain.status import RequestStatus
    from request_svc.ports import RequestChanges, RequestStore

MAX_WATCHED_OPEN: Final = 10_000
"""Of a user with more open requests than this, the newest are watched."""


async def watch_requests(
    ids: Sequence[UUID],
    *,
    caller: Principal,
    now: datetime,
    timeout_seconds: float,
    database: Database,
    requests: RequestStore,
    changes: RequestChanges,
    check_session: Callable[[], Awaitable[object]],
) -> AsyncGenerator[Request]:
    """Each named request, then its changes; without names, the changes of all of the caller's from now on.

    Raises NotFoundError before the first one if a named request is not the caller's, and at the next tick whatever
    `check_session` raises once the caller's session is over.
    """
    watch = _Watch(caller.user_id, database, requests)
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    for request in await (watch.begin_named(ids) if ids else watch.begin_all(now)):
        yield request
    async with aclosing(changes.ticks()) as ticks:
        while not watch.has_ended:
            remaining = deadline - asyncio.get_running_loop().time()
            try:
                # Not wait_for, which loses a cancellation that comes with a tick before Python 3.12.
                async with asyncio.timeout(max(0.0, remaining)):
                    await anext(ticks)
            except TimeoutError:
                return
            await check_session()
            for request in await watch.changed():
                yield request


class _Watch:
    """What one watcher has been told so far."""

    def __init__(self, user_id: UUID, database: Database, requests: RequestStore) -> None:
        self._user_id = user_id
        self._database = database
        self._requests = requests
        self._told: dict[UUID, RequestStatus] = {}
        self._created_since: datetime | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more can change. Requests that are yet to be made keep a watch of all open."""
        return self._created_since is None and not self._open()

    async def begin_named(self, ids: Sequence[UUID]) -> list[Request]:
        """The named requests, in the order of their names."""
        async with self._database.transaction() as transaction:
            rows = await self._requests.find_many(transaction.connection, self._user_id, ids)
        by_id = {row.request_id: row for row in rows}
        ordered = [found(by_id.get(request_id), request_id) for request_id in dict.fromkeys(ids)]
        self._told = {request.request_id: request.status for request in ordered}
        return ordered

    async def begin_all(self, now: datetime) -> list[Request]:
        """Nothing to tell yet; what is open now, or is made later, is watched."""
        self._created_since = now
        async with self._database.transaction() as transaction:
            connection = transaction.connection
            open_ids = await self._requests.open_ids(connection, self._user_id, MAX_WATCHED_OPEN)
            self._told = await self._requests.statuses(connection, self._user_id, open_ids, None)
        return []

    async def changed(self) -> list[Request]:
        """The requests that stand elsewhere than was told, the oldest first."""
        async with self._database.transaction() as transaction:
            connection = transaction.connection
            current = await self._requests.statuses(connection, self._user_id, self._open(), self._created_since)
            moved = [request_id for request_id, status in current.items() if self._told.get(request_id) != status]
            rows = await self._requests.find_many(connection, self._user_id, moved) if moved else []
        self._told.update((row.request_id, row.status) for row in rows)
        return sorted(rows, key=lambda row: row.created_at)

    def _open(self) -> list[UUID]:
        return [request_id for request_id, status in self._told.items() if not status.is_final]
