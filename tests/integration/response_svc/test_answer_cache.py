"""Kept answers in a real Valkey: for how long, for whom, and how they are forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from common import metrics
from common.errors import UnavailableError
from common.search.body import read_body
from response_svc.adapters.answers.cache import LARGEST_KEPT_BYTES, Lives, RedisAnswerCache
from response_svc.adapters.answers.layout import (
    BEFORE_TIME,
    EVERY_INDEX_KEY,
    askings_key,
    cache_key,
    flight_key,
    generation_key,
)
from response_svc.adapters.answers.lookups import lookups_key, read_state
from response_svc.domain.flight import Flight
from response_svc.domain.incoming_request import Answer
from response_svc.domain.question import NO_PROFILE, Question, result_scope
from tests.integration.response_svc.answer_world import question_for
from tests.integration.response_svc.world import BODY, search_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from common.policy.profile_type import ProfileType

ANSWER = Answer(BODY, hit_count=2**40, engine_took_ms=7)
KEPT = replace(ANSWER, cache_hit=True)
TEHRAN = question_for()
MINUTE = 60_000


class Time:
    """The cache's time in milliseconds, as a test moves it. What lives so long in Redis itself is not moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def cache(redis: Redis, time: Time) -> RedisAnswerCache:
    return RedisAnswerCache(redis, Lives(), milliseconds=time)


async def flight_of(cache: RedisAnswerCache, question: Question) -> Flight:
    found = await cache.find(question)
    assert isinstance(found, Flight)
    return found


async def kept(cache: RedisAnswerCache, question: Question = TEHRAN, answer: Answer = ANSWER) -> bool:
    return await cache.keep(await flight_of(cache, question), answer)


async def is_found(cache: RedisAnswerCache, question: Question = TEHRAN) -> bool:
    return isinstance(await cache.find(question, again=True), Answer)


async def life(redis: Redis, question: Question = TEHRAN) -> float:
    """For how many minutes more the answer is kept."""
    return await redis.pttl(cache_key(question)) / MINUTE


async def test_a_kept_answer_is_found_by_the_same_search_of_the_same_index_only(cache: RedisAnswerCache) -> None:
    assert await kept(cache)
    assert await cache.find(TEHRAN) == KEPT
    assert not await is_found(cache, question_for(index="flights"))
    assert not await is_found(cache, question_for("Shiraz"))


@pytest.mark.parametrize(
    "other",
    [
        replace(NO_PROFILE, query_kinds=("match",)),
        replace(NO_PROFILE, indices=("cities",)),
        replace(NO_PROFILE, max_result_bytes=NO_PROFILE.max_result_bytes - 1),
    ],
    ids=["kinds", "indices", "bytes"],
)
async def test_two_profiles_with_different_rights_never_share_an_entry(
    cache: RedisAnswerCache, redis: Redis, other: ProfileType
) -> None:
    theirs = question_for(scope=result_scope(other))
    await kept(cache, TEHRAN)
    assert not await is_found(cache, theirs)
    assert await kept(cache, theirs, replace(ANSWER, body=b"{}"))
    assert await cache.find(TEHRAN) == KEPT
    assert await cache.find(theirs) == replace(KEPT, body=b"{}")
    assert len(await redis.keys("es:*")) == 2


async def test_two_profiles_with_the_same_rights_share_an_entry(cache: RedisAnswerCache) -> None:
    await kept(cache, TEHRAN)
    same = replace(NO_PROFILE, name="premium", description="Others", limits=replace(NO_PROFILE.limits, priority=9))
    assert await is_found(cache, question_for(scope=result_scope(same)))


@pytest.mark.parametrize(("forgotten", "left"), [("cities", {"flights"}), ("flights", {"cities"}), (None, set())])
async def test_the_answers_of_one_index_or_of_all_are_forgotten(
    cache: RedisAnswerCache, forgotten: str | None, left: set[str]
) -> None:
    questions = {index: question_for(index=index) for index in ("cities", "flights")}
    for question in questions.values():
        await kept(cache, question)
    await cache.forget(forgotten)
    found = {index: await cache.find(question) for index, question in questions.items()}
    assert {index for index, outcome in found.items() if isinstance(outcome, Answer)} == left
    for outcome in found.values():
        if isinstance(outcome, Flight):
            assert await cache.keep(outcome, ANSWER)
    assert all([await is_found(cache, question) for question in questions.values()])


async def test_an_answer_that_was_asked_for_before_all_was_forgotten_is_not_kept_after_it(
    cache: RedisAnswerCache, redis: Redis
) -> None:
    before = await flight_of(cache, TEHRAN)
    await cache.forget("cities")
    after = await flight_of(cache, TEHRAN)
    assert after.leads, "nobody joins an execution that began before"
    assert not await cache.keep(before, ANSWER)
    assert await redis.exists(flight_key(after.key)), "nor does its end end the new one"
    assert await cache.keep(after, ANSWER)
    assert not await cache.keep(before, replace(ANSWER, body=b"{}"))
    assert await cache.find(TEHRAN) == KEPT


