"""Work in groups: what goes together, and what one item's fault does to the others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from common.database.grouping import Grouping

if TYPE_CHECKING:
    from collections.abc import Sequence


MOST_GROUPS = 10


class Work:
    """Doubles numbers; 0 fails alone, and a negative one fails its whole group. Waits at `gate`."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.begun = [asyncio.Event() for _ in range(MOST_GROUPS)]
        self.gate = asyncio.Event()

    async def is_at(self, group: int) -> None:
        """Returns once the group of that number is at work."""
        async with asyncio.timeout(5):
            await self.begun[group - 1].wait()

    async def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(items))
        self.begun[len(self.groups) - 1].set()
        await self.gate.wait()
        if min(items) < 0:
            raise ArithmeticError
        return [item * 2 if item else ZeroDivisionError() for item in items]


@pytest.fixture
def work() -> Work:
    return Work()


async def begin(grouping: Grouping[int, int], *items: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(grouping.do(item, size=item)) for item in items]
    await asyncio.sleep(0)
    return tasks


async def test_what_comes_during_a_group_goes_together_with_the_next(work: Work) -> None:
    grouping: Grouping[int, int] = Grouping(work, most_parts=3, most_size=100)
    first = await begin(grouping, 1)
    await work.is_at(1)
    rest = await begin(grouping, 2, 3, 4, 5)
    work.gate.set()
    assert await asyncio.gather(*first, *rest) == [2, 4, 6, 8, 10]
    assert work.groups == [[1], [2, 3, 4], [5]]


async def test_a_group_is_full_when_its_items_reach_the_size(work: Work) -> None:
    work.gate.set()
    grouping: Grouping[int, int] = Grouping(work, most_parts=10, most_size=50)
    assert await asyncio.gather(*await begin(grouping, 30, 30, 30)) == [60, 60, 60]
    assert work.groups == [[30, 30], [30]]


async def test_an_item_fails_alone_and_a_group_as_a_whole(work: Work) -> None:
    work.gate.set()
    grouping: Grouping[int, int] = Grouping(work, most_parts=2, most_size=100)
    outcomes = await asyncio.gather(*await begin(grouping, 1, 0, 1, -1, 1), return_exceptions=True)
    assert [outcome if isinstance(outcome, int) else type(outcome) for outcome in outcomes] == [
        2,
        ZeroDivisionError,
        ArithmeticError,
        ArithmeticError,
        2,
    ]


async def test_who_leaves_while_waiting_takes_the_item_along(work: Work) -> None:
    grouping: Grouping[int, int] = Grouping(work, most_parts=3, most_size=100)
    first = await begin(grouping, 1)
    await work.is_at(1)
    gone, stays = await begin(grouping, 2, 3)
    gone.cancel()
    await asyncio.sleep(0)
    work.gate.set()
    assert await asyncio.gather(*first, stays) == [2, 6]
    await grouping.close()
    assert work.groups == [[1], [3]]
