"""What tests of counted limits share: a clock that they move, a client without second tries, and calls one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from common.ratelimit.windows import DAY, HOUR, MICROSECONDS, MINUTE, Window

if TYPE_CHECKING:
    from common.ratelimit.limiter import RateLimiter
    from common.ratelimit.windows import Decision

START = 1_790_000_000 * MICROSECONDS
THREE = (Window(MINUTE, 10), Window(HOUR, 100), Window(DAY, 500))


class MovedTime:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now

    def seconds(self) -> float:
        return self.now / MICROSECONDS

    def move(self, seconds: float) -> None:
        self.now += round(seconds * MICROSECONDS)


def client(url: str, *, timeout: float = 5) -> Redis:
    return Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0))


async def take_all(limiter: RateLimiter, key: str, windows: tuple[Window, ...], count: int) -> Decision:
    for _ in range(count):
        decision = await limiter.take(key, windows)
        assert decision.accepted
    return decision
