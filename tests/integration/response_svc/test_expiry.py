"""Requests whose time runs out: while they wait, while they pause between attempts, and while they run."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from common.clock import now
from response_svc.search.answers import EngineTimeoutError
from response_svc.usecases.execute_waiting import EXPIRED_AT_ONCE, Executors
from tests.integration.response_svc.world import (
    START,
    Arrivals,
    FakeEngine,
    id_of,
    make_user,
    micros,
    question,
    rows,
    run,
    state,
)

if TYPE_CHECKING:
    from datetime import datetime

    from airlock.bundle.v1.record_pb2 import Record

    from common.database.transaction import Database
    from response_svc.domain.user import User
    from response_svc.usecases.change_users import UserContext
    from response_svc.usecases.execute_next import ExecutionContext


def limited(user: User, until: datetime) -> Record:
    return question(user, not_after_micros=micros(until))


async def test_all_that_waits_too_long_ends_however_much_it_is(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    count = EXPIRED_AT_ONCE + 20
    await arrivals.arrive(*(limited(user, START) for _ in range(count)), question(user))
    assert await Executors(execution, 2).run() == {"expired": count, "completed": 1}
    assert len(engine.asked) == 1
    [row] = await rows(
        database,
        "SELECT count(*), min(message) AS message, max(executions) AS executions FROM query_results"
        " WHERE outcome = 'failed' AND failure_reason = 'expired'",
    )
    assert (row.count, row.executions) == (count, 0)
    assert "submit it again" in row.message


async def test_a_request_ends_in_the_middle_of_a_pause_between_attempts(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = limited(await make_user(user_context), now() + timedelta(hours=1))
    await arrivals.arrive(asked)
    engine.prepared = [EngineTimeoutError("It took too long.")]
    assert await run(execution) == "retry"
    await rows(database, "UPDATE incoming_requests SET retry_at = now() + interval '2 hours'")
    later = replace(execution, clock=lambda: now() + timedelta(hours=1, seconds=1))
    assert await Executors(later, 1).run() == {"expired": 1}
    assert await state(database, id_of(asked)) == ("expired", 1)
    assert (await rows(database, "SELECT executions FROM query_results"))[0].executions == 1


async def test_a_search_is_given_up_when_its_requests_time_is_over(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = limited(await make_user(user_context), START + timedelta(hours=1))
    await arrivals.arrive(asked)
    given_up = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    engine.meanwhile = endless
    just_before = START + timedelta(hours=1, milliseconds=-50)
    async with asyncio.timeout(10):
        assert await run(replace(execution, clock=lambda: just_before)) == "expired"
    assert given_up.is_set()
    assert await state(database, id_of(asked)) == ("expired", 1)
    [row] = await rows(database, "SELECT failure_reason, message, executions FROM query_results")
    assert (row.failure_reason, row.executions) == ("expired", 1)
    assert "while it was executed" in row.message


async def test_an_answer_in_time_is_an_answer(
    database: Database, execution: ExecutionContext, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = limited(await make_user(user_context), now() + timedelta(minutes=5))
    await arrivals.arrive(asked)
    assert await Executors(execution, 1).run() == {"completed": 1}
    assert await state(database, id_of(asked)) == ("completed", 1)
