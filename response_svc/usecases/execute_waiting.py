"""Executing until nothing waits, so many at once: one of these in each worker process."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from common.cancellation import cancel_and_wait
from response_svc.domain.incoming_request import EXPIRED_WHILE_WAITING
from response_svc.usecases.engine_gate import EngineGate
from response_svc.usecases.execute_next import execute_next

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from response_svc.domain.circuit import Sign
    from response_svc.usecases.execute_next import Execution, ExecutionContext

log = structlog.get_logger("response.execution")

EXPIRED_AT_ONCE: Final = 500
"""So many ends share a transaction."""
LOOK_AFTER_CLAIMS: Final = 100
"""After so many claims of this process it looks again for requests whose pause is over; else an empty queue does."""

MOST_WAITING: Final = 128
"""So many requests of a process may lend their places; each holds a lease. Those beyond keep their places."""
FAULT_PAUSES: Final = (1.0, 2.0, *[5.0] * 12)
"""Seconds after each fault of a row, such as a database that is being restarted; after the last a wake-up is awaited.

A sweep would wake one worker alone, whose queue may be long.
"""


class Executors:
    """Up to `count` queries in flight in this process, however many wake-up messages arrive."""

    def __init__(
        self,
        context: ExecutionContext,
        count: int,
        *,
        gate: EngineGate | None = None,
        fault_pauses: Sequence[float] = FAULT_PAUSES,
    ) -> None:
        """`gate` is before the engine of `context`; without one it is made."""
        self._context = context
        self._count = count
        self._fault_pauses = fault_pauses
        self._gate = gate or EngineGate(context.answering.engine, count, jitter=context.jitter)
        self._running = 0
        self._waiting = 0
        self._loops: set[asyncio.Task[None]] = set()
        self._stopping = False
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
        loops: set[asyncio.Task[None]] = set()
        for _ in range(self._count - self._running):
            self._running += 1
            self._start(loops, outcomes)
        await ended(loops)
        return dict(+outcomes)

    def stop_claiming(self) -> None:
        """Lets what is being executed finish, and begins nothing more."""
        self._stopping = True

    async def close(self) -> None:
        """Hands what is still being executed back to the queue."""
        self.stop_claiming()
        if self._loops:
            await cancel_and_wait(*self._loops)

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

    def _start(self, loops: set[asyncio.Task[None]], outcomes: Counter[str]) -> None:
        context = lending(self._context, partial(self._lent, loops, outcomes))
        loop = asyncio.create_task(self._until_empty(context, outcomes))
        loops.add(loop)
        self._loops.add(loop)
        loop.add_done_callback(self._loops.discard)

    async def _until_empty(self, context: ExecutionContext, outcomes: Counter[str]) -> None:
        faults = 0
        try:
            # More than the count are at it for a moment when a place that was lent is taken back.
            while not self._stopping and self._running <= self._count and await self._gate.enter():
                wakes = self._wakes
                try:
                    execution = await self._one(context)
                except Exception as error:
                    if faults == len(self._fault_pauses):
                        raise
                    pause = self._fault_pauses[faults]
                    log.warning("executor_paused", error=type(error).__name__, retry_in_seconds=pause)
                    await asyncio.sleep(pause)
                    faults += 1
                    continue
                faults = 0
                if execution is not None:
                    outcomes[execution.outcome] += 1
                elif wakes == self._wakes:
                    return
        finally:
            self._running -= 1

    async def _one(self, context: ExecutionContext) -> Execution | None:
        """One execution, of which the gate hears; it was entered."""
        sign: Sign | None = None
        try:
            await self._look_for_due_retries()
            execution = await execute_next(context)
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

    @asynccontextmanager
    async def _lent(self, loops: set[asyncio.Task[None]], outcomes: Counter[str]) -> AsyncIterator[None]:
        """Lets another request be executed in the place of one that only waits for an equal one's answer.

        So a hundred equal requests hold up nobody else for the time of their one slow query.
        """
        if self._waiting >= MOST_WAITING:
            yield
            return
        self._waiting += 1
        await self._gate.leave(None)
        self._start(loops, outcomes)
        try:
            yield
        finally:
            self._waiting -= 1
            self._running += 1
            self._gate.enter_again()


def lending(context: ExecutionContext, lend: Callable[[], AbstractAsyncContextManager[None]]) -> ExecutionContext:
    """The same with a place that can be lent."""
    return replace(context, answering=replace(context.answering, lend=lend))


async def ended(loops: set[asyncio.Task[None]]) -> None:
    """Returns once all have ended, also those that are added meanwhile; then raises what one of them raised."""
    errors: list[BaseException] = []
    try:
        while loops:
            done, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
            loops -= done
            errors += [error for loop in done if not loop.cancelled() and (error := loop.exception()) is not None]
    except asyncio.CancelledError:
        # Each gives its request back; the first to have done so does not end the others' time for it.
        await cancel_and_wait(*loops)
        raise
    if errors:
        raise errors[0]
