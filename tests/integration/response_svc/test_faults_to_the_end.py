"""Each fault of a cluster from the wire to the stored end: a small server plays it, the real client meets it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from common.database.notices import Notices
from response_svc.adapters.queue import INTERRUPTED
from response_svc.domain.circuit import CircuitState
from response_svc.domain.incoming_request import MAX_RETRIES
from response_svc.search.connection import ElasticsearchAccess
from response_svc.search.elasticsearch import ElasticsearchEngine
from response_svc.usecases.engine_gate import EngineGate
from response_svc.usecases.execute_next import execute_next
from response_svc.usecases.execute_waiting import Executors
from tests.integration.response_svc.world import (
    Arrivals,
    cancellation,
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

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PRODUCT = {"x-elastic-product": "Elasticsearch"}
SHARDS = {"total": 2, "successful": 2, "skipped": 0, "failed": 0}
WHOLE: dict[str, Any] = {
    "took": 7,
    "timed_out": False,
    "_shards": SHARDS,
    "hits": {"total": {"value": 3, "relation": "eq"}, "max_score": None, "hits": []},
}
HEALTHY = {"status": "green"}


def says(status: int, body: object) -> Handler:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def handle(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=content, content_type="application/json", headers=PRODUCT)

    return handle


def fault(status: int, kind: str, reason: str) -> Handler:
    cause = {"type": kind, "reason": reason}
    return says(status, {"error": {"root_cause": [cause], **cause}, "status": status})


async def half_an_answer(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers=PRODUCT | {"content-type": "application/json", "content-length": "1000"})
    await response.prepare(request)
    await response.write(b'{"took": 1')
    assert request.transport is not None
    request.transport.close()
    return response


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


class Cluster:
    """A server whose searches are answered as it is told, and whose health is good unless it is told otherwise."""

    def __init__(self) -> None:
        self.searches: Handler = says(200, WHOLE)
        self.health: Handler = says(200, HEALTHY)
        self.asked = 0
        self.silent = asyncio.Event()
        self.left = asyncio.Event()
        self.over = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if not request.path.endswith("/_search"):
            return await self.health(request)
        self.asked += 1
        await request.read()
        return await self.searches(request)

    async def never(self, _: web.Request) -> web.StreamResponse:
        self.silent.set()
        try:
            await self.over.wait()
        except asyncio.CancelledError:
            self.left.set()
            raise
        return web.Response()


@dataclass
class Meeting:
    """The cluster, and execution that asks it through the real client."""

    cluster: Cluster
    execution: ExecutionContext
    engine: ElasticsearchEngine


@pytest.fixture
async def meeting(execution: ExecutionContext) -> AsyncIterator[Meeting]:
    cluster = Cluster()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", cluster.answer)
    server = TestServer(application)
    # A handler hears there that its client has gone.
    await server.start_server()
    engine = ElasticsearchEngine(ElasticsearchAccess([str(server.make_url("")).rstrip("/")]))
    yield Meeting(cluster, replace(execution, answering=replace(execution.answering, engine=engine)), engine)
    cluster.over.set()
    await engine.close()
    await server.close()


PASSING = {
    "429": (fault(429, "es_rejected_execution_exception", "queue is full"), "engine_error"),
    "500": (fault(500, "null_pointer_exception", "oops"), "engine_error"),
    "502": (says(502, b"<html>Bad Gateway</html>"), "engine_error"),
    "503": (fault(503, "cluster_block_exception", "no master"), "engine_error"),
    "504": (fault(504, "timeout_exception", "Time exceeded"), "timeout"),
    "401": (fault(401, "security_exception", "who are you"), "engine_error"),
    "403": (fault(403, "security_exception", "not that index"), "engine_error"),
    "red shards": (fault(503, "search_phase_execution_exception", "all shards failed"), "engine_error"),
    "some red shards": (says(200, WHOLE | {"_shards": SHARDS | {"successful": 1, "failed": 1}}), "partial_result"),
    "timed out": (says(200, WHOLE | {"timed_out": True}), "partial_result"),
    "garbage": (says(200, b"\x00\xff garbage"), "engine_error"),
    "no search result": (says(200, {"acknowledged": True}), "engine_error"),
    "half an answer": (half_an_answer, "engine_error"),
    "hung up": (hang_up, "engine_error"),
}
FINAL = {
    "400": (fault(400, "parsing_exception", "unknown query [x]"), "engine_error"),
    "404": (fault(404, "index_not_found_exception", "no such index [cities]"), "engine_error"),
    "too large": (says(200, WHOLE | {"x": "y" * 33 * 1024 * 1024}), "result_too_large"),
}


async def asked(arrivals: Arrivals, user_context: UserContext) -> Any:
    request = question(await make_user(user_context))
    await arrivals.arrive(request)
    return request


@pytest.mark.parametrize("name", PASSING)
async def test_a_fault_that_may_pass_is_tried_again_and_then_answered(
    database: Database, meeting: Meeting, arrivals: Arrivals, user_context: UserContext, name: str
) -> None:
    request = await asked(arrivals, user_context)
    good, (meeting.cluster.searches, _) = meeting.cluster.searches, PASSING[name]
    assert await run(meeting.execution) == "retry"
    assert await state(database, id_of(request)) == ("retry", 0)
    meeting.cluster.searches = good
    await rows(database, "UPDATE incoming_requests SET retry_at = now()")
    assert await run(meeting.execution) == "completed"
    [row] = await rows(database, "SELECT result_data::text AS body, executions FROM query_results")
    assert (json.loads(row.body), row.executions) == (WHOLE, 2)


@pytest.mark.parametrize("name", ["429", "503", "garbage", "some red shards"])
async def test_a_fault_that_does_not_pass_ends_after_five_retries(
    database: Database, meeting: Meeting, arrivals: Arrivals, user_context: UserContext, name: str
) -> None:
    request = await asked(arrivals, user_context)
    meeting.cluster.searches, reason = PASSING[name]
    for _ in range(MAX_RETRIES):
        assert await run(meeting.execution) == "retry"
        await rows(database, "UPDATE incoming_requests SET retry_at = now()")
    assert await run(meeting.execution) == reason
    assert await state(database, id_of(request)) == ("failed", 1)
    [row] = await rows(database, "SELECT message, executions FROM query_results")
    assert row.executions == MAX_RETRIES + 1
    assert "It was tried 6 times." in row.message


@pytest.mark.parametrize("name", FINAL)
async def test_a_fault_that_cannot_pass_ends_the_request_at_once(
    database: Database, meeting: Meeting, arrivals: Arrivals, user_context: UserContext, name: str
) -> None:
    request = await asked(arrivals, user_context)
    meeting.cluster.searches, reason = FINAL[name]
    assert await run(meeting.execution) == reason
    assert meeting.cluster.asked == 1
    assert await state(database, id_of(request)) == ("failed", 1)


async def test_an_engine_that_never_answers_is_left_after_its_time(
    database: Database, meeting: Meeting, arrivals: Arrivals, user_context: UserContext
) -> None:
    request = await asked(arrivals, user_context)
    meeting.cluster.searches = meeting.cluster.never
    answering = replace(meeting.execution.answering, timeout_seconds=0.05, engine_grace_seconds=0.05)
    async with asyncio.timeout(20):
        assert await run(replace(meeting.execution, answering=answering)) == "retry"
        await meeting.cluster.left.wait()
    assert await state(database, id_of(request)) == ("retry", 0)


async def test_a_cancelled_request_closes_the_connection_by_which_elasticsearch_ends_its_search(
    database: Database, meeting: Meeting, arrivals: Arrivals, user_context: UserContext
) -> None:
    request = await asked(arrivals, user_context)
    meeting.cluster.searches = meeting.cluster.never
    notices = Notices(database.url)
    notices.wake_on(INTERRUPTED, meeting.execution.interruptions.wake)
    notices.start()
    async with asyncio.timeout(20):
        executing = asyncio.create_task(execute_next(meeting.execution))
        await meeting.cluster.silent.wait()
        await arrivals.arrive(cancellation(request))
        await meeting.cluster.left.wait()
        ended = await executing
    await notices.close()
    assert ended is not None
    assert ended.outcome == "lost"
    assert await state(database, id_of(request)) == ("cancelled", 0)


@pytest.mark.parametrize("name", ["502", "503", "401", "garbage", "half an answer", "hung up"])
async def test_what_any_search_would_meet_opens_the_circuit(
    meeting: Meeting, arrivals: Arrivals, user_context: UserContext, name: str
) -> None:
    assert await circuit_after(meeting, arrivals, user_context, PASSING[name][0]) is CircuitState.OPEN


@pytest.mark.parametrize("name", ["500", "403", "red shards", "some red shards", "timed out", "504"])
async def test_what_one_search_or_one_index_meets_does_not(
    meeting: Meeting, arrivals: Arrivals, user_context: UserContext, name: str
) -> None:
    assert await circuit_after(meeting, arrivals, user_context, PASSING[name][0]) is CircuitState.CLOSED


async def test_an_overloaded_cluster_is_slowed(meeting: Meeting, arrivals: Arrivals, user_context: UserContext) -> None:
    assert await circuit_after(meeting, arrivals, user_context, PASSING["429"][0]) is CircuitState.SLOWED


async def test_a_red_cluster_that_answers_is_not_left_alone_for_ever(
    database: Database, meeting: Meeting, arrivals: Arrivals, user_context: UserContext
) -> None:
    """Some index is red, and no request asks it."""
    request = await asked(arrivals, user_context)
    meeting.cluster.health = says(200, {"status": "red"})
    gate = EngineGate(meeting.engine, 1, jitter=lambda: 0.9)
    good, meeting.cluster.searches = meeting.cluster.searches, hang_up
    assert await Executors(meeting.execution, 1, gate=gate).run() == {"retry": 1}
    assert gate.state is CircuitState.HALF_OPEN
    meeting.cluster.searches = good
    await rows(database, "UPDATE incoming_requests SET retry_at = now()")
    assert await Executors(meeting.execution, 1, gate=gate).run() == {"completed": 1}
    assert gate.state is CircuitState.CLOSED
    assert await state(database, id_of(request)) == ("completed", 1)


async def test_a_cluster_that_refuses_connections_is_asked_for_nothing(
    database: Database, execution: ExecutionContext, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(*(question(user) for _ in range(20)))
    engine = ElasticsearchEngine(ElasticsearchAccess(["http://127.0.0.1:9"]))
    away = replace(execution, answering=replace(execution.answering, engine=engine))
    gate = EngineGate(engine, 2, jitter=lambda: 0.9)
    assert await Executors(away, 2, gate=gate).run() == {}
    assert gate.state is CircuitState.OPEN
    [row] = await rows(database, "SELECT count(*) FROM incoming_requests WHERE status = 'pending'")
    assert row.count == 20
    await engine.close()


async def circuit_after(
    meeting: Meeting, arrivals: Arrivals, user_context: UserContext, searches: Handler
) -> CircuitState:
    """The state after one search."""
    await asked(arrivals, user_context)
    meeting.cluster.searches = searches
    gate = EngineGate(meeting.engine, 4, jitter=lambda: 0.5)
    assert await gate.enter()
    ended = await execute_next(meeting.execution)
    assert ended is not None
    await gate.leave(ended.sign)
    return gate.state
