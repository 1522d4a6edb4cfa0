"""Whose turn it is: strict priority, users of one priority in turn, and each request taken once however many claim."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from common.database.transaction import Database
from response_svc.adapters.claims import PostgresClaims
from response_svc.adapters.queue import PostgresQueue
from response_svc.usecases.execute_next import execute_next
from response_svc.usecases.execute_waiting import Executors
from tests.integration.response_svc.world import Arrivals, FakeEngine, make_user, question, rows, search_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from response_svc.domain.incoming_request import ClaimedRequest
    from response_svc.usecases.change_users import UserContext
    from response_svc.usecases.execute_next import ExecutionContext

MANY = """
INSERT INTO incoming_requests (original_request_id, user_id, index_name, query_type, search, priority, requested_at)
SELECT gen_random_uuid(), :user, 'cities', 'match', :search, :priority, now() - interval '1 day' + n * interval '1 ms'
FROM generate_series(1, :count) AS n
"""
END = """
UPDATE incoming_requests SET status = 'completed', lease_owner = NULL, lease_expires_at = NULL WHERE id = :id
"""
CLAIM_ONE = "SELECT * FROM claim_requests('slow', interval '1 min', array_fill(gen_random_uuid(), ARRAY[10]), 1)"
NOBODY = UUID(int=0)
EVERYBODY = UUID(int=2**128 - 1)


async def waits(database: Database, user: UUID, count: int, *, priority: int = 5) -> None:
    """So many requests of a user, made a day ago one after the other."""
    search = search_for("Tehran").SerializeToString()
    await rows(database, MANY, user=user, count=count, priority=priority, search=search)


async def claim(claims: PostgresClaims, wanted: int = 1) -> Sequence[ClaimedRequest]:
    found = await claims.claim(worker="test", lease=timedelta(seconds=60), wanted=wanted)
    return [one.request for one in found]


async def claimed_users(database: Database, claims: PostgresClaims, count: int) -> list[UUID]:
    """Whose requests are taken in turn, each ended before the next is taken."""
    users = []
    for _ in range(count):
        [taken] = await claim(claims)
        users.append(taken.user_id)
        await rows(database, END, id=taken.row_id)
    return users


async def test_ten_thousand_requests_of_one_user_do_not_keep_another_waiting(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    many, one = await make_user(user_context, "many"), await make_user(user_context, "one")
    await waits(database, many.id, 10_000)
    for _ in range(3):
        assert await execute_next(execution) is not None
    engine.asked.clear()
    await arrivals.arrive(question(one, search=search_for("Shiraz")))
    for _ in range(2):
        assert await execute_next(execution) is not None
    assert "Shiraz" in [search.query.match["name"].query.string_value for _, search in engine.asked]


@pytest.mark.parametrize("place", ["before", "behind"])
async def test_users_take_turns_wherever_they_stand_in_the_circle(database: Database, place: str) -> None:
    many, other = UUID(int=2**127), UUID(int=1) if place == "before" else EVERYBODY
    await waits(database, many, 10_000)
    await waits(database, other, 5)
    taken = await claimed_users(database, PostgresClaims(database), 11)
    assert Counter(taken) == {many: 6, other: 5} or Counter(taken[1:]) == {many: 5, other: 5}
    assert all(first != second for first, second in pairwise(taken[:10]))


async def test_every_user_is_served_once_before_any_is_served_twice(database: Database) -> None:
    users = [NOBODY, EVERYBODY, *(uuid4() for _ in range(48))]
    for user in users:
        await waits(database, user, 3)
    claims = PostgresClaims(database)
    for _ in range(3):
        assert sorted(await claimed_users(database, claims, 50)) == sorted(users)
    assert await claim(claims) == []


async def test_a_user_with_less_under_way_goes_first(database: Database) -> None:
    slow, quick = uuid4(), uuid4()
    claims = PostgresClaims(database)
    await waits(database, slow, 10)
    assert [taken.user_id for taken in await claim(claims, 3)] == [slow] * 3
    await waits(database, quick, 10)
    assert await claimed_users(database, claims, 4) == [quick] * 4, "he never has more under way than the other"
    assert Counter(taken.user_id for taken in await claim(claims, 5)) == {quick: 4, slow: 1}


async def test_priority_is_strict_whoever_asks(database: Database) -> None:
    many, urgent = uuid4(), uuid4()
    claims = PostgresClaims(database)
    await waits(database, urgent, 20, priority=6)
    await waits(database, many, 100)
    await claim(claims, 4)
    assert await claimed_users(database, claims, 16) == [urgent] * 16
    assert await claimed_users(database, claims, 1) == [many]


async def test_the_turns_of_one_priority_do_not_move_those_of_another(database: Database) -> None:
    first, second = UUID(int=1), UUID(int=3)
    claims = PostgresClaims(database)
    await waits(database, first, 20)
    await waits(database, second, 20)
    served = []
    for _ in range(6):
        # Each urgent request moves the circle of its own priority to just before `first`.
        await waits(database, NOBODY, 1, priority=9)
        assert await claimed_users(database, claims, 1) == [NOBODY]
        served += await claimed_users(database, claims, 1)
    assert Counter(served) == {first: 3, second: 3}


async def test_of_a_users_requests_the_oldest_goes_first_whenever_it_arrived(
    database: Database, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    late, early = question(user, minute=9), question(user, minute=1)
    await arrivals.arrive(late)
    await arrivals.arrive(early)
    taken = await claim(PostgresClaims(database), 2)
    assert [claimed.request_id.bytes for claimed in taken] == [early.request.id, late.request.id]


async def test_nothing_is_taken_twice_or_left_however_many_claim_at_once(database: Database) -> None:
    users = [uuid4() for _ in range(30)]
    for place, user in enumerate(users):
        await waits(database, user, 1 + place % 5, priority=1 + place % 3)
    total = sum(1 + place % 5 for place in range(30))
    taken: list[UUID] = []

    async def take(claims: PostgresClaims) -> None:
        while claimed := await claim(claims, 2):
            taken.extend(one.row_id for one in claimed)

    await asyncio.gather(*(take(PostgresClaims(database)) for _ in range(12)))
    assert len(taken) == len(set(taken)) == total
    leases = await rows(database, "SELECT count(DISTINCT lease_owner) AS leases FROM incoming_requests")
    assert leases[0].leases == total, "each has a lease of its own"


async def test_what_another_is_just_taking_is_passed_over(database: Database) -> None:
    alone, other, low = UUID(int=1), UUID(int=2), UUID(int=3)
    await waits(database, alone, 1, priority=9)
    await waits(database, low, 1, priority=2)
    async with database.transaction() as transaction:
        [held] = await transaction.connection.execute(text(CLAIM_ONE))
        assert held.user_id == alone
        assert [taken.user_id for taken in await claim(PostgresClaims(database))] == [low]
        await waits(database, other, 1, priority=9)
        assert [taken.user_id for taken in await claim(PostgresClaims(database))] == [other]
        assert await claim(PostgresClaims(database)) == []


async def test_a_request_that_pauses_is_no_part_of_the_queue_until_its_time(database: Database) -> None:
    user = uuid4()
    await waits(database, user, 5)
    await rows(database, "UPDATE incoming_requests SET status = 'retry', retry_at = now() + interval '1 hour'")
    claims = PostgresClaims(database)
    assert await claim(claims) == []
    await rows(database, "UPDATE incoming_requests SET retry_at = now() - n.n * interval '1 s' FROM (SELECT 1 AS n) n")
    async with database.transaction() as transaction:
        assert await PostgresQueue().return_due_retries(transaction.connection) == 5
    assert len(await claim(claims, 10)) == 5


async def test_claims_work_behind_a_pooler_that_keeps_no_prepared_statements(
    database: Database, execution: ExecutionContext, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(*(question(user) for _ in range(20)))
    pooled = Database(database.url, prepared_statements=False)
    claims = execution.claims.__class__(
        pooled, PostgresQueue(), PostgresClaims(pooled), worker="pooled", lease=timedelta(seconds=60)
    )
    assert await Executors(replace(execution, database=pooled, claims=claims), 4).run() == {"completed": 20}
    await pooled.close()
