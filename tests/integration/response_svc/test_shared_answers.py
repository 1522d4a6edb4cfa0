"""One execution for equal questions under way, over a real Valkey, whatever becomes of the one who leads it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis

from common.policy.limits import BASIC, effective
from common.policy.profile_type import ProfileType
from response_svc.adapters.answers.cache import FLIGHT_MILLISECONDS
from response_svc.adapters.answers.layout import cache_key, flight_key
from response_svc.domain.flight import LARGEST_KEPT_BYTES, Flight
from response_svc.domain.incoming_request import Answer
from response_svc.domain.question import result_scope
from response_svc.search.answers import (
    EngineAnswer,
    EngineError,
    EngineRefusedError,
    EngineTimeoutError,
    EngineUnavailableError,
    PartialResultError,
    ResultTooLargeError,
    SearchUnavailableError,
)
from sandbox.valkey import EmbeddedValkey
from tests.integration.response_svc.answer_world import HeldEngine, Process, question_for, until
from tests.integration.response_svc.world import BODY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TEHRAN = question_for()
OWN = Answer(BODY, hit_count=1, engine_took_ms=3)
SHARED = replace(OWN, cache_hit=True)
FLIGHT = flight_key(cache_key(TEHRAN))


@pytest.fixture
def held() -> HeldEngine:
    return HeldEngine()


@pytest.fixture
async def processes(redis_url: str, held: HeldEngine) -> AsyncIterator[list[Process]]:
    """Three processes, of which the last two could run on other hosts."""
    made = [Process(redis_url, held) for _ in range(3)]
    yield made
    held.let_go.set()
    for process in made:
        await process.redis.aclose()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


async def joined(process: Process, number: int) -> None:
    """Returns once so many wait, or have looked and are about to."""
    async with asyncio.timeout(20):
        while int(await process.redis.hget(await lookups(process), "joined") or 0) < number:  # noqa: ASYNC110 - nobody tells.
            await asyncio.sleep(0.005)


async def until_over(redis: Redis) -> None:
    """Returns once the flight has ended for all processes."""
    async with asyncio.timeout(20):
        while await redis.exists(FLIGHT):  # noqa: ASYNC110 - nobody tells.
            await asyncio.sleep(0.005)


async def lookups(process: Process) -> bytes:
    """Where the look-ups are counted; there is one period, or a second that has just begun."""
    keys: list[bytes] = sorted(await process.redis.keys("es-lookups:*"))
    return keys[-1] if keys else b"es-lookups:0"


async def test_a_hundred_equal_questions_in_three_processes_ask_the_engine_once(
    processes: list[Process], held: HeldEngine
) -> None:
    tasks = [processes[number % 3].ask(TEHRAN) for number in range(100)]
    await joined(processes[0], 99)
    assert held.asked == 1
    held.let_go.set()
    answers = await asyncio.gather(*tasks)
    assert sorted(answers, key=lambda answer: answer.cache_hit) == [OWN] + [SHARED] * 99
    assert held.asked == 1


async def test_different_questions_and_different_rights_share_nothing(
    processes: list[Process], held: HeldEngine
) -> None:
    held.let_go.set()
    small = result_scope(ProfileType("small", effective(BASIC, None), max_result_bytes=len(BODY)))
    questions = [TEHRAN, question_for("Shiraz"), question_for(index="flights"), question_for(scope=small)]
    await asyncio.gather(*(processes[number % 3].ask(question) for number, question in enumerate(questions)))
    assert held.asked == 4


@pytest.mark.parametrize("place", [0, 1], ids=["same process", "another"])
async def test_when_the_leader_is_cancelled_one_of_the_others_takes_over(
    processes: list[Process], held: HeldEngine, place: int
) -> None:
    leader = processes[0].ask(TEHRAN)
    await until(lambda: held.asked == 1)
    others = [processes[place].ask(TEHRAN) for _ in range(3)]
    await joined(processes[0], 3)
    leader.cancel()
    await until(lambda: held.asked == 2)
    held.let_go.set()
    answers = await asyncio.gather(*others)
    assert sorted(answer.cache_hit for answer in answers) == [False, True, True]
    assert held.asked == 2


async def test_a_cancelled_waiter_leaves_the_others_waiting(processes: list[Process], held: HeldEngine) -> None:
    leader = processes[0].ask(TEHRAN)
    await until(lambda: held.asked == 1)
    waiters = [processes[1].ask(TEHRAN) for _ in range(2)]
    await joined(processes[0], 2)
    waiters[0].cancel()
    held.let_go.set()
    assert await waiters[1] == SHARED
    assert await leader == OWN
    assert held.asked == 1


async def test_when_the_leaders_process_is_killed_another_takes_over(
    processes: list[Process], held: HeldEngine, redis: Redis
) -> None:
    """A killed process says nothing: its flight ends because nobody renews it."""
    dead = await processes[0].cache.find(TEHRAN)
    assert isinstance(dead, Flight)
    assert 0 < await redis.pttl(FLIGHT) <= FLIGHT_MILLISECONDS
    held.let_go.set()
    waiters = [processes[1].ask(TEHRAN), processes[2].ask(TEHRAN)]
    await joined(processes[0], 2)
    assert held.asked == 0
    await redis.pexpire(FLIGHT, 1)
    answers = await asyncio.gather(*waiters)
    assert sorted(answer.cache_hit for answer in answers) == [False, True]
    assert held.asked == 1


async def test_a_leader_that_takes_long_is_believed_in_while_he_is_there(
    redis_url: str, held: HeldEngine, redis: Redis
) -> None:
    process = Process(redis_url, held, renew_seconds=0.02)
    leader = process.ask(TEHRAN)
    await until(lambda: held.asked == 1)
    await redis.pexpire(FLIGHT, 1000)
    async with asyncio.timeout(20):
        while await redis.pttl(FLIGHT) <= 1000:  # noqa: ASYNC110 - nobody tells.
            await asyncio.sleep(0.005)
    held.let_go.set()
    await leader
    await process.redis.aclose()


@pytest.mark.parametrize("place", [0, 1], ids=["same process", "another"])
@pytest.mark.parametrize(
    "error",
    [
        EngineUnavailableError("It is away."),
        SearchUnavailableError("A shard\nis away."),
        EngineTimeoutError("It took too long."),
        EngineRefusedError("It cannot sort by that."),
        ResultTooLargeError("Too large."),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_engine_that_fails_is_not_asked_by_everybody_in_turn(
    processes: list[Process], held: HeldEngine, redis: Redis, place: int, error: EngineError
) -> None:
    held.outcomes = [error]
    leader = processes[0].ask(TEHRAN)
    await until(lambda: held.asked == 1)
    waiters = [processes[place].ask(TEHRAN) for _ in range(5)]
    await joined(processes[0], 5)
    held.let_go.set()
    ended = await asyncio.gather(leader, *waiters, return_exceptions=True)
    assert [(type(one), str(one)) for one in ended] == [(type(error), str(error))] * 6
    # Only the leader's tells of the engine, or one search that took too long would count a hundred times.
    assert [isinstance(one, EngineError) and one.shared for one in ended] == [False] + [True] * 5
    assert held.asked == 1
    await until_over(redis)
    # Whoever asks later asks the engine, also while those who waited are still told of the error.
    assert await processes[place].ask(TEHRAN) == OWN
    assert held.asked == 2


@pytest.mark.parametrize("place", [0, 1], ids=["same process", "another"])
@pytest.mark.parametrize(
    "first",
    [EngineAnswer(b"{}", took_ms=1, hit_count=1, partial=True), PartialResultError("A shard is away."), ValueError()],
    ids=["partial", "refused as partial", "unforeseen"],
)
async def test_what_is_of_no_use_to_others_is_given_to_none_and_each_asks_at_once(
    processes: list[Process], held: HeldEngine, redis: Redis, place: int, first: EngineAnswer | Exception
) -> None:
    held.outcomes = [first]
    leader = processes[0].ask(TEHRAN, accept_partial=True)
    await until(lambda: held.asked == 1)
    waiters = [processes[place].ask(TEHRAN) for _ in range(3)]
    await joined(processes[0], 3)
    held.let_go.set()
    await asyncio.gather(leader, return_exceptions=True)
    assert await asyncio.gather(*waiters) == [OWN] * 3
    assert held.asked == 4
    assert await processes[0].ask(TEHRAN) == SHARED, "theirs were whole, and are kept"


async def test_an_answer_that_is_too_long_to_be_kept_is_shared_in_its_process_and_holds_up_no_other(
    processes: list[Process], held: HeldEngine
) -> None:
    long = EngineAnswer(b'"' + b"x" * LARGEST_KEPT_BYTES + b'"', took_ms=1, hit_count=1)
    held.outcomes = [long]
    leader = processes[0].ask(TEHRAN)
    await until(lambda: held.asked == 1)
    near, far = processes[0].ask(TEHRAN), processes[1].ask(TEHRAN)
    await joined(processes[0], 2)
    held.let_go.set()
    assert (await leader).body == long.body
    assert (await near).body == long.body
    assert await far == OWN
    assert held.asked == 2


async def test_when_all_is_forgotten_meanwhile_those_who_wait_elsewhere_ask_once_for_all(
    processes: list[Process], held: HeldEngine
) -> None:
    leader = processes[0].ask(TEHRAN)
    await until(lambda: held.asked == 1)
    others = [processes[1 + number % 2].ask(TEHRAN) for number in range(20)]
    await joined(processes[0], 20)
    await processes[0].cache.forget("cities")
    held.let_go.set()
    assert await leader == OWN
    answers = await asyncio.gather(*others)
    assert sorted(answers, key=lambda answer: answer.cache_hit) == [OWN] + [SHARED] * 19
    assert held.asked == 2


async def test_whoever_asks_after_all_was_forgotten_does_not_join_what_was_begun_before(
    processes: list[Process], held: HeldEngine
) -> None:
    held.outcomes = [EngineAnswer(b'"old"', took_ms=1, hit_count=1)]
    before = processes[0].ask(TEHRAN)
    await until(lambda: held.asked == 1)
    waiting = processes[1].ask(TEHRAN)
    await joined(processes[0], 1)
    await processes[2].cache.forget("cities")
    after = [processes[place].ask(TEHRAN) for place in (0, 1)]
    await until(lambda: held.asked == 2)
    await joined(processes[0], 2)
    held.let_go.set()
    assert (await before).body == b'"old"'
    assert sorted(answer.cache_hit for answer in await asyncio.gather(*after)) == [False, True]
    assert {answer.body for answer in await asyncio.gather(*after)} == {BODY}
    assert (await waiting).body == BODY, "what was begun before is kept for nobody"
    assert await processes[0].ask(TEHRAN) == SHARED


async def test_a_full_answer_is_measured_for_whoever_gets_it(processes: list[Process], held: HeldEngine) -> None:
    held.let_go.set()
    small = question_for(scope=replace(TEHRAN.scope, max_bytes=len(BODY) - 1))
    assert await processes[0].ask(TEHRAN) == OWN
    with pytest.raises(ResultTooLargeError, match=str(len(BODY) - 1)):
        await processes[0].ask(small)


async def test_a_redis_that_is_killed_meanwhile_holds_up_nobody_and_is_used_again_later(
    tmp_path: Path, held: HeldEngine
) -> None:
    valkey = EmbeddedValkey(tmp_path)
    with valkey:
        processes = [Process(valkey.url(), held) for _ in range(2)]
        leader = processes[0].ask(TEHRAN)
        await until(lambda: held.asked == 1)
        near, far = processes[0].ask(TEHRAN), processes[1].ask(TEHRAN)
        await joined(processes[0], 2)
        assert valkey.child is not None
        valkey.child.kill()
        # Whoever waited elsewhere asks for himself.
        await until(lambda: held.asked == 2)
        lonely = [processes[1].ask(TEHRAN) for _ in range(2)]
        await until(lambda: held.asked == 4)
        held.let_go.set()
        assert await leader == OWN
        assert await near == SHARED
        assert await asyncio.gather(far, *lonely) == [OWN] * 3
    with EmbeddedValkey(tmp_path) as again:
        back = [Process(again.url(), held) for _ in range(2)]
        assert [await process.ask(TEHRAN) for process in back] == [OWN, SHARED]
        for process in (*processes, *back):
            await process.redis.aclose()


async def test_a_redis_that_was_emptied_meanwhile_costs_an_execution_and_no_answer(
    processes: list[Process], held: HeldEngine, redis: Redis
) -> None:
    leader = processes[0].ask(TEHRAN)
    await until(lambda: held.asked == 1)
    near, far = processes[0].ask(TEHRAN), processes[1].ask(TEHRAN)
    await joined(processes[0], 2)
    await redis.flushdb()
    await until(lambda: held.asked == 2)
    held.let_go.set()
    assert await leader == OWN
    assert await near == SHARED
    assert await far in (OWN, SHARED)
    assert held.asked == 2
