"""What operators decide about incoming requests: tried again while it has a meaning, or ended with a reason."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import pytest
from airlock.common.v1.failure_reason_pb2 import FAILURE_REASON_REFUSED
from airlock.response.v1 import processing_service_pb2 as pb

from common.clock import now
from common.database.notices import Notices
from common.errors import NotFoundError, WrongStateError
from response_svc.adapters.decided_requests import PostgresDecidedRequests
from response_svc.adapters.export_responses import ResponsesSource
from response_svc.adapters.incoming_requests import PostgresIncomingRequests
from response_svc.adapters.queue import INTERRUPTED
from response_svc.handlers.processing import ProcessingHandler
from response_svc.search.answers import EngineRefusedError
from response_svc.usecases.decide_request import DecisionContext
from tests.integration.response_svc.world import (
    Arrivals,
    FakeEngine,
    Numbers,
    cancellation,
    id_of,
    make_user,
    micros,
    question,
    rows,
    run,
    state,
)

if TYPE_CHECKING:
    from airlock.bundle.v1.record_pb2 import Record

    from common.database.transaction import Database
    from response_svc.usecases.change_users import UserContext
    from response_svc.usecases.execute_next import ExecutionContext

CALL = cast("Any", None)


@dataclass
class Operator:
    """Calls the service as an operator does, and counts how often the executors were woken."""

    database: Database
    woken: int = 0

    def __post_init__(self) -> None:
        async def wake() -> None:
            self.woken += 1

        context = DecisionContext(self.database, PostgresDecidedRequests(), wake)
        self.handler = ProcessingHandler(self.database, PostgresIncomingRequests(), context)

    async def retry(self, asked: Record) -> pb.IncomingRequest:
        request = pb.RetryIncomingRequestRequest(id=str(id_of(asked)))
        return (await self.handler.RetryIncomingRequest(request, CALL)).incoming_request

    async def fail(self, asked: Record, reason: str = "the index is being rebuilt") -> pb.IncomingRequest:
        request = pb.FailIncomingRequestRequest(id=str(id_of(asked)), reason=reason)
        return (await self.handler.FailIncomingRequest(request, CALL)).incoming_request


@pytest.fixture
def operator(database: Database) -> Operator:
    return Operator(database)


@pytest.fixture
async def failed(
    execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> Record:
    """A request that the engine refused."""
    asked = question(await make_user(user_context), not_after_micros=micros(now() + timedelta(hours=1)))
    await arrivals.arrive(asked)
    engine.prepared = [EngineRefusedError("The index is closed.")]
    assert await run(execution) == "engine_error"
    return asked


async def actions(database: Database) -> list[str]:
    found = await rows(database, "SELECT action FROM audit_logs WHERE resource_type = 'incoming_request' ORDER BY id")
    return [row.action for row in found]


async def test_a_failed_request_is_tried_again_and_has_one_answer(
    database: Database, execution: ExecutionContext, operator: Operator, failed: Record
) -> None:
    waiting = await operator.retry(failed)
    assert (waiting.status, waiting.retry_count, waiting.error_message) == (pb.INCOMING_STATUS_PENDING, 0, "")
    assert (operator.woken, await actions(database)) == (1, ["incoming_request.retried"])
    assert await state(database, id_of(failed)) == ("pending", 0)
    assert await run(execution) == "completed"
    assert await state(database, id_of(failed)) == ("completed", 1)
    [row] = await rows(database, "SELECT outcome, executions FROM query_results")
    assert (row.outcome, row.executions) == ("completed", 1)


async def test_a_failure_that_a_bundle_carries_is_final(database: Database, operator: Operator, failed: Record) -> None:
    async with database.transaction() as transaction:
        assert await ResponsesSource().claim(transaction.connection, Numbers().next()) == 1
    with pytest.raises(WrongStateError, match="sealed"):
        await operator.retry(failed)
    assert await state(database, id_of(failed)) == ("failed", 1)
    assert (operator.woken, await actions(database)) == (0, [])


async def test_a_retry_and_an_export_in_the_same_moment_agree(
    database: Database, operator: Operator, failed: Record
) -> None:
    async with database.transaction() as transaction:
        await ResponsesSource().claim(transaction.connection, Numbers().next())
        retrying = asyncio.create_task(operator.retry(failed))
        async with asyncio.timeout(10):
            while not (await rows(database, "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'")):
                pass
    with pytest.raises(WrongStateError, match="sealed"):
        await retrying
    assert await state(database, id_of(failed)) == ("failed", 1)


async def test_a_request_that_its_user_gave_up_is_not_tried_again(
    operator: Operator, arrivals: Arrivals, failed: Record
) -> None:
    await arrivals.arrive(cancellation(failed))
    with pytest.raises(WrongStateError, match="given it up"):
        await operator.retry(failed)


async def test_a_request_without_time_is_not_tried_again(
    database: Database, operator: Operator, failed: Record
) -> None:
    await rows(database, "UPDATE incoming_requests SET not_after = now() - interval '1 s'")
    with pytest.raises(WrongStateError, match="time is over"):
        await operator.retry(failed)


async def test_only_what_has_failed_is_tried_again_and_only_what_has_not_ended_is_failed(
    execution: ExecutionContext, operator: Operator, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)
    with pytest.raises(WrongStateError, match="pending"):
        await operator.retry(asked)
    assert await run(execution) == "completed"
    with pytest.raises(WrongStateError, match="completed"):
        await operator.retry(asked)
    with pytest.raises(WrongStateError, match="completed"):
        await operator.fail(asked)


@pytest.mark.parametrize("decide", ["retry", "fail"])
async def test_a_request_that_has_not_arrived_is_not_found(operator: Operator, decide: str) -> None:
    with pytest.raises(NotFoundError):
        await getattr(operator, decide)(question(uuid4()))


@pytest.mark.parametrize("waiting", ["pending", "retry"])
async def test_a_waiting_request_is_ended_with_a_reason_that_its_user_reads(
    database: Database,
    execution: ExecutionContext,
    operator: Operator,
    arrivals: Arrivals,
    user_context: UserContext,
    waiting: str,
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)
    if waiting == "retry":
        await rows(database, "UPDATE incoming_requests SET status = 'retry', retry_at = now() + interval '1 h'")
    ended = await operator.fail(asked)
    assert (ended.status, ended.failure_reason) == (pb.INCOMING_STATUS_FAILED, FAILURE_REASON_REFUSED)
    assert ended.error_message == "An operator of the Response Network ended it: the index is being rebuilt"
    assert await state(database, id_of(asked)) == ("failed", 1)
    assert await actions(database) == ["incoming_request.failed"]
    assert await run(execution) is None
    assert (await operator.retry(asked)).status == pb.INCOMING_STATUS_PENDING, "it can be taken back"


async def test_a_running_request_is_ended_at_once_and_nothing_of_it_is_kept(
    database: Database,
    execution: ExecutionContext,
    engine: FakeEngine,
    operator: Operator,
    arrivals: Arrivals,
    user_context: UserContext,
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)
    notices = Notices(database.url)
    notices.wake_on(INTERRUPTED, execution.interruptions.wake)
    notices.start()

    async def is_failed_by_the_operator() -> None:
        await operator.fail(asked)
        await asyncio.Event().wait()

    engine.meanwhile = is_failed_by_the_operator
    async with asyncio.timeout(10):
        assert await run(replace(execution, lease=timedelta(hours=1))) == "lost"
    await notices.close()
    assert await state(database, id_of(asked)) == ("failed", 1)
    assert (await rows(database, "SELECT executions FROM query_results"))[0].executions == 1


async def test_incoming_requests_are_listed_by_index(
    operator: Operator, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    cities, salaries = question(user), question(user, index="salaries")
    await arrivals.arrive(cities, salaries)
    found = await operator.handler.ListIncomingRequests(pb.ListIncomingRequestsRequest(index="salaries"), CALL)
    assert [one.id for one in found.incoming_requests] == [str(id_of(salaries))]
