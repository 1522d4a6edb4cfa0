"""Execution with kept and shared answers, from claims to results."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from common.policy.index import AllowedIndex
from common.policy.limits import EffectiveLimits, RateLimits
from common.policy.policy import Policy
from common.policy.profile_type import ProfileType
from response_svc.adapters.answers.cache import RedisAnswerCache
from response_svc.search.answers import EngineAnswer, EngineTimeoutError, PartialResultError
from response_svc.usecases.execute_next import execute_next
from response_svc.usecases.execute_waiting import Executors
from tests.integration.response_svc.answer_world import HeldEngine, Process, until
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


@pytest.fixture
async def cached(execution: ExecutionContext, engine: FakeEngine, redis_url: str) -> AsyncIterator[ExecutionContext]:
    """Execution with a cache."""
    process = Process(redis_url, engine)
    yield replace(execution, answering=process.answering)
    await process.redis.aclose()


@pytest.fixture
async def slow(cached: ExecutionContext) -> AsyncIterator[tuple[ExecutionContext, HeldEngine]]:
    """Execution with a cache and an engine that is slow about Tehran, two at once."""
    held = HeldEngine(holds=is_about_tehran)
    answering = replace(cached.answering, engine=held, asking=asyncio.Semaphore(2))
    yield replace(cached, answering=answering), held
    held.let_go.set()


def is_about_tehran(search: Search) -> bool:
    return search.query.match["name"].query.string_value == "Tehran"


async def completed(database: Database) -> int:
    [row] = await rows(database, "SELECT count(*) FROM incoming_requests WHERE status = 'completed'")
    return int(row.count)


async def until_completed(database: Database, number: int) -> None:
    async with asyncio.timeout(20):
        while await completed(database) < number:  # noqa: ASYNC110 - nobody tells.
            await asyncio.sleep(0.01)


async def until_joined(execution: ExecutionContext, number: int) -> None:
    """Returns once so many wait for an equal request's answer."""
    cache = execution.answering.cache
    assert isinstance(cache, RedisAnswerCache)
    async with asyncio.timeout(20):
        while (await cache.state()).joined < number:  # noqa: ASYNC110 - nobody tells.
            await asyncio.sleep(0.01)


async def test_equal_requests_ask_the_engine_once_and_hold_up_no_others(
    database: Database,
    slow: tuple[ExecutionContext, HeldEngine],
    arrivals: Arrivals,
    user_context: UserContext,
) -> None:
    user = await make_user(user_context)
    execution, held = slow
    equal = [question(user, minute=minute) for minute in range(100)]
    others = [question(user, minute=200, search=search_for(city)) for city in ("Shiraz", "Yazd", "Qom")]
    await arrivals.arrive(*equal, *others)
    running = asyncio.create_task(Executors(execution, 2).run())
    await until_completed(database, 3)
    assert (held.asked, held.running) == (4, 1)
    held.let_go.set()
    assert await running == {"completed": 103}
    assert held.asked == 4
    [row] = await rows(database, "SELECT count(*) FILTER (WHERE cache_hit) AS shared FROM query_results")
    assert row.shared == 99


async def test_those_who_take_over_ask_the_engine_no_more_at_once_than_others(
    database: Database,
    slow: tuple[ExecutionContext, HeldEngine],
    arrivals: Arrivals,
    user_context: UserContext,
) -> None:
    user = await make_user(user_context)
    execution, held = slow
    held.outcomes = [PartialResultError("A shard is away.")]
    await arrivals.arrive(*(question(user, minute=minute) for minute in range(20)))
    running = asyncio.create_task(Executors(execution, 2).run())
    await until(lambda: held.asked == 1)
    held.let_go.set()
    assert await running == {"retry": 1, "completed": 19}
    assert held.most_at_once <= 2


