"""What holding a call against its caller's limits takes, against one bare PING of the same Redis by the same client."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import Redis

from bench.report import Figure, report
from common.ratelimit.limiter import RateLimiter
from common.ratelimit.windows import DAY, HOUR, MICROSECONDS, MINUTE, Window
from sandbox.valkey import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

CALLS = 1000
REPEATS = 5
CALLERS: Final = 50
USUAL: Final = (Window(MINUTE, 10), Window(HOUR, 100), Window(DAY, 500))
LARGEST: Final = (Window(MINUTE, 10_000), Window(HOUR, 50_000), Window(DAY, 100_000))
START: Final = 1_790_000_000 * MICROSECONDS


async def seconds(work: Callable[[int], Awaitable[Any]], callers: int = 1) -> float:
    """Of the fastest of a few runs, for one call: whatever else runs only adds."""
    times = []
    for turn in range(REPEATS):
        left = iter(range(turn * CALLS, (turn + 1) * CALLS))

        async def caller(numbers: Iterator[int] = left) -> None:
            for number in numbers:
                await work(number)

        began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(callers)))
        times.append((time.perf_counter() - began) / CALLS)
    return min(times)


async def full(redis: Redis, key: str, windows: tuple[Window, ...]) -> None:
    """A list such as it is after a day in which the limit was used up evenly."""
    day = windows[-1]
    step = DAY * MICROSECONDS // day.limit
    pairs = [part for n in range(day.limit) for part in (START - DAY * MICROSECONDS + n * step, n + 1)]
    await redis.delete(key)
    await redis.rpush(key, 0, 0)
    for begin in range(0, len(pairs), 10_000):
        await redis.rpush(key, *pairs[begin : begin + 10_000])


async def accepted(redis: Redis, windows: tuple[Window, ...], callers: int = 1) -> float:
    """Seconds for a call that is let in while the oldest one leaves."""
    step = DAY * MICROSECONDS // windows[-1].limit
    moment = START
    limiter = RateLimiter(redis, microseconds=lambda: moment)
    await full(redis, "accepted", windows)

    async def take(number: int) -> None:
        nonlocal moment
        moment = START + number * step
        decision = await limiter.take("accepted", windows)
        assert decision.accepted, "the clock moves as fast as the limit allows"

    return await seconds(take, callers)


async def refused(redis: Redis) -> float:
    """Seconds for a call that is refused."""
    limiter = RateLimiter(redis, microseconds=lambda: START - 1)
    await full(redis, "refused", USUAL)

    async def take(_number: int) -> None:
        decision = await limiter.take("refused", USUAL)
        assert not decision.accepted, "the day is used up"

    return await seconds(take)


async def measure(url: str) -> list[Figure]:
    """One call after the other with one connection, and 50 callers at once."""
    async with Redis.from_url(url) as redis:

        async def ping(_number: int) -> None:
            await redis.ping()

        alone, together = await seconds(ping), await seconds(ping, CALLERS)
        figures = [
            Figure("a call let in / PING, 500 a day used", await accepted(redis, USUAL) / alone, "< 4"),
            Figure("a call refused / PING, 500 a day used", await refused(redis) / alone, "< 4"),
            Figure("a call let in / PING, 100,000 a day used", await accepted(redis, LARGEST) / alone, "< 5"),
            Figure(
                "a call let in / PING, 500 a day used, 50 at once",
                await accepted(redis, USUAL, CALLERS) / together,
                "< 2",
            ),
            Figure("PING, µs", alone * 1e6, ""),
            Figure("PING, 50 at once, µs", together * 1e6, ""),
        ]
        for windows, what in ((USUAL, "500"), (LARGEST, "100,000")):
            await full(redis, "size", windows)
            figures.append(
                Figure(
                    f"memory of one user, {what} a day used, KiB", (await redis.memory_usage("size") or 0) / 1024, ""
                )
            )
    return figures


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory(prefix="airlock-bench-") as folder, EmbeddedValkey(Path(folder)) as valkey:
        report("the limit check", asyncio.run(measure(valkey.url())))


if __name__ == "__main__":
    main()
