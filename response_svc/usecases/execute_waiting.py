"""Executing until nothing waits, so many at once: one of these in each worker process."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from response_svc.domain.incoming_request import EXPIRED_WHILE_WAITING
from response_svc.usecases.engine_gate import EngineGate
from response_svc.usecases.execute_next import execute_next

if TYPE_CHECKING:
    from response_svc.domain.circuit import Sign
    from response_svc.usecases.execute_next import Execution, ExecutionContext

EXPIRED_AT_ONCE: Final = 500
"""So many ends share a transaction."""
LOOK_AFTER_CLAIMS: Final = 100
"""After so many claims of this process it looks again for requests whose pause is over; else an empty queue does."""


class Executors:
    """Up to `count` queries in flight in this process, however many wake-up messages arrive."""

    def __init__(self, context: ExecutionContext, count: int, *, gate: EngineGate | None = None) -> None:
        """`gate` is before the engine of `context`; without one it is made."""
        self._context = context
        self._count = count
        self._gate = gate or EngineGate(context.answering.engine, count, jitter=context.jitter)
        self._running = 0
        self._wakes = 0
        self._claims = 0

    async def run(self) -> dict[str, int]:
        """Executes what waits and returns how often each outcome came; at once when all executors are busy.

        A call that comes while they are is not lost: whoever finds the queue empty looks again. While the engine is
        away only what ran out of time is ended.
        """
        self._wakes += 1
        outcomes = Counter[str]()
        await self._put_in_order(outcomes)
        loops = [self._until_empty(outcomes) for _ in range(self._count - self._running)]
        self._running += len(loops)
        await asyncio.gather(*loops)
        return dict(+outcomes)

    async def _put_in_order(self, outcomes: Counter[str]) -> None:
        """Returns what dead executors left behind and what has paused long enough, and ends what ran out of time."""
        context = self._context
        async with context.database.transaction() as transaction:
            outcomes["returned"] += await context.queue.return_expired_leases(transaction.connection)
            await context.queue.return_due_retries(transaction.connection)
        expired = EXPIRED_AT_ONCE
        while expired == EXPIRED_AT_ONCE:
            async with context.database.transaction() as transaction:
                expired = await context.queue.expire_waiting(
                    transaction.connection, at=context.clock(), message=EXPIRED_WHILE_WAITING, limit=EXPIRED_AT_ONCE
                )
            outcomes["expired"] += expired

    async def _until_empty(self, outcomes: Counter[str]) -> None:
        try:
            while await self._gate.enter():
                wakes = self._wakes
                execution = await self._one()
                if execution is not None:
                    outcomes[execution.outcome] += 1
                elif wakes == self._wakes:
                    return
        finally:
            self._running -= 1

    async def _one(self) -> Execution | None:
        """One execution, of which the gate hears; it was entered."""
        sign: Sign | None = None
        try:
            await self._look_for_due_retries()
            execution = await execute_next(self._context)
            sign = execution.sign if execution is not None else None
        finally:
            await self._gate.leave(sign)
        return execution

    async def _look_for_due_retries(self) -> None:
        """Where something always waits, they would come back with the next wake-up only."""
        self._claims += 1
        if self._claims % LOOK_AFTER_CLAIMS == 0:
            async with self._context.database.transaction() as transaction:
                await self._context.queue.return_due_retries(transaction.connection)
