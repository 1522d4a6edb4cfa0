"""Small answers in Redis, and the wake-ups of watchers: what they do when their server is away."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy import text

from common.database.notices import Notices
from request_svc.adapters.answer_cache import CACHED_SECONDS, RedisAnswerCache, cache_key
from request_svc.adapters.changes import NoticedChanges, notify_changes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.integration.request_svc.request_world import World


async def test_small_answers_are_kept_for_a_week_and_larger_ones_are_not(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        cache = RedisAnswerCache(redis)
        small, large = uuid4(), uuid4()
        await cache.put([(small, b"\0" * 65_536), (large, b"x" * 65_537)])
        assert await cache.get(small) == b"\0" * 65_536
        assert await cache.get(large) is None
        assert CACHED_SECONDS - 60 < await redis.ttl(cache_key(small)) <= CACHED_SECONDS


async def test_a_redis_that_is_away_is_no_error() -> None:
    async with Redis.from_url("redis://127.0.0.1:1/0", retry=Retry(NoBackoff(), 0)) as redis:
        cache = RedisAnswerCache(redis)
        await cache.put([(uuid4(), b"{}")])
        assert await cache.get(uuid4()) is None


async def test_a_committed_change_wakes_watchers_long_before_the_poll(world: World, request_url: str) -> None:
    notices = Notices(request_url)
    ticks = NoticedChanges(notices, poll_seconds=60).ticks()
    notices.start()
    await _until_heard(ticks)
    async with world.database.transaction() as transaction:
        await notify_changes(transaction.connection)
    await asyncio.wait_for(anext(ticks), 10)
    await ticks.aclose()
    await notices.close()


async def test_a_change_that_is_rolled_back_wakes_nobody(world: World, request_url: str) -> None:
    notices = Notices(request_url)
    ticks = NoticedChanges(notices, poll_seconds=60).ticks()
    notices.start()
    await _until_heard(ticks)
    async with world.database.engine.connect() as connection:
        await notify_changes(connection)
        await connection.rollback()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(ticks), 0.3)
    await notices.close()


@pytest.mark.parametrize("listen_url", [None, "postgresql://127.0.0.1:1/nothing"], ids=["pooled", "away"])
async def test_without_notifications_a_poll_wakes_watchers(listen_url: str | None) -> None:
    notices = Notices(listen_url)
    ticks = NoticedChanges(notices, poll_seconds=0.05).ticks()
    notices.start()
    begun = time.monotonic()
    for _ in range(4):
        await asyncio.wait_for(anext(ticks), 10)
    assert time.monotonic() - begun >= 0.1
    await ticks.aclose()
    await notices.close()


async def test_a_lost_connection_is_opened_again(world: World, request_url: str) -> None:
    notices = Notices(request_url, retry_seconds=0.05)
    ticks = NoticedChanges(notices, poll_seconds=60).ticks()
    notices.start()
    await _until_heard(ticks)
    async with world.database.transaction() as transaction:
        ended = await transaction.connection.scalar(
            text("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN airlock%'")
        )
    assert ended == 1
    # The first thing that a new connection does is to wake everyone: a change may have been missed.
    await asyncio.wait_for(anext(ticks), 10)
    await ticks.aclose()
    await notices.close()


async def test_one_connection_hears_for_everybody_and_wakes_whom_it_concerns(world: World, request_url: str) -> None:
    notices = Notices(request_url)
    woken: asyncio.Queue[str] = asyncio.Queue()
    for channel in ("airlock_one", "airlock_two"):
        notices.wake_on(channel, partial(woken.put_nowait, channel))
    notices.start()
    async with asyncio.timeout(10):
        # Both once, as soon as they are heard.
        assert [await woken.get(), await woken.get()] == ["airlock_one", "airlock_two"]
        async with world.database.transaction() as transaction:
            listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN airlock%'"
            assert await transaction.connection.scalar(text(listening)) == 1
            await transaction.connection.execute(text("SELECT pg_notify('airlock_two', '')"))
        assert await woken.get() == "airlock_two"
    await notices.close()
    assert woken.empty()


async def _until_heard(ticks: AsyncGenerator[None]) -> None:
    """The first tick comes at once; the second, without a change, once the channel is listened to."""
    for _ in range(2):
        await asyncio.wait_for(anext(ticks), 10)