async def test_a_fault_is_shared_and_each_request_keeps_its_own_attempts(
    database: Database,
    slow: tuple[ExecutionContext, HeldEngine],
    arrivals: Arrivals,
    user_context: UserContext,
) -> None:
    user = await make_user(user_context)
    execution, held = slow
    held.outcomes = [EngineTimeoutError("It took too long.")]
    await arrivals.arrive(*(question(user, minute=minute) for minute in range(4)))
    await rows(
        database,
        "UPDATE incoming_requests SET retry_count = 4, started_at = now()"
        " WHERE id = (SELECT id FROM incoming_requests ORDER BY requested_at DESC LIMIT 1)",
    )
    running = asyncio.create_task(Executors(execution, 4).run())
    await until_joined(execution, 3)
    held.let_go.set()
    assert await running == {"retry": 3, "timeout": 1}
    assert held.asked == 1
    left = await rows(database, "SELECT retry_at, retry_count FROM incoming_requests WHERE status = 'retry'")
    assert all(row.retry_at is not None and row.retry_count == 0 for row in left)


async def test_a_worker_that_is_told_to_stop_gives_back_those_that_wait_too(
    database: Database,
    slow: tuple[ExecutionContext, HeldEngine],
    arrivals: Arrivals,
    user_context: UserContext,
) -> None:
    user = await make_user(user_context)
    execution, _ = slow
    await arrivals.arrive(*(question(user, minute=minute) for minute in range(10)))
    running = asyncio.create_task(Executors(execution, 2).run())
    await until_joined(execution, 9)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    [row] = await rows(database, "SELECT count(*) FILTER (WHERE status = 'pending') AS waiting FROM incoming_requests")
    assert row.waiting == 10


async def test_the_same_question_asks_the_engine_once(
    database: Database,
    cached: ExecutionContext,
    engine: FakeEngine,
    arrivals: Arrivals,
    user_context: UserContext,
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(question(user), question(user, minute=1))
    while await execute_next(cached):
        pass
    assert len(engine.asked) == 1
    results = await rows(database, "SELECT cache_hit, result_data::text AS body FROM query_results ORDER BY cache_hit")
    assert [(row.cache_hit, row.body.encode()) for row in results] == [(False, BODY), (True, BODY)]


@pytest.mark.parametrize(
    "prepared", [EngineTimeoutError("No answer."), EngineAnswer(BODY, took_ms=1, hit_count=1, partial=True)]
)
async def test_neither_a_failure_nor_a_partial_answer_is_given_to_others(
    cached: ExecutionContext,
    engine: FakeEngine,
    arrivals: Arrivals,
    user_context: UserContext,
    prepared: EngineAnswer | Exception,
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(question(user, accept_partial=True), question(user, minute=1))
    engine.prepared = [prepared]
    while await execute_next(cached):
        pass
    assert len(engine.asked) == 2


async def test_a_kept_answer_is_given_to_nobody_whose_profile_type_permits_less(
    database: Database,
    cached: ExecutionContext,
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
    cached = replace(cached, policy=FixedPolicy(policy))
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
    assert sorted(engine.longest) == [len(BODY) - 1, len(BODY) - 1, 32 * 1024 * 1024], "users take turns in any order"


@pytest.mark.parametrize(
    "rights", [{"indices": ("flights",)}, {"query_kinds": ("term",)}], ids=["another index", "another kind"]
)
async def test_whoever_may_not_ask_is_refused_although_the_answer_is_kept(
    database: Database,
    cached: ExecutionContext,
    engine: FakeEngine,
    arrivals: Arrivals,
    user_context: UserContext,
    rights: dict[str, tuple[str, ...]],
) -> None:
    strict = ProfileType("basic", EffectiveLimits(RateLimits(1, 1, 1), 1), **rights)
    policy = Policy(indices={"cities": AllowedIndex("cities")}, profile_types={"basic": strict})
    cached = replace(cached, policy=FixedPolicy(policy))
    strictly = await make_user(user_context, "strict")
    free = await make_user(user_context, "free", profile_type="premium")
    await arrivals.arrive(*(question(user, minute=n) for n, user in enumerate((free, strictly, free))))
    while await execute_next(cached):
        pass
    ended = await rows(
        database,
        "SELECT q.failure_reason, q.cache_hit FROM query_results q"
        " JOIN incoming_requests r ON r.id = q.request_id ORDER BY r.requested_at",
    )
    assert [(row.failure_reason, row.cache_hit) for row in ended] == [(None, False), ("refused", False), (None, True)]
    assert len(engine.asked) == 1
