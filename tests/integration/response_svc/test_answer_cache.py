"""Kept answers in a real Valkey, and execution with and without it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis

from common.search.body import read_body
from response_svc.adapters.answer_cache import LARGEST_KEPT_BYTES, RedisAnswerCache, cache_key
from response_svc.domain.incoming_request import Answer
from response_svc.search.answers import EngineAnswer, EngineTimeoutError
from response_svc.usecases.execute_next import execute_next
from tests.integration.response_svc.world import BODY, Arrivals, FakeEngine, make_user, question, rows, search_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from common.database.transaction import Database
    from response_svc.usecases.change_users import UserContext
    from response_svc.usecases.execute_next import ExecutionContext

ANSWER = Answer(BODY, hit_count=2**40, engine_took_ms=7)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def cache(redis: Redis) -> RedisAnswerCache:
    return RedisAnswerCache(redis, seconds=300, aggregation_seconds=1800)


async def test_a_kept_answer_is_found_by_the_same_search_only(cache: RedisAnswerCache) -> None:
    search = search_for("Tehran")
    await cache.keep("cities", search, ANSWER)
    assert await cache.find("cities", search) == replace(ANSWER, cache_hit=True)
    assert await cache.find("flights", search) is None
    assert await cache.find("cities", search_for("Shiraz")) is None


async def test_aggregations_are_kept_longer(cache: RedisAnswerCache, redis: Redis) -> None:
    plain, aggregated = search_for("Tehran"), search_for("Tehran")
    aggregated.aggs["countries"].terms.field = "country"
    for search in (plain, aggregated):
        await cache.keep("cities", search, ANSWER)
    assert 0 < await redis.ttl(cache_key("cities", plain)) <= 300
    assert 300 < await redis.ttl(cache_key("cities", aggregated)) <= 1800


@pytest.mark.parametrize(
    "answer", [replace(ANSWER, partial=True), replace(ANSWER, body=b"x" * (LARGEST_KEPT_BYTES + 1))]
)
async def test_partial_and_very_long_answers_are_not_kept(cache: RedisAnswerCache, answer: Answer) -> None:
    await cache.keep("cities", search_for("Tehran"), answer)
    assert await cache.find("cities", search_for("Tehran")) is None


async def test_what_was_asked_relative_to_now_is_asked_anew(cache: RedisAnswerCache) -> None:
    search = read_body(b'{"query": {"bool": {"filter": {"range": {"time": {"gte": "now-1d/d"}}}}}}')
    await cache.keep("flights", search, ANSWER)
    assert await cache.find("flights", search) is None


async def test_bytes_of_another_layout_are_no_answer(cache: RedisAnswerCache, redis: Redis) -> None:
    await redis.set(cache_key("cities", search_for("Tehran")), b"\x63garbage that is long enough")
    assert await cache.find("cities", search_for("Tehran")) is None


async def test_redis_away_is_no_error() -> None:
    cache = RedisAnswerCache(
        Redis.from_url("redis://127.0.0.1:1", socket_connect_timeout=0.1), seconds=300, aggregation_seconds=1800
    )
    await cache.keep("cities", search_for("Tehran"), ANSWER)
    assert await cache.find("cities", search_for("Tehran")) is None


async def test_the_same_question_asks_the_engine_once(
    database: Database,
    execution: ExecutionContext,
    cache: RedisAnswerCache,
    engine: FakeEngine,
    arrivals: Arrivals,
    user_context: UserContext,
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(question(user), question(user, minute=1))
    cached = replace(execution, cache=cache)
    while await execute_next(cached):
        pass
    assert len(engine.asked) == 1
    found = await rows(database, "SELECT cache_hit, result_data::text AS body FROM query_results ORDER BY cache_hit")
    assert [(row.cache_hit, row.body.encode()) for row in found] == [(False, BODY), (True, BODY)]


@pytest.mark.parametrize(
    "prepared", [EngineTimeoutError("No answer."), EngineAnswer(BODY, took_ms=1, hit_count=1, partial=True)]
)
async def test_neither_a_failure_nor_a_partial_answer_is_given_to_others(
    execution: ExecutionContext,
    cache: RedisAnswerCache,
    engine: FakeEngine,
    arrivals: Arrivals,
    user_context: UserContext,
    prepared: EngineAnswer | Exception,
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(question(user, accept_partial=True), question(user, minute=1))
    engine.prepared = [prepared]
    cached = replace(execution, cache=cache)
    while await execute_next(cached):
        pass
    assert len(engine.asked) == 2
