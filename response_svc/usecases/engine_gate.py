"""The gate before a worker process's search engine: who may execute now, by the rules of `domain.circuit`."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog

from common.metrics import ENGINE_CIRCUIT
from response_svc.domain.circuit import CircuitState, Sign, after_check, after_sign, closed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from response_svc.domain.circuit import Circuit
    from response_svc.ports import SearchEngine

log = structlog.get_logger("response.execution")

PATIENCE_SECONDS: Final = 5.0
"""Longer pauses are not waited out: whoever waits holds up a worker that is to stop, and the sweep comes anyway."""
IN_ORDER: Final = (CircuitState.CLOSED, CircuitState.SLOWED, CircuitState.HALF_OPEN, CircuitState.OPEN)
"""The gauge shows a state's place here."""


class EngineGate:
    """Lets executors in one by one and hears from each what it met."""

    def __init__(
        self,
        engine: SearchEngine,
        executors: int,
        *,
        jitter: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`jitter` gives random numbers in [0, 1)."""
        self._engine = engine
        self._jitter = jitter
        self._monotonic = monotonic
        self._sleep = sleep
        self._circuit = closed(executors)
        self._inside = 0
        # A process that starts while the engine is away finds that out without using up anybody's attempt.
        self._looked = False
        self._checking = asyncio.Lock()
        self._changed = asyncio.Event()
        ENGINE_CIRCUIT.set(0)

    @property
    def state(self) -> CircuitState:
        """How the engine is treated now."""
        return self._circuit.state

    async def enter(self) -> bool:
        """Waits until the caller may execute a request; False if it would take long. Who was let in calls `leave`."""
        if not self._looked:
            await self._look_first()
        while True:
            pause = self._circuit.pause_left(self._monotonic())
            if pause > PATIENCE_SECONDS:
                return False
            if pause:
                await self._sleep(pause)
            elif self._circuit.state is CircuitState.OPEN:
                await self._ask_whether_it_is_there()
            elif self._inside < self._circuit.at_once:
                self._inside += 1
                return True
            else:
                await self._changed.wait()

    def enter_again(self) -> None:
        """Lets in at once whoever left only to wait for something else, even if another has come in his place."""
        self._inside += 1

    async def leave(self, sign: Sign | None) -> None:
        """One that was let in has ended; `sign` is what it met, None if it did not ask the engine."""
        try:
            if sign is Sign.LATE:
                sign = await self._of_a_late_one()
            now, jitter = self._monotonic(), self._jitter()
            self._move(after_sign(self._circuit, sign, now=now, jitter=jitter))
        finally:
            self._inside -= 1
            self._tell()

    async def _look_first(self) -> None:
        async with self._checking:
            if self._looked:
                return
            if not (await self._engine.check()).reachable:
                self._move(after_sign(self._circuit, Sign.AWAY, now=self._monotonic(), jitter=self._jitter()))
            self._looked = True

    async def _of_a_late_one(self) -> Sign | None:
        """A search may well take too long; an engine that does not even say how it is hangs."""
        return None if (await self._engine.check()).reachable else Sign.AWAY

    async def _ask_whether_it_is_there(self) -> None:
        async with self._checking:
            now = self._monotonic()
            if self._circuit.state is not CircuitState.OPEN or self._circuit.pause_left(now):
                return
            reachable = (await self._engine.check()).reachable
            now, jitter = self._monotonic(), self._jitter()
            self._move(after_check(self._circuit, reachable=reachable, now=now, jitter=jitter))
            self._tell()

    def _move(self, circuit: Circuit) -> None:
        before, self._circuit = self._circuit, circuit
        if before.state is not circuit.state:
            ENGINE_CIRCUIT.set(IN_ORDER.index(circuit.state))
            tell = log.info if circuit.state is CircuitState.CLOSED else log.warning
            tell("engine_circuit_changed", before=before.state.value, now=circuit.state.value)

    def _tell(self) -> None:
        """Lets everybody who waits look again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
