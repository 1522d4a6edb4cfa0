"""Kept answers in a real Valkey, and execution with and without it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis

from common.errors import UnavailableError
from common.policy.index import AllowedIndex
from common.policy.limits import EffectiveLimits, RateLimits
from common.policy.policy import Policy
from common.policy.profile_type import ProfileType
from common.search.body import read_body
from response_svc.adapters.answer_cache import LARGEST_KEPT_BYTES, RedisAnswerCache, cache_key, generation_key
from response_svc.domain.incoming_request import Answer
from response_svc.search.answers import EngineAnswer, EngineTimeoutError
from response_svc.usecases.execute_next import execute_next
from tests.integration.response_svc.world import (
    BODY,
    Arrivals,
    FakeEngine,
    FixedPolicy,
    make_user,
    question,
    rows,
    search_for,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airlock.search.v1.search_pb2 import Search

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


async def found(cache: RedisAnswerCache, index: str, search: Search) -> Answer | None:
    return (await cache.find(index, search)).answer


async def kept(cache: RedisAnswerCache, index: str, search: Search, answer: Answer = ANSWER) -> None:
    await cache.keep(index, search, answer, (await cache.find(index, search)).generation)


async def test_a_kept_answer_is_found_by_the_same_search_only(cache: RedisAnswerCache) -> None:
    search = search_for("Tehran")
    await kept(cache, "cities", search)
    assert await found(cache, "cities", search) == replace(ANSWER, cache_hit=True)
    assert await found(cache, "flights", search) is None
    assert await found(cache, "cities", search_for("Shiraz")) is None


@pytest.mark.parametrize(("forgotten", "left"), [("cities", {"flights"}), ("flights", {"cities"}), (None, set())])
async def test_the_answers_of_one_index_or_of_all_are_forgotten(
    cache: RedisAnswerCache, forgotten: str | None, left: set[str]
) -> None:
    search = search_for("Tehran")
    for index in ("cities", "flights"):
        await kept(cache, index, search)
    await cache.forget(forgotten)
    assert {index for index in ("cities", "flights") if await found(cache, index, search)} == left
    for index in ("cities", "flights"):
        await kept(cache, index, search)
        assert await found(cache, index, search)


async def test_an_answer_that_was_asked_for_before_all_was_forgotten_is_not_kept_after_it(
    cache: RedisAnswerCache,
) -> None:
    search = search_for("Tehran")
    asked = await cache.find("cities", search)
    await cache.forget("cities")
    await cache.keep("cities", search, ANSWER, asked.generation)
    assert await found(cache, "cities", search) is None


async def test_what_redis_lost_brings_no_forgotten_answer_back(cache: RedisAnswerCache, redis: Redis) -> None:
    search = search_for("Tehran")
    await cache.forget("cities")
    await kept(cache, "cities", search)
    await cache.forget("cities")
    await redis.delete(generation_key("cities"))
    assert await found(cache, "cities", search) is None


async def test_aggregations_are_kept_longer(cache: RedisAnswerCache, redis: Redis) -> None:
    plain, aggregated = search_for("Tehran"), search_for("Tehran")
    aggregated.aggs["countries"].terms.field = "country"
    for search in (plain, aggregated):
        await kept(cache, "cities", search)
    assert 0 < await redis.ttl(cache_key("cities", plain)) <= 300
    assert 300 < await redis.ttl(cache_key("cities", aggregated)) <= 1800


@pytest.mark.parametrize(
    "answer", [replace(ANSWER, partial=True), replace(ANSWER, body=b"x" * (LARGEST_KEPT_BYTES + 1))]
)
async def test_partial_and_very_long_answers_are_not_kept(cache: RedisAnswerCache, answer: Answer) -> None:
    await kept(cache, "cities", search_for("Tehran"), answer)
    assert await found(cache, "cities", search_for("Tehran")) is None


async def test_what_was_asked_relative_to_now_is_asked_anew(cache: RedisAnswerCache) -> None:
    search = read_body(b'{"query": {"bool": {"filter": {"range": {"time": {"gte": "now-1d/d"}}}}}}')
    await kept(cache, "flights", search)
    assert await found(cache, "flights", search) is None


async def test_bytes_of_another_layout_are_no_answer(cache: RedisAnswerCache, redis: Redis) -> None:
    await redis.set(cache_key("cities", search_for("Tehran")), b"\x63garbage that is long enough")
    assert await found(cache, "cities", search_for("Tehran")) is None


async def test_redis_away_is_no_error_but_to_whoever_wants_answers_forgotten() -> None:
    cache = RedisAnswerCache(
        Redis.from_url("redis://127.0.0.1:1", socket_connect_timeout=0.1), seconds=300, aggregation_seconds=1800
    )
    await kept(cache, "cities", search_for("Tehran"))
    assert await found(cache, "cities", search_for("Tehran")) is None
    with pytest.raises(UnavailableError):
        await cache.forget("cities")


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
    cached = replace(execution, answering=replace(execution.answering, cache=cache))
    while await execute_next(cached):
        pass
    assert len(engine.asked) == 1
    results = await rows(database, "SELECT cache_hit, result_data::text AS body FROM query_results ORDER BY cache_hit")
    assert [(row.cache_hit, row.body.encode()) for row in results] == [(False, BODY), (True, BODY)]


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
    cached = replace(execution, answering=replace(execution.answering, cache=cache))
    while await execute_next(cached):
        pass
    assert len(engine.asked) == 2


async def test_a_kept_answer_is_given_to_nobody_whose_profile_type_permits_less(
    database: Database,
    execution: ExecutionContext,
    cache: RedisAnswerCache,
    engine: FakeEngine,
    arrivals: Arrivals,
    user_context: UserContext,
) -> None:
    """And the other way round: that it was too long for one keeps nobody else from it."""
    small = ProfileType("basic", EffectiveLimits(RateLimits(1, 1, 1), 1), max_result_bytes=len(BODY) - 1)
    policy = Policy(indices={"cities": AllowedIndex("cities")}, profile_types={"basic": small})
    limited = await make_user(user_context, "limited")
    free = await make_user(user_context, "free", profile_type="premium")
    await arrivals.arrive(*(question(user, minute=n) for n, user in enumerate((limited, free, limited, free))))
    cached = replace(execution, answering=replace(execution.answering, cache=cache), policy=FixedPolicy(policy))
    while await execute_next(cached):
        pass
    ended = await rows(
        database,
        "SELECT q.failure_reason, q.cache_hit, q.message FROM query_results q"
        " JOIN incoming_requests r ON r.id = q.request_id ORDER BY r.requested_at",
    )
    assert [(row.failure_reason, row.cache_hit) for row in ended] == [
        ("result_too_large", False),
        (None, False),
        ("result_too_large", False),
        (None, True),
    ]
    assert str(len(BODY) - 1) in ended[0].message
    assert engine.longest == [len(BODY) - 1, 32 * 1024 * 1024]
