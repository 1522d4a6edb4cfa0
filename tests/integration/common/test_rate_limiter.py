"""Limits counted in a real Valkey: exact against a plain model, and for all processes together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.ratelimit.limiter import RateLimiter
from common.ratelimit.windows import DAY, HOUR, MINUTE, Outcome, Window, entry_microseconds
from tests.integration.common.counting import THREE, MovedTime, client, take_all
from tests.integration.common.sliding_windows import MICROSECONDS, SlidingWindows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with client(redis_url) as made:
        yield made


@pytest.fixture
def time() -> MovedTime:
    return MovedTime()


@pytest.fixture
def limiter(redis: Redis, time: MovedTime) -> RateLimiter:
    return RateLimiter(redis, microseconds=time)


steps = st.lists(
    st.tuples(
        # Often at the very microsecond at which a call leaves a window, or one beside it.
        st.one_of(
            st.integers(0, 3 * 24 * 3600 * MICROSECONDS),
            st.integers(0, 90 * MICROSECONDS),
            st.sampled_from([0, 1, 2 * MICROSECONDS, *(w * MICROSECONDS + d for w in (6, 30, 90) for d in (-1, 0, 1))]),
        ),
        st.integers(1, 4),
    ),
    max_size=60,
)
limits = st.tuples(st.integers(1, 5), st.integers(1, 8), st.integers(1, 12), st.sampled_from([100, 120, 150]))


@given(steps=steps, limits=limits)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_decision_is_the_one_that_a_plain_count_gives(
    redis_url: str, steps: list[tuple[int, int]], limits: tuple[int, int, int, int]
) -> None:
    *numbers, soft = limits
    windows = tuple(Window(length, limit, soft) for length, limit in zip((6, 30, 90), numbers, strict=True))

    async def story() -> None:
        time, model, key = MovedTime(), SlidingWindows(), f"rate_limit:{uuid4()}"
        async with client(redis_url) as redis:
            limiter = RateLimiter(redis, microseconds=time)
            for pause, cost in steps:
                time.now += pause
                decision = await limiter.take(key, windows, cost)
                wait = model.take(windows, time.now, cost)
                assert decision.accepted == (wait == 0)
                assert decision.retry_after == (wait / MICROSECONDS if wait else None)
                for use in decision.uses:
                    assert use.used == model.used(use.window, time.now)
                    assert use.reset_after == model.reset(use.window, time.now) / MICROSECONDS

    asyncio.run(story())


@given(steps=steps)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_limits_count_what_was_accepted_before(redis_url: str, steps: list[tuple[int, int]]) -> None:
    async def story() -> None:
        time, model, key = MovedTime(), SlidingWindows(), f"rate_limit:{uuid4()}"
        async with client(redis_url) as redis:
            limiter = RateLimiter(redis, microseconds=time)
            for turn, (pause, cost) in enumerate(steps):
                windows = tuple(Window(length, 1 + (turn * 7 + length) % 11) for length in (6, 30, 90))
                time.now += pause
                decision = await limiter.take(key, windows, cost)
                wait = model.take(windows, time.now, cost)
                assert decision.accepted == (wait == 0)
                assert decision.retry_after == (wait / MICROSECONDS if wait else None)
                assert all(use.used == model.used(use.window, time.now) for use in decision.uses)

    asyncio.run(story())


@given(steps=steps, limits=limits)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_calls_that_share_entries_are_never_let_in_wrongly_and_wait_hardly_longer(
    redis_url: str, steps: list[tuple[int, int]], limits: tuple[int, int, int, int]
) -> None:
    windows = (Window(6, limits[0]), Window(30, limits[1]), Window(DAY, 1_000_000))
    width = entry_microseconds(windows)

    async def story() -> None:
        time, model, key = MovedTime(), SlidingWindows(), f"rate_limit:{uuid4()}"
        async with client(redis_url) as redis:
            limiter = RateLimiter(redis, microseconds=time)
            for pause, cost in steps:
                time.now += pause
                decision = await limiter.take(key, windows, cost)
                wait = model.wait(windows, time.now, cost)
                if decision.accepted:
                    assert model.take(windows, time.now, cost) == 0
                elif wait is not None:
                    assert decision.retry_after is not None
                    assert wait <= round(decision.retry_after * MICROSECONDS) <= wait + width

    asyncio.run(story())


async def test_of_a_hundred_calls_at_once_through_several_processes_exactly_the_limit_is_let_in(redis_url: str) -> None:
    windows = (Window(MINUTE, 37), Window(HOUR, 1000), Window(DAY, 1000))
    clients = [client(redis_url) for _ in range(5)]
    limiters = [RateLimiter(one) for one in clients]
    try:
        decisions = await asyncio.gather(*(limiters[n % 5].take("rate_limit:crowd", windows) for n in range(100)))
        times = [int(one) for one in await clients[0].lrange("rate_limit:crowd", 2, -1)][::2]
        seconds, microseconds = await clients[0].time()
    finally:
        for one in clients:
            await one.aclose()
    assert not any(decision.local for decision in decisions)
    assert sum(decision.accepted for decision in decisions) == len(times) == 37
    assert sorted(use.used for d in decisions if d.accepted for use in d.uses if use.window.seconds == MINUTE) == list(
        range(1, 38)
    )
    # Each was refused between the last accepted call and now, and has to wait for the first one to leave.
    soonest = MINUTE - (seconds * MICROSECONDS + microseconds - times[0]) / MICROSECONDS
    latest = MINUTE - (times[-1] - times[0]) / MICROSECONDS
    for decision in decisions:
        if not decision.accepted:
            assert decision.retry_after is not None
            assert soonest <= decision.retry_after <= latest


async def test_a_caller_who_waits_as_long_as_he_was_told_is_let_in_and_not_a_second_sooner(
    limiter: RateLimiter, time: MovedTime
) -> None:
    await take_all(limiter, "k", THREE, 4)
    time.move(12.4)
    await take_all(limiter, "k", THREE, 6)
    time.move(0.3)
    refused = await limiter.take("k", THREE)
    assert not refused.accepted
    assert refused.retry_after == pytest.approx(47.3)
    time.move(47.3 - 0.000001)
    assert not (await limiter.take("k", THREE)).accepted
    time.move(0.000001)
    assert (await limiter.take("k", THREE)).accepted


async def test_a_refused_call_is_not_counted(limiter: RateLimiter, time: MovedTime, redis: Redis) -> None:
    await take_all(limiter, "k", THREE, 10)
    before = await redis.lrange("k", 0, -1)
    for _ in range(20):
        assert not (await limiter.take("k", THREE)).accepted
    assert await redis.lrange("k", 0, -1) == before


async def test_the_longest_wait_of_all_windows_is_told(limiter: RateLimiter, time: MovedTime) -> None:
    for _ in range(10):
        await take_all(limiter, "k", THREE, 10)
        time.move(60)
    refused = await limiter.take("k", THREE)
    assert refused.retry_after == HOUR - 600
    assert refused.tightest.window.seconds == HOUR


async def test_a_soft_limit_lets_a_fifth_more_through_and_no_more(limiter: RateLimiter) -> None:
    windows = (Window(MINUTE, 10, 120), Window(HOUR, 100, 120), Window(DAY, 500, 120))
    outcomes = [(await limiter.take("k", windows)).outcome for _ in range(13)]
    assert outcomes == [*[Outcome.ALLOWED] * 7, *[Outcome.WARNED] * 3, *[Outcome.SOFT] * 2, Outcome.REFUSED]


async def test_a_call_that_costs_more_than_the_limit_is_never_let_in_and_names_no_time(limiter: RateLimiter) -> None:
    decision = await limiter.take("k", THREE, 11)
    assert (decision.accepted, decision.retry_after) == (False, None)
    assert (await limiter.take("k", THREE, 10)).accepted


async def test_the_list_is_cut_to_the_longest_window_and_goes_with_it(
    limiter: RateLimiter, time: MovedTime, redis: Redis
) -> None:
    for _ in range(30):
        await take_all(limiter, "k", (Window(MINUTE, 5), Window(HOUR, 60)), 5)
        time.move(300)
    # Twelve times five calls lie within the hour, and one base before them.
    assert await redis.llen("k") <= 2 * (12 * 5 + 1)
    assert HOUR < await redis.ttl("k") <= HOUR + 1


async def test_beyond_the_exact_limits_calls_share_entries_and_the_error_is_on_the_safe_side(
    limiter: RateLimiter, time: MovedTime, redis: Redis
) -> None:
    windows = (Window(MINUTE, 40), Window(DAY, 1_000_000))
    await take_all(limiter, "k", windows, 40)
    assert await redis.llen("k") == 4
    time.move(59.9)
    refused = await limiter.take("k", windows)
    assert refused.retry_after is not None
    assert 0.1 <= refused.retry_after < 0.1 + 0.864
    time.move(refused.retry_after)
    decision = await limiter.take("k", windows)
    assert decision.accepted
    assert next(use.used for use in decision.uses if use.window.seconds == DAY) == 41


async def test_a_clock_that_is_set_back_makes_nobody_wait_longer_than_a_window(
    limiter: RateLimiter, time: MovedTime
) -> None:
    await take_all(limiter, "k", THREE, 5)
    time.move(30)
    await take_all(limiter, "k", THREE, 5)
    time.move(-7200)
    refused = await limiter.take("k", THREE)
    assert not refused.accepted
    assert refused.retry_after == MINUTE
    time.move(MINUTE)
    again = await limiter.take("k", THREE)
    assert again.accepted
    assert {use.window.seconds: use.used for use in again.uses} == {MINUTE: 1, HOUR: 11, DAY: 11}


async def test_an_emptied_redis_begins_anew_without_a_word(limiter: RateLimiter, redis: Redis) -> None:
    await take_all(limiter, "k", THREE, 10)
    await redis.flushdb()
    await redis.script_flush()
    decision = await limiter.take("k", THREE)
    assert (decision.accepted, decision.local, limiter.is_redis_away) == (True, False, False)
    assert decision.tightest.used == 1


async def test_the_clock_of_redis_counts_unless_told_otherwise(redis: Redis) -> None:
    await take_all(RateLimiter(redis), "k", THREE, 1)
    counted = int((await redis.lrange("k", 0, -1))[2])
    seconds, _ = await redis.time()
    assert abs(counted / MICROSECONDS - seconds) < 5


async def test_a_caller_who_goes_away_while_he_waits_disturbs_nobody(limiter: RateLimiter) -> None:
    tasks = [asyncio.create_task(limiter.take("k", THREE)) for _ in range(6)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[3].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [n in {0, 3} for n in range(6)]
    assert (await limiter.take("k", THREE)).accepted
