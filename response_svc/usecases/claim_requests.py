"""Claiming requests, with their users: executors of one process that are free in the same moment claim together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from common.database.grouping import Grouping

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from common.database.transaction import Database
    from response_svc.domain.claim import Claim
    from response_svc.domain.incoming_request import ClaimedRequest
    from response_svc.ports import ClaimStore, RequestQueue

MOST_AT_ONCE: Final = 64


class Claims:
    """One a process. `worker` names it."""

    def __init__(
        self, database: Database, queue: RequestQueue, store: ClaimStore, *, worker: str, lease: timedelta
    ) -> None:
        self._database = database
        self._queue = queue
        self._store = store
        self._worker = worker
        self._lease = lease
        self._waiting: Grouping[None, Claim | None] = Grouping(self._claim, most_parts=MOST_AT_ONCE)

    async def next(self) -> Claim | None:
        """The request whose turn it is; None when none waits. Who is cancelled meanwhile leaves it in the queue."""
        claiming = asyncio.ensure_future(self._waiting.do(None))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            # It may be committed already, and would else wait until its lease is over.
            claim = await claiming
            if claim is not None:
                await self.give_back(claim.request)
            raise

    async def give_back(self, claimed: ClaimedRequest) -> None:
        """Returns the request to the queue at once, for a worker that is told to stop."""
        async with self._database.transaction() as transaction:
            await self._queue.give_back(transaction.connection, claimed)

    async def _claim(self, wanted: Sequence[None]) -> Sequence[Claim | None]:
        """As many claims as are wanted and there are, the rest None."""
        claims = await self._store.claim(worker=self._worker, lease=self._lease, wanted=len(wanted))
        if not claims and await self._returned():
            claims = await self._store.claim(worker=self._worker, lease=self._lease, wanted=len(wanted))
        return [*claims, *[None] * (len(wanted) - len(claims))]

    async def _returned(self) -> int:
        """How many requests are back in the queue since their pause is over."""
        async with self._database.transaction() as transaction:
            return await self._queue.return_due_retries(transaction.connection)
