"""Counts calls in Redis, exactly for all processes together, in one round trip. Without Redis the process decides."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog
from redis.exceptions import RedisError

from common import metrics
from common.ratelimit.local_bucket import LocalBuckets
from common.ratelimit.round_trips import RoundTrips
from common.ratelimit.windows import MICROSECONDS, Decision, Use, entry_microseconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from common.ratelimit.windows import Window

log = structlog.get_logger("common.ratelimit")

_PAUSE_SECONDS: Final = 1.0
"""How long Redis is left alone after it failed; then one call tries it while the others go on without."""
_BY_REDIS: Final = 0


def by_redis() -> int:
    """Stands for the time of Redis itself, so that no host's clock matters."""
    return _BY_REDIS


class RateLimiter:
    """One a process. Redis may be slow, away or emptied: then calls are decided here, or the count begins anew."""

    def __init__(
        self,
        redis: Redis,
        *,
        local: LocalBuckets | None = None,
        microseconds: Callable[[], int] = by_redis,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`redis` must have short timeouts. `microseconds` and `clock` are for tests that move the time."""
        self._round_trips = RoundTrips(redis)
        self._local = local if local is not None else LocalBuckets(clock=clock)
        self._microseconds = microseconds
        self._clock = clock
        self._away_since: float | None = None
        self._next_try = 0.0
        self._decided_here = 0

    @property
    def is_redis_away(self) -> bool:
        """Whether this process decides by itself now."""
        return self._away_since is not None

    async def take(self, key: str, windows: tuple[Window, ...], cost: int = 1) -> Decision:
        """Counts `cost` against every window under `key`, or refuses it and counts nothing. Never raises for Redis."""
        if cost < 1:
            raise ValueError("a call counts as 1 at least")
        windows = tuple(sorted(windows, key=lambda window: -window.seconds))
        tries = self._away_since is not None
        if tries:
            if self._clock() < self._next_try:
                return self._decide_here(key, windows, cost)
            # The others do not wait for what this one finds out.
            self._next_try = self._clock() + _PAUSE_SECONDS
        try:
            reply = await self._ask(key, windows, cost)
        except (RedisError, OSError) as error:
            self._redis_failed(error)
            return self._decide_here(key, windows, cost)
        if tries:
            self._redis_answered()
        return _decision(reply, windows, cost)

    async def close(self) -> None:
        """Closes the connection to Redis."""
        await self._round_trips.close()

    async def _ask(self, key: str, windows: tuple[Window, ...], cost: int) -> list[int]:
        arguments = [cost, entry_microseconds(windows), self._microseconds()]
        for window in windows:
            arguments += (window.seconds * MICROSECONDS, window.limit, window.cap)
        return await self._round_trips.ask(key, arguments)

    def _decide_here(self, key: str, windows: tuple[Window, ...], cost: int) -> Decision:
        self._decided_here += 1
        return self._local.take(key, windows, cost)

    def _redis_failed(self, error: Exception) -> None:
        self._next_try = self._clock() + _PAUSE_SECONDS
        if self._away_since is None:
            self._away_since = self._clock()
            self._decided_here = 0
            metrics.RATE_LIMIT_REDIS_AWAY.set(1)
            log.warning("rate_limit_redis_away", error=type(error).__name__)

    def _redis_answered(self) -> None:
        if self._away_since is None:
            return
        seconds = self._clock() - self._away_since
        self._away_since = None
        metrics.RATE_LIMIT_REDIS_AWAY.set(0)
        log.warning("rate_limit_redis_back", away_seconds=round(seconds, 1), decided_here=self._decided_here)


def _decision(reply: list[int], windows: tuple[Window, ...], cost: int) -> Decision:
    accepted, wait, *state = reply
    return Decision(
        accepted=accepted == 1,
        cost=cost,
        uses=tuple(
            Use(window, used, reset / MICROSECONDS)
            for window, used, reset in zip(windows, state[::2], state[1::2], strict=True)
        ),
        retry_after=wait / MICROSECONDS if wait > 0 else None,
    )