@pytest.mark.parametrize("lost", [generation_key("cities"), EVERY_INDEX_KEY])
@pytest.mark.parametrize("forget_first", [True, False])
async def test_what_redis_lost_brings_no_forgotten_answer_back(
    cache: RedisAnswerCache, redis: Redis, lost: str, *, forget_first: bool
) -> None:
    if forget_first:
        await cache.forget("cities")
    await kept(cache)
    await cache.forget("cities")
    await redis.delete(lost)
    assert not await is_found(cache)


async def test_a_search_is_kept_for_five_minutes_and_aggregations_for_thirty(
    cache: RedisAnswerCache, redis: Redis
) -> None:
    aggregated = search_for("Tehran")
    aggregated.aggs["countries"].terms.field = "country"
    questions = [TEHRAN, question_for(search=aggregated)]
    for question in questions:
        await kept(cache, question)
    assert [round(await life(redis, question)) for question in questions] == [5, 30]


async def test_what_was_asked_for_five_times_in_fifteen_minutes_is_kept_for_fifteen(
    cache: RedisAnswerCache, redis: Redis, time: Time
) -> None:
    await kept(cache)
    for _ in range(3):
        time.now += MINUTE
        assert await is_found(cache)
        await cache.find(TEHRAN)
    assert round(await life(redis)) == 5, "asked four times"
    time.now += MINUTE
    assert await cache.find(TEHRAN) == KEPT
    assert round(await life(redis)) == 11, "fifteen from when it was kept, four minutes ago"


async def test_however_often_it_is_asked_for_no_answer_gets_older_than_fifteen_minutes(
    cache: RedisAnswerCache, redis: Redis, time: Time
) -> None:
    await kept(cache)
    for _ in range(14):
        time.now += MINUTE
        await cache.find(TEHRAN)
    assert round(await life(redis)) <= 11, "the longest life that it was given, since Redis' own time was not moved"
    assert await redis.pexpire(cache_key(TEHRAN), 30_000)
    await cache.find(TEHRAN)
    assert round(await life(redis)) == 1, "fifteen minutes less fourteen"


async def test_what_is_hot_when_it_is_kept_is_kept_for_fifteen_minutes_from_then(
    cache: RedisAnswerCache, redis: Redis, time: Time
) -> None:
    leader = await flight_of(cache, TEHRAN)
    for _ in range(4):
        assert not (await flight_of(cache, TEHRAN)).leads
    time.now += MINUTE
    await cache.keep(leader, ANSWER)
    assert round(await life(redis)) == 15


async def test_five_askings_over_more_than_fifteen_minutes_make_nothing_hot(
    cache: RedisAnswerCache, redis: Redis, time: Time
) -> None:
    await kept(cache)
    for _ in range(5):
        time.now += 4 * MINUTE
        await cache.find(TEHRAN)
    assert round(await life(redis)) == 5


async def test_aggregations_that_are_hot_are_kept_no_shorter(cache: RedisAnswerCache, redis: Redis) -> None:
    search = search_for("Tehran")
    search.aggs["countries"].terms.field = "country"
    question = question_for(search=search)
    await kept(cache, question)
    for _ in range(6):
        await cache.find(question)
    assert round(await life(redis, question)) == 30


async def test_what_was_forgotten_is_hot_no_longer(cache: RedisAnswerCache, redis: Redis) -> None:
    await kept(cache)
    for _ in range(6):
        await cache.find(TEHRAN)
    assert round(await life(redis)) == 15
    await cache.forget("cities")
    await kept(cache)
    assert round(await life(redis)) == 5


async def test_everything_that_is_written_but_generations_ends_by_itself_and_is_bounded(
    cache: RedisAnswerCache, redis: Redis
) -> None:
    await cache.forget(None)
    await kept(cache)
    for _ in range(50):
        await cache.find(TEHRAN)
    await cache.find(question_for("Shiraz"))
    keys = await redis.keys("*")
    assert len(keys) == 7
    endless = {key.decode() for key in keys if await redis.ttl(key) == -1}
    assert endless == {EVERY_INDEX_KEY, generation_key("cities")}, "one for each index of the catalogue"
    assert await redis.strlen(askings_key(cache_key(TEHRAN))) == 16 + 5 * 8
    assert await redis.ttl(askings_key(cache_key(TEHRAN))) <= 900


@pytest.mark.parametrize(
    "answer", [replace(ANSWER, partial=True), replace(ANSWER, body=b"x" * (LARGEST_KEPT_BYTES + 1))]
)
async def test_partial_and_very_long_answers_are_not_kept(cache: RedisAnswerCache, answer: Answer) -> None:
    assert not await kept(cache, TEHRAN, answer)
    assert not await is_found(cache)


