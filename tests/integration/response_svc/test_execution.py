"""Execution on a real database: order, leases, retries, refusals, and that every request ends exactly once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from common.batches.steps import Step
from common.rpc.caller import current_caller
from response_svc.adapters.claims import PostgresClaims
from response_svc.domain.incoming_request import MAX_RETRIES
from response_svc.search.answers import (
    EngineAnswer,
)
from response_svc.usecases.change_users import deactivate_user
from response_svc.usecases.claim_requests import Claims
from response_svc.usecases.execute_next import execute_next
from response_svc.usecases.execute_waiting import Executors
from tests.integration.response_svc.world import (
    BODY,
    START,
    Arrivals,
    FakeEngine,
    cancellation,
    id_of,
    make_user,
    micros,
    question,
    rows,
    run,
    search_for,
    state,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.database.transaction import Database
    from response_svc.domain.claim import Claim
    from response_svc.ports import ClaimStore
    from response_svc.usecases.change_users import UserContext
    from response_svc.usecases.execute_next import ExecutionContext


async def test_the_engines_bytes_are_kept_exactly(
    database: Database, execution: ExecutionContext, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context), trace_id="trace")
    await arrivals.arrive(asked)
    assert await run(execution) == "completed"
    [row] = await rows(
        database,
        "SELECT q.*, q.result_data::text AS body, r.query_params::text AS params, r.status, r.retry_count"
        " FROM query_results q JOIN incoming_requests r ON r.id = q.request_id",
    )
    assert row.body.encode() == BODY
    assert (row.total_length, row.outcome, row.executions, row.retry_count) == (len(BODY), "completed", 1, 0)
    assert row.status == "completed"
    assert "Tehran" in row.params
    assert arrivals.woken == 1
    assert await run(execution) is None


async def test_the_highest_priority_goes_first_and_of_those_the_oldest(
    execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    later = question(user, priority=5, minute=9, search=search_for("third"))
    older = question(user, priority=5, minute=1, search=search_for("second"))
    urgent = question(user, priority=10, minute=30, search=search_for("first"))
    least = question(user, priority=1, minute=0, search=search_for("fourth"))
    await arrivals.arrive(later, least)
    await arrivals.arrive(older, urgent)
    while await run(execution):
        pass
    asked = [search.query.match["name"].query.string_value for _, search in engine.asked]
    assert asked == ["first", "second", "third", "fourth"]


async def test_many_executors_answer_each_request_once(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(*(question(user, minute=minute) for minute in range(40)))
    first, second = Executors(execution, 4), Executors(execution, 4)
    done = await asyncio.gather(first.run(), first.run(), second.run())
    assert sum(outcomes.get("completed", 0) for outcomes in done) == 40
    assert len(engine.asked) == 40
    assert (await rows(database, "SELECT count(*) FROM query_results"))[0].count == 40


async def test_a_wake_up_while_all_executors_are_busy_returns_at_once_and_its_request_is_executed(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(question(user))
    executors = Executors(execution, 1)
    meanwhile: list[dict[str, int]] = []

    async def another_arrives() -> None:
        engine.meanwhile = None
        await arrivals.arrive(question(user))
        meanwhile.append(await executors.run())

    engine.meanwhile = another_arrives
    assert await executors.run() == {"completed": 2}
    assert meanwhile == [{}]


@pytest.mark.parametrize("fatal", [Step.EXECUTE_CLAIMED, Step.EXECUTE_ANSWERED])
async def test_a_dead_executors_request_is_executed_again_with_one_result(
    database: Database, execution: ExecutionContext, arrivals: Arrivals, user_context: UserContext, fatal: Step
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)

    def die(step: Step) -> None:
        if step is fatal:
            raise SystemError("killed")

    with pytest.raises(SystemError):
        await execute_next(replace(execution, steps=die))
    assert await run(execution) is None, "the lease still holds"
    await rows(database, "UPDATE incoming_requests SET lease_expires_at = now() - interval '1 second'")
    assert await Executors(execution, 1).run() == {"returned": 1, "completed": 1}
    assert await state(database, id_of(asked)) == ("completed", 1)
    assert (await rows(database, "SELECT executions FROM query_results"))[0].executions == 2


async def test_an_executor_that_lost_its_lease_writes_nothing(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)

    async def another_takes_over() -> None:
        engine.meanwhile = None
        await rows(database, "UPDATE incoming_requests SET lease_expires_at = now() - interval '1 second'")
        assert await Executors(execution, 1).run() == {"returned": 1, "completed": 1}

    engine.meanwhile = another_takes_over
    assert await run(execution) == "lost"
    assert await state(database, id_of(asked)) == ("completed", 1)


async def test_the_lease_is_renewed_while_a_query_runs(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    await arrivals.arrive(question(await make_user(user_context)))

    async def wait_for_a_renewal() -> None:
        [first] = await rows(database, "SELECT lease_expires_at FROM incoming_requests")
        async with asyncio.timeout(10):
            while [first] == await rows(database, "SELECT lease_expires_at FROM incoming_requests"):
                pass

    engine.meanwhile = wait_for_a_renewal
    assert await run(replace(execution, lease=timedelta(seconds=0.6))) == "completed"


async def test_an_engine_that_never_answers_does_not_hold_a_request_for_ever(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)

    async def never_answers() -> None:
        await asyncio.Event().wait()

    engine.meanwhile = never_answers
    answering = replace(execution.answering, timeout_seconds=0.01, engine_grace_seconds=0.01)
    impatient = replace(execution, answering=answering)
    async with asyncio.timeout(10):
        assert await run(impatient) == "retry"
    assert await state(database, id_of(asked)) == ("retry", 0)


async def test_a_worker_that_is_told_to_stop_gives_its_request_back(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)
    running = asyncio.Event()

    async def never_answers() -> None:
        running.set()
        await asyncio.Event().wait()

    engine.meanwhile = never_answers
    executing = asyncio.create_task(execute_next(execution))
    await running.wait()
    executing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await executing
    assert await state(database, id_of(asked)) == ("pending", 0)
    engine.meanwhile = None
    assert await run(execution) == "completed"
    assert (await rows(database, "SELECT executions FROM query_results"))[0].executions == 1


async def test_a_request_whose_executors_die_each_time_is_given_up(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)
    await rows(database, "UPDATE incoming_requests SET started_at = now(), retry_count = :n", n=MAX_RETRIES)
    assert await run(execution) == "engine_error"
    assert await state(database, id_of(asked)) == ("failed", 1)
    assert engine.asked == []


async def test_a_well_signed_request_for_another_index_is_refused(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context), index="salaries")
    await arrivals.arrive(asked)
    assert await run(execution) == "refused"
    [row] = await rows(database, "SELECT message, executions FROM query_results")
    assert "salaries" in row.message
    assert row.executions == 0
    assert await state(database, id_of(asked)) == ("failed", 1)
    assert engine.asked == []


async def test_an_unknown_users_request_is_refused(
    execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals
) -> None:
    await arrivals.arrive(question(uuid4()))
    assert await run(execution) == "refused"
    assert engine.asked == []


async def test_an_inactive_users_request_is_refused(
    execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(question(user))
    await deactivate_user(user_context, user.id, caller=current_caller())
    assert await run(execution) == "refused"
    assert engine.asked == []


async def test_a_search_beyond_the_limits_is_refused(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    search = search_for("Tehran")
    search.size = 1001
    await arrivals.arrive(question(await make_user(user_context), search=search))
    assert await run(execution) == "refused"
    assert "size" in (await rows(database, "SELECT message FROM query_results"))[0].message
    assert engine.asked == []


async def test_a_request_whose_time_is_over_expires(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context), not_after_micros=micros(START))
    await arrivals.arrive(asked)
    assert await run(execution) == "expired"
    assert await state(database, id_of(asked)) == ("expired", 1)
    assert engine.asked == []


async def test_a_request_that_is_cancelled_while_it_runs_stays_cancelled(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)

    async def cancel() -> None:
        await arrivals.arrive(cancellation(asked))

    engine.meanwhile = cancel
    assert await run(execution) == "lost"
    assert await state(database, id_of(asked)) == ("cancelled", 0)


@pytest.mark.parametrize("length", [256 * 1024, 256 * 1024 + 1, 1024 * 1024 + 77])
async def test_long_answers_are_kept_whole(
    database: Database,
    execution: ExecutionContext,
    engine: FakeEngine,
    arrivals: Arrivals,
    user_context: UserContext,
    length: int,
) -> None:
    body = b'{"x":"' + b"y" * (length - 8) + b'"}'
    await arrivals.arrive(question(await make_user(user_context)))
    engine.prepared = [EngineAnswer(body, took_ms=1, hit_count=1)]
    assert await run(execution) == "completed"
    [row] = await rows(database, "SELECT result_data::text AS body, total_length FROM query_results")
    chunks = await rows(database, "SELECT data FROM result_chunks ORDER BY n")
    assert row.total_length == length
    assert (row.body or "").encode() + b"".join(chunk.data for chunk in chunks) == body
    assert all(len(chunk.data) <= 256 * 1024 for chunk in chunks)


class FaultyStore:
    """Claims of a database that is away so many times."""

    def __init__(self, store: ClaimStore, times: int) -> None:
        self.store = store
        self.times = times

    async def claim(self, *, worker: str, lease: timedelta, wanted: int) -> Sequence[Claim]:
        if self.times:
            self.times -= 1
            raise ConnectionError("The server closed the connection.")
        return await self.store.claim(worker=worker, lease=lease, wanted=wanted)


async def test_executors_outlast_a_restart_of_the_database_but_not_its_loss(
    database: Database, execution: ExecutionContext, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(*(question(user, minute=minute) for minute in range(3)))
    faulty = FaultyStore(PostgresClaims(database), times=4)
    claims = Claims(database, execution.queue, faulty, worker="test", lease=timedelta(seconds=60))
    executors = Executors(replace(execution, claims=claims), 1, fault_pauses=(0, 0, 0))
    with pytest.raises(ConnectionError):
        await executors.run()
    faulty.times = 3
    assert await executors.run() == {"completed": 3}
