"""A task that is cancelled ends, whatever it makes of the first time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from common.cancellation import cancel_and_wait, run_cancellable

SOON = 0.01


async def swallowing(times: int, started: asyncio.Event) -> None:
    started.set()
    for _ in range(times):
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again() -> None:
    started = asyncio.Event()
    task = asyncio.create_task(swallowing(2, started))
    await started.wait()
    async with asyncio.timeout(30):
        await cancel_and_wait(task, again_seconds=SOON)
    assert task.cancelled()


async def test_tasks_that_have_ended_are_left_as_they_are() -> None:
    async def fails() -> None:
        raise ValueError("burnt")

    done, failed = asyncio.create_task(asyncio.sleep(0, 7)), asyncio.create_task(fails())
    await asyncio.wait({done, failed})
    await cancel_and_wait(done, failed)
    assert done.result() == 7
    assert isinstance(failed.exception(), ValueError)


async def test_no_task_is_nothing_to_wait_for() -> None:
    await cancel_and_wait()


async def test_a_cancelled_caller_ends_though_its_work_swallows_the_first() -> None:
    started = asyncio.Event()
    caller = asyncio.create_task(run_cancellable(swallowing(1, started), again_seconds=SOON))
    await started.wait()
    caller.cancel()
    async with asyncio.timeout(30):
        await asyncio.wait({caller})
    assert caller.cancelled()


async def test_a_result_that_comes_in_spite_of_the_cancellation_is_kept() -> None:
    started = asyncio.Event()

    async def late() -> int:
        started.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return 7

    caller = asyncio.create_task(run_cancellable(late()))
    await started.wait()
    caller.cancel()
    assert await caller == 7


async def test_what_the_work_raises_reaches_the_caller() -> None:
    async def fails() -> None:
        raise ValueError("burnt")

    with pytest.raises(ValueError, match="burnt"):
        await run_cancellable(fails())