async def test_what_was_asked_relative_to_now_is_asked_anew(cache: RedisAnswerCache, redis: Redis) -> None:
    search = read_body(b'{"query": {"bool": {"filter": {"range": {"time": {"gte": "now-1d/d"}}}}}}')
    assert await cache.find(question_for(index="flights", search=search)) is None
    assert await redis.keys("*") == []


async def test_with_a_life_of_zero_nothing_is_kept(redis: Redis) -> None:
    assert await RedisAnswerCache(redis, Lives(normal=0)).find(TEHRAN) is None


@pytest.mark.parametrize(
    "entry", [b"", b"\x03", b"\x63garbage that is long enough for a head and more", b"\x03" + b"g" * 40]
)
async def test_bytes_of_another_layout_or_generation_are_no_answer(
    cache: RedisAnswerCache, redis: Redis, entry: bytes
) -> None:
    await redis.set(cache_key(TEHRAN), entry)
    assert not await is_found(cache)


async def test_an_entry_that_was_cut_is_no_answer(cache: RedisAnswerCache, redis: Redis) -> None:
    await kept(cache)
    await redis.set(cache_key(TEHRAN), (await redis.get(cache_key(TEHRAN)))[: BEFORE_TIME.size + 10])
    assert not await is_found(cache)


async def test_redis_away_is_no_error_but_to_whoever_wants_answers_forgotten() -> None:
    async with Redis.from_url("redis://127.0.0.1:1", retry=Retry(NoBackoff(), 0)) as redis:
        cache = RedisAnswerCache(redis, Lives())
        assert await cache.find(TEHRAN) is None
        assert not await cache.keep(Flight("es:x", "cities", 300, b"g" * 16, b"t" * 12, leads=True), ANSWER)
        with pytest.raises(UnavailableError):
            await cache.forget("cities")
        state = await cache.state()
        assert (state.available, state.hit_ratio) == (False, None)


async def test_a_redis_that_failed_is_left_alone_for_a_second_and_then_tried_again(redis: Redis) -> None:
    seconds = iter([10.0, 10.0, 10.9, 11.1, 11.1])
    async with Redis.from_url("redis://127.0.0.1:1", retry=Retry(NoBackoff(), 0)) as away:
        switched = Switched(away)
        cache = RedisAnswerCache(switched, Lives(), clock=lambda: next(seconds))  # type: ignore[arg-type]
        assert await cache.find(TEHRAN) is None
        switched.redis = redis
        assert await cache.find(TEHRAN) is None
        assert isinstance(await cache.find(TEHRAN), Flight)


class Switched:
    """One Redis, and then another under the same address."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def register_script(self, text: str) -> Any:
        async def run(**given: Any) -> Any:
            return await self.redis.register_script(text)(**given)

        return run


async def test_the_scripts_are_sent_again_to_a_redis_that_lost_them(cache: RedisAnswerCache, redis: Redis) -> None:
    await kept(cache)
    await redis.script_flush()
    assert await is_found(cache)


async def test_look_ups_are_counted_for_all_processes_together(cache: RedisAnswerCache, redis: Redis) -> None:
    other = RedisAnswerCache(redis, Lives())
    assert (await cache.state()).hit_ratio is None
    leader = await flight_of(cache, TEHRAN)
    await other.find(TEHRAN)
    await cache.keep(leader, ANSWER)
    await other.find(TEHRAN, again=True)
    await other.find(TEHRAN)
    await cache.find(TEHRAN)
    state = await cache.state()
    assert (state.hits, state.joined, state.misses, state.hit_ratio) == (2, 1, 1, 0.75)
    assert state.available
    assert (state.eviction, state.most_bytes) == ("volatile-lru", 256 * 2**20)
    assert 0 < state.used_bytes < state.most_bytes
    assert 3600 <= await redis.ttl(lookups_key()) <= 3900


async def test_the_last_hour_is_counted_and_no_more(redis: Redis) -> None:
    for back, hits in ((0, 1), (11, 10), (12, 100)):
        await redis.hset(lookups_key(1e9, back=back), "hit", hits)
    assert (await read_state(redis, lambda: 1e9)).hits == 11


async def test_each_look_up_is_a_metric(cache: RedisAnswerCache) -> None:
    def count(outcome: str) -> float:
        labels = {"cache": "answers", "outcome": outcome}
        return metrics.REGISTRY.get_sample_value("airlock_cache_lookups_total", labels) or 0

    outcomes = ("hit", "miss", "joined")
    before = [count(outcome) for outcome in outcomes]
    leader = await flight_of(cache, TEHRAN)
    await cache.find(TEHRAN)
    await cache.keep(leader, ANSWER)
    await cache.find(TEHRAN)
    assert [count(outcome) for outcome in outcomes] == [number + 1 for number in before]
    ratio = metrics.REGISTRY.get_sample_value("airlock_cache_hit_ratio", {"cache": "answers"})
    assert ratio == pytest.approx(2 / 3)
