"""Executors of two processes beside each other: at once, with one of them held up, and up to somebody's deadline."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from common.batches.steps import Step
from sandbox.rehearsal.rules import policy_is_heard
from sandbox.rehearsal.side import ended_beside

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from sandbox.rehearsal.overseers import Overseers
    from sandbox.rehearsal.side import Side

DYING = (Step.EXECUTE_CLAIMED, Step.EXECUTE_ANSWERED, Step.EXECUTE_STORED)
LEASE = timedelta(minutes=5)
MOMENT_SECONDS = 0.15
NEXT_DEADLINE = (
    "SELECT min(not_after) AS at FROM incoming_requests WHERE status IN ('pending', 'retry') AND not_after > :now"
)


@dataclass(slots=True)
class Workers:
    """The two processes. `deeds` counts what was played."""

    first: Side
    second: Side
    overseers: Overseers
    choose: random.Random
    deeds: dict[str, int] = field(default_factory=dict)
    leases_lost: int = 0

    async def run(self) -> None:
        """One of the ways to run beside each other. As many draws each time."""
        choose = self.choose
        way, dies, meddling = choose.random(), choose.random(), choose.random()
        step, countdown = choose.choice(DYING), choose.choice((1, 1, 2, 3))
        for side in (self.first, self.second):
            await policy_is_heard(side)
        if dies < 0.3:
            (self.first if dies < 0.15 else self.second).faults.arm(step, countdown, disk_is_full=False)
        if way < 0.3:
            await self._at_once()
        elif way < 0.8:
            await self._one_is_held_up(meddling)
        else:
            await self._to_the_deadline()
        for side in (self.first, self.second):
            side.engine.let_go()

    async def _at_once(self) -> None:
        await ended_beside((self.first, self.second), [_running(self.first), _running(self.second)])
        self._count("executed beside each other")

    async def _one_is_held_up(self, meddling: float) -> None:
        """Meanwhile its requests are ended, given up, or taken over by somebody else."""
        self.first.engine.hold_up()
        runs = [_running(self.first)]
        if await self.first.engine.holds_one_of(runs[0]):
            await self._meddle(meddling, runs)
        self.first.engine.let_go()
        # It may wait for what the other one, who is held up too, asks.
        await asyncio.wait({runs[0]}, timeout=MOMENT_SECONDS)
        self.second.engine.let_go()
        await ended_beside((self.first, self.second), runs)

    async def _meddle(self, meddling: float, runs: list[asyncio.Task[object]]) -> None:
        if meddling < 0.5:
            await self._taken_over(runs)
        elif meddling < 0.7:
            await self.overseers.end_one(self.choose, ("processing",))
        elif meddling < 0.9:
            runs.append(asyncio.ensure_future(self.second.exchange.import_waiting()))
            await asyncio.wait({runs[-1]})
            self._count("imported while executing")
        else:
            await self.overseers.empty_redis(self.first)
            runs.append(_running(self.second))

    async def _taken_over(self, runs: list[asyncio.Task[object]]) -> None:
        """Its lease ends, and what it asked is answered otherwise by now."""
        held = await self.first.rows("SELECT count(*) AS number FROM incoming_requests WHERE status = 'processing'")
        self.leases_lost += held[0].number
        await self.first.time_passes(LEASE)
        await self.overseers.fill_anew(everything=False)
        self.second.engine.hold_up()
        runs.append(_running(self.second))
        await self.second.engine.holds_one_of(runs[-1])
        self._count("took a request over")

    async def _to_the_deadline(self) -> None:
        """Somebody's time is over while his request runs, or just before."""
        row = (await self.first.rows(NEXT_DEADLINE, now=self.first.clock()))[0]
        if row.at is not None:
            self.first.clock.advance(row.at - self.first.clock() - timedelta(seconds=MOMENT_SECONDS))
            self.first.engine.hold_up()
        runs = [_running(self.first)]
        await asyncio.wait({runs[0]}, timeout=2 * MOMENT_SECONDS)
        self.first.engine.let_go()
        await ended_beside((self.first, self.second), runs)
        self._count("executed at a deadline")

    def _count(self, deed: str) -> None:
        self.deeds[deed] = self.deeds.get(deed, 0) + 1


def _running(side: Side) -> asyncio.Task[object]:
    job: Callable[[], Awaitable[object]] = side.app.executors.run
    return asyncio.ensure_future(job())
