"""Waiting for an execution that another request leads, in this process or in any other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from response_svc.domain.flight import LARGEST_KEPT_BYTES, NoAnswer
from response_svc.domain.incoming_request import Answer
from response_svc.search.answers import EngineError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from response_svc.domain.flight import Flight
    from response_svc.ports import FlightBoard

RENEW_SECONDS: Final = 2.0
FIRST_PAUSE_SECONDS: Final = 0.005
LONGEST_PAUSE_SECONDS: Final = 0.25

Ending = Answer | EngineError | NoAnswer


class Flights:
    """One a process. However many wait here for one flight, one of them looks how it stands elsewhere."""

    def __init__(self, board: FlightBoard, *, longest_seconds: float, renew_seconds: float = RENEW_SECONDS) -> None:
        """Nobody waits longer than `longest_seconds` for one flight."""
        self._board = board
        self._longest_seconds = longest_seconds
        self._renew_seconds = renew_seconds
        self._endings: dict[bytes, asyncio.Future[Ending]] = {}
        self._led: dict[bytes, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def lead(self, flight: Flight) -> None:
        """Says that the flight is carried out here, until `land`."""
        # Somebody here may wait for it already: his look-up came later and its answer earlier.
        self._ending_of(flight)
        self._led[flight.token] = landed = asyncio.Event()
        self._background(self._keep_alive(flight, landed))

    def land(self, flight: Flight, ending: Ending, *, is_kept: bool) -> None:
        """Tells everybody who waits. Others than this process's get an answer from the cache, if that has it.

        Nothing is waited for: the leader may just be cancelled.
        """
        self._led.pop(flight.token).set()
        self._settle(flight, ending)
        if not is_kept:
            self._background(self._board.end(flight, elsewhere(ending)))

    async def ending(self, flight: Flight) -> Ending:
        """What came of a flight that another leads. Whoever is cancelled meanwhile leaves the others waiting."""
        is_known = flight.token in self._endings
        future = self._ending_of(flight)
        if not is_known:
            self._background(self._watch(flight))
        await asyncio.wait({future})
        return future.result()

    def _ending_of(self, flight: Flight) -> asyncio.Future[Ending]:
        return self._endings.setdefault(flight.token, asyncio.get_running_loop().create_future())

    def _settle(self, flight: Flight, ending: Ending) -> None:
        future = self._endings.pop(flight.token, None)
        if future is not None:
            future.set_result(ending)

    def _background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_alive(self, flight: Flight, landed: asyncio.Event) -> None:
        while not landed.is_set():
            try:
                async with asyncio.timeout(self._renew_seconds):
                    await landed.wait()
            except TimeoutError:
                await self._board.renew(flight)

    async def _watch(self, flight: Flight) -> None:
        ending: Ending = NoAnswer.ALONE
        try:
            async with asyncio.timeout(self._longest_seconds):
                ending = await self._looked(flight)
        except TimeoutError:
            pass
        finally:
            self._settle(flight, ending)

    async def _looked(self, flight: Flight) -> Ending:
        pause = FIRST_PAUSE_SECONDS
        while (ending := await self._board.look(flight)) is None:
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        return ending


def elsewhere(ending: Ending) -> EngineError | NoAnswer:
    """What other processes are told where the cache has no answer for them.

    One that will never be there they need not wait for in turn. One that was forgotten meanwhile somebody asks anew.
    """
    if isinstance(ending, Answer):
        return NoAnswer.ALONE if len(ending.body) > LARGEST_KEPT_BYTES else NoAnswer.GONE
    return ending
