"""What follows a fault of the search engine: another attempt after a growing pause, or one final failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from response_svc.domain.incoming_request import MAX_RETRIES
from response_svc.search.answers import (
    EngineAnswer,
    EngineRefusedError,
    EngineTimeoutError,
    PartialResultError,
    ResultTooLargeError,
    SearchUnavailableError,
)
from response_svc.usecases.execute_waiting import Executors
from tests.integration.response_svc.world import (
    Arrivals,
    FakeEngine,
    id_of,
    make_user,
    question,
    rows,
    run,
    state,
)

if TYPE_CHECKING:
    from common.database.transaction import Database
    from response_svc.usecases.change_users import UserContext
    from response_svc.usecases.execute_next import ExecutionContext


async def test_a_fault_that_may_pass_is_tried_again_after_growing_pauses_and_then_ends(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)
    engine.prepared = [EngineTimeoutError("The engine did not answer within 30 s.") for _ in range(MAX_RETRIES + 1)]
    pauses = []
    for _ in range(MAX_RETRIES):
        assert await run(execution) == "retry"
        assert await run(execution) is None, "it waits for its time"
        [row] = await rows(database, "SELECT retry_at - now() AS pause FROM incoming_requests")
        pauses.append(row.pause.total_seconds())
        await rows(database, "UPDATE incoming_requests SET retry_at = now()")
    assert pauses == pytest.approx([5, 20, 80, 320, 1280], abs=2)
    assert await run(execution) == "timeout"
    assert await state(database, id_of(asked)) == ("failed", 1)
    [row] = await rows(database, "SELECT failure_reason, executions FROM query_results")
    assert (row.failure_reason, row.executions) == ("timeout", 6)
    assert (await rows(database, "SELECT retry_count FROM incoming_requests"))[0].retry_count == MAX_RETRIES


async def test_a_fault_that_passes_leads_to_the_answer(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)
    engine.prepared = [PartialResultError("2 of 5 shards did not answer.")]
    assert await run(execution) == "retry"
    await rows(database, "UPDATE incoming_requests SET retry_at = now()")
    assert await run(execution) == "completed"
    assert await state(database, id_of(asked)) == ("completed", 1)


async def test_an_index_that_cannot_be_searched_keeps_no_other_request_waiting(
    execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(*(question(user, minute=minute) for minute in range(5)))
    engine.prepared = [SearchUnavailableError("No shard of the index answers.")] * 3
    assert await Executors(execution, 1).run() == {"retry": 3, "completed": 2}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (EngineRefusedError("No such field."), "engine_error"),
        (ResultTooLargeError("The answer is too large."), "result_too_large"),
    ],
)
async def test_a_final_fault_ends_the_request_at_once(
    database: Database,
    execution: ExecutionContext,
    engine: FakeEngine,
    arrivals: Arrivals,
    user_context: UserContext,
    error: Exception,
    reason: str,
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)
    engine.prepared = [error]
    assert await run(execution) == reason
    assert await state(database, id_of(asked)) == ("failed", 1)


async def test_an_answer_that_is_no_json_ends_as_an_engine_error(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)
    engine.prepared = [EngineAnswer(b'{"took": \xff\x00', took_ms=1, hit_count=0)]
    assert await run(execution) == "engine_error"
    assert await state(database, id_of(asked)) == ("failed", 1)


async def test_an_unforeseen_error_of_the_engine_is_tried_again(
    execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    await arrivals.arrive(question(await make_user(user_context)))
    engine.prepared = [RuntimeError("a fault of ours")]
    assert await run(execution) == "retry"
