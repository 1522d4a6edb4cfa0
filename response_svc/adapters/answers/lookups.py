"""How the look-ups of all processes went in the last hour, counted in Redis with the look-ups themselves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog
from redis.exceptions import RedisError

from response_svc.domain.cache_state import CacheState

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

log = structlog.get_logger("response.cache")

PERIOD_SECONDS: Final = 300
PERIODS: Final = 12
COUNTED_SECONDS: Final = PERIOD_SECONDS * (PERIODS + 1)
"""How long the counts of one period are there."""


def lookups_key(at: float | None = None, *, back: int = 0) -> str:
    """Where the look-ups of the period of `at` are counted, now if None, or of one so many periods before it."""
    seconds = at if at is not None else time.time()
    return f"es-lookups:{int(seconds) // PERIOD_SECONDS - back}"


async def read_state(redis: Redis, clock: Callable[[], float] = time.time) -> CacheState:
    """How the cache fares. A Redis that is away, or that tells nothing of its memory, is said, not raised."""
    at = clock()
    try:
        async with redis.pipeline(transaction=False) as pipeline:
            for back in range(PERIODS):
                pipeline.hgetall(lookups_key(at, back=back))
            pipeline.info("memory")
            *periods, memory = await pipeline.execute(raise_on_error=False)
    except (RedisError, OSError) as error:
        log.warning("cache_unavailable", step="state", error=type(error).__name__)
        return CacheState(available=False)
    told = memory if isinstance(memory, dict) else {}
    return CacheState(
        available=True,
        hits=_sum(periods, b"hit"),
        joined=_sum(periods, b"joined"),
        misses=_sum(periods, b"miss"),
        used_bytes=int(told.get("used_memory", 0)),
        most_bytes=int(told.get("maxmemory", 0)),
        eviction=str(told.get("maxmemory_policy", "")),
    )


def _sum(periods: list[object], outcome: bytes) -> int:
    return sum(int(period.get(outcome, 0)) for period in periods if isinstance(period, dict))
