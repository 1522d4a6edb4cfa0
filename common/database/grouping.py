"""Work that many do at once is done in groups: whatever comes while one group is at work goes together with the next.

There is no timer: who comes alone does not wait. It spares a round trip to the database, or a commit, for each of many.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Waiting(Generic[Item, Result]):
    """An item, and whoever waits for what becomes of it."""

    __slots__ = ("done", "item", "parts", "size")

    def __init__(self, item: Item, size: int, parts: int) -> None:
        self.item = item
        self.size = size
        self.parts = parts
        self.done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()


class Grouping(Generic[Item, Result]):
    """One a process, in whose event loop it lives."""

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        most_parts: int,
        most_size: int = sys.maxsize,
    ) -> None:
        """`work` gives one result, or an error, for each item of a group, in order; what it raises is everybody's.

        A group is full with `most_parts`, or when its items' sizes reach `most_size`.
        """
        self._work = work
        self._most_parts = most_parts
        self._most_size = most_size
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def do(self, item: Item, *, size: int = 0, parts: int = 1) -> Result:
        """What becomes of the item. Who leaves while waiting takes it along, unless its group is already at work."""
        waiting: _Waiting[Item, Result] = _Waiting(item, size, parts)
        self._waiting.append(waiting)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._drain())
        return await waiting.done

    async def close(self) -> None:
        """Waits until all that came is done."""
        if self._running is not None:
            await self._running

    async def _drain(self) -> None:
        while self._waiting:
            # Whoever is just coming, in this turn of the event loop, comes along.
            await asyncio.sleep(0)
            group = self._next_group()
            if group:
                await self._do_group(group)

    def _next_group(self) -> list[_Waiting[Item, Result]]:
        group: list[_Waiting[Item, Result]] = []
        size = parts = 0
        while self._waiting and parts < self._most_parts and size < self._most_size:
            waiting = self._waiting.popleft()
            if not waiting.done.cancelled():
                group.append(waiting)
                size += waiting.size
                parts += waiting.parts
        return group

    async def _do_group(self, group: list[_Waiting[Item, Result]]) -> None:
        outcomes: Sequence[Result | Exception]
        try:
            outcomes = await self._work([waiting.item for waiting in group])
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may be left waiting.
            outcomes = [error] * len(group)
        for waiting, outcome in zip(group, outcomes, strict=True):
            if waiting.done.done():
                continue
            if isinstance(outcome, Exception):
                waiting.done.set_exception(outcome)
            else:
                waiting.done.set_result(outcome)
