"""Ending asyncio tasks for certain: a cancellation that a library swallows is asked for again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable

Result = TypeVar("Result")

AGAIN_SECONDS: Final = 2.0
"""How long a cancelled task may tidy up before it is cancelled once more."""


async def cancel_and_wait(*tasks: asyncio.Task[Any], again_seconds: float = AGAIN_SECONDS) -> None:
    """Returns once all `tasks` have ended, cancelling them as often as it takes. What they raised stays with them.

    Once is not enough: before Python 3.12 `asyncio.wait_for` returns as if nothing had happened when the cancellation
    comes in the moment in which its awaitable ends, and redis-py sends every command through it. A loop around such
    a call would go on for ever.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_seconds)
    for task in tasks:
        if not task.cancelled():
            # Looked at, or asyncio would complain that nobody did.
            task.exception()


async def run_cancellable(work: Awaitable[Result], *, again_seconds: float = AGAIN_SECONDS) -> Result:
    """What `work` returns or raises. A cancellation of the caller reaches `work` even if it swallows the first.

    If `work` ends with a result all the same, that is returned, so that a message that was taken is not dropped.
    """
    task = asyncio.create_task(_result_of(work))
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        await cancel_and_wait(task, again_seconds=again_seconds)
        if task.cancelled():
            raise
    return task.result()


async def _result_of(work: Awaitable[Result]) -> Result:
    return await work
