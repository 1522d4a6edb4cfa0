"""Executing until nothing waits, so many at once: one of these in each worker process."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import structlog

from response_svc.usecases.execute_next import execute_next

if TYPE_CHECKING:
    from response_svc.usecases.execute_next import ExecutionContext

log = structlog.get_logger("response.execution")


class Executors:
    """Up to `count` queries in flight in this process, however many wake-up messages arrive."""

    def __init__(self, context: ExecutionContext, count: int) -> None:
        self._context = context
        self._count = count
        self._running = 0
        self._wakes = 0

    async def run(self) -> dict[str, int]:
        """Executes what waits and returns how often each outcome came; at once when all executors are busy.

        A call that comes while they are is not lost: whoever finds the queue empty looks again.
        """
        self._wakes += 1
        async with self._context.database.transaction() as transaction:
            returned = await self._context.queue.return_expired_leases(transaction.connection)
        outcomes = Counter({"returned": returned} if returned else {})
        loops = [self._until_empty(outcomes) for _ in range(self._count - self._running)]
        self._running += len(loops)
        await asyncio.gather(*loops)
        return dict(outcomes)

    async def _until_empty(self, outcomes: Counter[str]) -> None:
        try:
            while True:
                wakes = self._wakes
                execution = await execute_next(self._context)
                if execution is None:
                    if wakes == self._wakes:
                        return
                    continue
                outcomes[execution.outcome] += 1
                if execution.engine_away:
                    # The others would only use up their attempts; the next sweep asks the engine again. What concerns
                    # one search or one index does not end here: it would keep all others waiting.
                    log.warning("engine_away")
                    return
        finally:
            self._running -= 1
