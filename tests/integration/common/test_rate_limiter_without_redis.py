"""Limits while Redis is away, slow or just leaving: the process decides, says so once, and no caller meets an error."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from common import metrics
from common.ratelimit.limiter import RateLimiter
from common.ratelimit.local_bucket import LocalBuckets
from sandbox.valkey import EmbeddedValkey
from tests.integration.common.counting import THREE, MovedTime, client, take_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis


def away() -> float:
    return metrics.REGISTRY.get_sample_value("airlock_rate_limit_redis_away") or 0.0


async def test_while_redis_is_away_the_process_decides_and_says_so_once(tmp_path: Path) -> None:
    time = MovedTime()
    valkey = EmbeddedValkey(tmp_path)
    valkey.start()
    async with client(valkey.url()) as redis:
        limiter = RateLimiter(redis, microseconds=time, clock=time.seconds)
        with structlog.testing.capture_logs() as logs:
            try:
                await take_all(limiter, "k", THREE, 3)
            finally:
                valkey.stop()
            # In the process everybody begins with a full bucket.
            decisions = await asyncio.gather(*(limiter.take("k", THREE) for _ in range(15)))
            assert all(decision.local for decision in decisions)
            assert [decision.accepted for decision in decisions].count(True) == 10
            assert limiter.is_redis_away
            assert away() == 1
            time.move(6)
            assert (await limiter.take("k", THREE)).accepted
        assert [line["event"] for line in logs] == ["rate_limit_redis_away"]


async def test_one_call_looks_whether_redis_is_back_while_the_others_go_on(redis_url: str) -> None:
    time = MovedTime()
    address = "redis://127.0.0.1:{}"
    async with (
        silent_server() as port,
        client(redis_url) as redis,
        client(address.format(port), timeout=0.05) as silent,
    ):
        switched = Switched(silent)
        limiter = RateLimiter(switched, microseconds=time, clock=time.seconds)  # type: ignore[arg-type]
        with structlog.testing.capture_logs() as logs:
            assert (await limiter.take("k", THREE)).local
            switched.redis = redis
            assert (await limiter.take("k", THREE)).local
            time.move(1)
            assert not (await limiter.take("k", THREE)).local
        assert [(line["event"], line.get("decided_here")) for line in logs] == [
            ("rate_limit_redis_away", None),
            ("rate_limit_redis_back", 2),
        ]
        assert away() == 0


class Switched:
    """One Redis, and then another under the same address."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def __getattr__(self, name: str) -> Any:
        return getattr(self.redis, name)


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """Takes connections and never answers."""

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(read, "127.0.0.1", 0, family=socket.AF_INET)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_a_slow_redis_costs_one_call_its_time_limit_and_no_call_its_answer() -> None:
    time = MovedTime()
    async with silent_server() as port, client(f"redis://127.0.0.1:{port}", timeout=0.05) as redis:
        limiter = RateLimiter(redis, microseconds=time, clock=time.seconds)
        for _ in range(3):
            assert (await limiter.take("k", THREE)).local
        time.move(1.5)
        waiting: list[Any] = await asyncio.gather(*(limiter.take("k", THREE) for _ in range(5)))
        assert all(decision.accepted for decision in waiting)


def test_the_local_buckets_remember_a_bounded_number_of_users() -> None:
    time = MovedTime()
    buckets = LocalBuckets(most_users=3, clock=time.seconds)
    for user in ("a", "b", "c", "a", "d"):
        buckets.take(user, THREE)
    assert len(buckets) == 3
    left = {user: buckets.take(user, THREE).tightest.remaining for user in ("a", "d", "b")}
    assert left == {"a": 7, "d": 8, "b": 9}


def test_the_local_bucket_refuses_with_the_time_after_which_it_lets_in() -> None:
    time = MovedTime()
    buckets = LocalBuckets(clock=time.seconds)
    for _ in range(10):
        assert buckets.take("a", THREE).accepted
    refused = buckets.take("a", THREE)
    assert refused.retry_after == pytest.approx(6)
    time.move(6)
    assert buckets.take("a", THREE).accepted
    assert buckets.take("a", THREE, 11).retry_after is None


async def test_all_who_wait_when_redis_goes_away_are_decided_here_at_once() -> None:
    async with silent_server() as port, client(f"redis://127.0.0.1:{port}", timeout=0.2) as redis:
        limiter = RateLimiter(redis)
        first = asyncio.create_task(limiter.take("first", THREE))
        await asyncio.sleep(0)
        others = [asyncio.create_task(limiter.take("others", THREE)) for _ in range(20)]
        decisions = await asyncio.gather(first, *others)
        assert all(decision.local for decision in decisions)
        assert sum(decision.accepted for decision in decisions[1:]) == 10


@pytest.mark.parametrize("turns", [1, 100])
async def test_closing_gives_up_what_is_under_way(turns: int) -> None:
    async with silent_server() as port:
        limiter = RateLimiter(client(f"redis://127.0.0.1:{port}"))
        asked = asyncio.create_task(limiter.take("k", THREE))
        # Before anything was sent, and while the answer is waited for.
        for _ in range(turns):
            await asyncio.sleep(0)
        await limiter.close()
        with pytest.raises(asyncio.CancelledError):
            await asked
