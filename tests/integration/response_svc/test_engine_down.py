"""Execution while the search engine is away, overloaded or hanging: who is asked, who waits, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from common.clock import now
from common.metrics import REGISTRY
from response_svc.domain.circuit import CircuitState
from response_svc.search.answers import EngineOverloadedError, EngineTimeoutError, EngineUnavailableError
from response_svc.usecases.engine_gate import EngineGate
from response_svc.usecases.execute_waiting import Executors
from tests.integration.response_svc.world import (
    Arrivals,
    FakeEngine,
    id_of,
    make_user,
    micros,
    question,
    rows,
    state,
)

if TYPE_CHECKING:
    from common.database.transaction import Database
    from response_svc.usecases.change_users import UserContext
    from response_svc.usecases.execute_next import ExecutionContext

SWEEP_SECONDS = 30


@dataclass
class MovedClock:
    """Time that passes only when somebody sleeps, or a test says so."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def gated(
    execution: ExecutionContext, engine: FakeEngine, clock: MovedClock, count: int = 8
) -> tuple[Executors, EngineGate]:
    gate = EngineGate(engine, count, jitter=lambda: 0.5, monotonic=clock, sleep=clock.sleep)
    return Executors(execution, count, gate=gate), gate


async def all_due(database: Database) -> None:
    await rows(database, "UPDATE incoming_requests SET retry_at = now() WHERE retry_at IS NOT NULL")


async def test_an_engine_that_is_down_for_an_hour_costs_hardly_any_attempts(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    clock = MovedClock()
    executors, _ = gated(execution, engine, clock)
    await executors.run()
    await arrivals.arrive(*(question(user, minute=minute) for minute in range(1000)))
    engine.away = True
    while clock.seconds < 3600:
        outcomes = await executors.run()
        assert set(outcomes) <= {"retry"}
        # Pauses between attempts are of the database's clock, which nobody can move; here they are always over.
        await all_due(database)
        clock.seconds += SWEEP_SECONDS
    assert len(engine.asked) <= 8
    assert 100 < engine.checks < 200
    engine.away = False
    clock.seconds += SWEEP_SECONDS
    assert await executors.run() == {"completed": 1000}
    [row] = await rows(
        database, "SELECT count(*), max(executions) AS most FROM query_results WHERE outcome = 'completed'"
    )
    assert (row.count, row.most) == (1000, 2)


async def test_workers_that_start_again_and_again_while_the_engine_is_down_cost_no_attempts(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(question(user))
    engine.away = True
    for _ in range(10):
        executors, gate = gated(execution, engine, MovedClock())
        assert await executors.run() == {}
        assert gate.state is CircuitState.OPEN
    engine.away = False
    executors, _ = gated(execution, engine, MovedClock())
    assert await executors.run() == {"completed": 1}
    assert (await rows(database, "SELECT executions FROM query_results"))[0].executions == 1


async def test_an_engine_that_says_it_is_well_and_answers_nobody_is_tried_with_one_request_at_a_time(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(*(question(user, minute=minute) for minute in range(100)))
    clock = MovedClock()
    executors, gate = gated(execution, engine, clock)
    engine.prepared = [EngineUnavailableError("It answered with a page of HTML.") for _ in range(20)]
    for _ in range(10):
        await executors.run()
        clock.seconds += SWEEP_SECONDS
    assert len(engine.asked) < 8 + 10 + 6
    assert (await rows(database, "SELECT max(retry_count) AS most FROM incoming_requests"))[0].most == 0
    engine.prepared = []
    clock.seconds += SWEEP_SECONDS
    await executors.run()
    await all_due(database)
    await executors.run()
    assert gate.state is CircuitState.CLOSED
    assert (await rows(database, "SELECT count(*) FROM query_results WHERE outcome = 'completed'"))[0].count == 100


async def test_a_request_runs_out_of_time_also_while_the_engine_is_away(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    short = question(user, minute=1, not_after_micros=micros(now() + timedelta(minutes=30)))
    clock = MovedClock()
    executors, gate = gated(execution, engine, clock, count=1)
    await executors.run()
    await arrivals.arrive(question(user), short, question(user, minute=2))
    engine.away = True
    await executors.run()
    assert gate.state is CircuitState.OPEN
    assert await state(database, id_of(short)) == ("pending", 0)
    later = replace(execution, clock=lambda: now() + timedelta(minutes=31))
    assert await Executors(later, 1, gate=gate).run() == {"expired": 1}
    assert await state(database, id_of(short)) == ("expired", 1)
    assert len(engine.asked) == 1


async def test_a_short_absence_is_waited_out_and_a_long_one_left_to_the_sweep(
    execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(*(question(user, minute=minute) for minute in range(5)))
    clock = MovedClock()
    executors, gate = gated(execution, engine, clock, count=1)
    engine.prepared = [EngineUnavailableError("Its connection broke.")]
    assert await executors.run() == {"retry": 1, "completed": 4}
    assert 0 < clock.seconds <= 1
    assert gate.state is CircuitState.CLOSED


async def test_an_overloaded_engine_is_asked_more_slowly_and_not_left_alone(
    execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(*(question(user, minute=minute) for minute in range(30)))
    clock = MovedClock()
    executors, gate = gated(execution, engine, clock, count=1)
    engine.prepared = [EngineOverloadedError("Too many searches.")]
    seen = []

    async def look() -> None:
        seen.append(gate.state)

    engine.meanwhile = look
    assert await executors.run() == {"retry": 1, "completed": 29}
    assert engine.checks == 1, "once, to begin with"
    assert seen == [CircuitState.CLOSED, CircuitState.SLOWED, *[CircuitState.CLOSED] * 28]
    assert 0 < clock.seconds <= 1


async def test_a_slow_search_keeps_no_other_waiting_and_an_engine_that_hangs_does(
    execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(*(question(user, minute=minute) for minute in range(3)))
    clock = MovedClock()
    executors, gate = gated(execution, engine, clock, count=1)
    engine.prepared = [EngineTimeoutError("The search took too long.")]
    assert await executors.run() == {"retry": 1, "completed": 2}
    assert (engine.checks, gate.state) == (2, CircuitState.CLOSED)

    await arrivals.arrive(*(question(user, minute=minute) for minute in range(3)))
    engine.prepared = [EngineTimeoutError("The engine hangs.")]

    async def hangs() -> None:
        engine.meanwhile = None
        engine.check_says_reachable = False

    engine.meanwhile = hangs
    await executors.run()
    assert gate.state is CircuitState.OPEN


async def test_the_circuit_is_told_by_a_gauge_and_by_one_line_for_each_change(
    execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(*(question(user, minute=minute) for minute in range(3)))
    clock = MovedClock()
    executors, _ = gated(execution, engine, clock, count=2)
    engine.away = True
    with structlog.testing.capture_logs() as lines:
        for _ in range(10):
            await executors.run()
            clock.seconds += SWEEP_SECONDS
        assert REGISTRY.get_sample_value("airlock_search_engine_circuit") == 3
        engine.away = False
        await executors.run()
    assert REGISTRY.get_sample_value("airlock_search_engine_circuit") == 0
    told = [(line["before"], line["now"]) for line in lines if line["event"] == "engine_circuit_changed"]
    assert told == [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]
