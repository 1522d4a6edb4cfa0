"""A Redis whose memory is full: it drops kept answers of both networks, and never what wakes jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from taskiq import BrokerMessage

from common.health.checks import HealthError, RedisCheck
from common.jobs.broker import JobBroker
from request_svc.adapters.answer_cache import MAX_CACHED_BYTES
from request_svc.adapters.answer_cache import RedisAnswerCache as RequestCache
from response_svc.adapters.answers.cache import LARGEST_KEPT_BYTES, Lives, RedisAnswerCache
from response_svc.domain.flight import Flight
from response_svc.domain.incoming_request import Answer
from sandbox.valkey import EmbeddedValkey
from tests.integration.response_svc.answer_world import question_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

ROOM = 12 * 2**20
WAKE_UPS = 300
STREAM = "airlock:tests:jobs"


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A server of its own, set up as the sandbox's."""
    with EmbeddedValkey(tmp_path) as server:
        yield server


@pytest.fixture
async def redis(valkey: EmbeddedValkey) -> AsyncIterator[Redis]:
    """A Redis with little room, in which jobs were woken."""
    broker = JobBroker(valkey.url(), queue_name=STREAM, consumer_group_name="tests", consumer_id="0")
    await broker.startup()
    for number in range(WAKE_UPS):
        await broker.kick(BrokerMessage(task_id=str(number), task_name="tests", message=b"x" * 200, labels={}))
    async with Redis.from_url(valkey.url()) as client:
        await client.config_set("maxmemory", ROOM)
        yield client
    await broker.shutdown()


async def fill_request_cache(redis: Redis) -> None:
    """Five times what there is room for; the newest is kept."""
    cache = RequestCache(redis)
    for _ in range(5 * ROOM // MAX_CACHED_BYTES // 8):
        answers = [(uuid4(), b"x" * MAX_CACHED_BYTES) for _ in range(8)]
        await cache.put(answers)
    assert await cache.get(answers[-1][0]) == answers[-1][1]


async def fill_response_cache(redis: Redis) -> None:
    """The same with large answers; each can be kept, and the newest is found."""
    cache = RedisAnswerCache(redis, Lives())
    answer = Answer(b"x" * LARGEST_KEPT_BYTES, hit_count=1, engine_took_ms=1)
    for number in range(5 * ROOM // LARGEST_KEPT_BYTES):
        question = question_for(str(number))
        flight = await cache.find(question)
        assert isinstance(flight, Flight)
        assert await cache.keep(flight, answer)
    assert isinstance(await cache.find(question), Answer)


@pytest.mark.parametrize("fill", [fill_request_cache, fill_response_cache])
async def test_kept_answers_give_way_and_wake_ups_stay(redis: Redis, fill: Callable[[Redis], Awaitable[None]]) -> None:
    await fill(redis)
    assert (await redis.info("stats"))["evicted_keys"] > 0
    assert (await redis.info("memory"))["used_memory"] < 2 * ROOM
    assert await redis.xlen(STREAM) == WAKE_UPS
    assert [group["name"] for group in await redis.xinfo_groups(STREAM)] == [b"tests"]


async def test_a_redis_that_would_drop_wake_ups_is_told_to_operators(redis: Redis, valkey: EmbeddedValkey) -> None:
    check = RedisCheck(valkey.url())
    assert "up to 12 MiB, volatile-lru" in await check()
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(HealthError, match=r"allkeys-lru\)\. Set its maxmemory-policy to volatile-lru"):
        await check()
    await redis.config_set("maxmemory", 0)
    assert "without a limit of memory" in await check()
