"""What becomes of each way in which a cluster can fail: a small server plays them, the real client meets them."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from common.errors import QueryInvalidError
from response_svc.search.answers import (
    EngineError,
    EngineRefusedError,
    EngineTimeoutError,
    EngineUnavailableError,
    PartialResultError,
    ResultTooLargeError,
    SearchUnavailableError,
)
from response_svc.search.connection import ElasticsearchAccess
from response_svc.search.elasticsearch import ElasticsearchEngine
from tests.integration.search.fake_cluster import PRODUCT, SHARDS, WHOLE, Cluster, ask, fault, running, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.search.fake_cluster import Handler


@pytest.fixture
async def cluster() -> AsyncIterator[tuple[Cluster, str]]:
    cluster = Cluster()
    async with running(cluster) as address:
        yield cluster, address


@pytest.fixture
async def engine(cluster: tuple[Cluster, str]) -> AsyncIterator[ElasticsearchEngine]:
    engine = ElasticsearchEngine(ElasticsearchAccess([cluster[1]]))
    yield engine
    await engine.close()


async def test_the_answer_is_the_engines_text_byte_for_byte(
    cluster: tuple[Cluster, str], engine: ElasticsearchEngine
) -> None:
    odd = (
        b'\n{ "took" : 7, "timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0}, "hits":'
        b'{"total":{"value":1,"relation":"eq"},"hits":[{"_source":{"n":9007199254740993,"n2":1.10,"t":"\\u0646"}}]}}\n'
    )
    cluster[0].handler = text(200, odd)
    answer = await ask(engine)
    assert answer.body == odd
    assert (answer.took_ms, answer.hit_count, answer.partial) == (7, 1, False)


async def test_only_a_search_of_exactly_one_index_is_asked_for(
    cluster: tuple[Cluster, str], engine: ElasticsearchEngine
) -> None:
    await ask(engine, '{"query":{"term":{"n":9007199254740993}},"size":0}')
    (request,) = cluster[0].asked
    assert (request.method, request.path) == ("POST", "/cities/_search")
    assert dict(request.query) == {
        "allow_partial_search_results": "false",
        "expand_wildcards": "none",
        "timeout": "5000ms",
    }
    assert cluster[0].bodies == [b'{"query":{"term":{"n":{"value":9007199254740993}}},"size":0}']


@pytest.mark.parametrize("index", ["a,b", "*", "_all", "a/_delete_by_query", "remote:a", "..", "a%2Cb"])
async def test_a_name_that_is_not_one_index_never_reaches_the_cluster(
    cluster: tuple[Cluster, str], engine: ElasticsearchEngine, index: str
) -> None:
    with pytest.raises(QueryInvalidError):
        await ask(engine, index=index)
    assert not cluster[0].asked


def caused(status: int, kind: str, inner: str, reason: str) -> Handler:
    """A fault without a root, as Elasticsearch tells those of a search whose partial answers are not accepted."""
    error = {"root_cause": [], "type": kind, "reason": "", "caused_by": {"type": inner, "reason": reason}}
    return text(status, json.dumps({"error": error, "status": status}))


@pytest.mark.parametrize(
    ("handler", "expected", "shown"),
    [
        (fault(400, "parsing_exception", "unknown query [x]"), EngineRefusedError, "unknown query [x]"),
        (fault(404, "index_not_found_exception", "no such index [cities]"), EngineRefusedError, "no such index"),
        (fault(413, "too_large", "too large"), EngineRefusedError, "too large"),
        (fault(401, "security_exception", "user secret-name"), EngineUnavailableError, "operator"),
        (fault(403, "security_exception", "user secret-name"), SearchUnavailableError, "operator"),
        (fault(429, "circuit_breaking_exception", "node-7 is full"), EngineUnavailableError, "429"),
        (fault(500, "null_pointer", "at org.elasticsearch"), SearchUnavailableError, "500"),
        (text(502, "<html>Bad Gateway</html>", kind="text/html"), EngineUnavailableError, "502"),
        (fault(503, "cluster_block_exception", "no master"), EngineUnavailableError, "503"),
        (fault(503, "search_phase_execution_exception", "all shards failed"), SearchUnavailableError, "503"),
        (
            fault(503, "search_phase_execution_exception", "Partial shards failure"),
            PartialResultError,
            "part of the index",
        ),
        (fault(504, "timeout", "Time exceeded"), EngineTimeoutError, "in time"),
        (fault(400, "index_closed_exception", "closed"), SearchUnavailableError, "an operator must open it"),
        (fault(403, "cluster_block_exception", "blocked by: [FORBIDDEN/7]"), SearchUnavailableError, "lift the block"),
        (caused(503, "search_phase_execution_exception", "x", "due to missing shards"), PartialResultError, "accept"),
        (
            caused(429, "search_phase_execution_exception", "circuit_breaking_exception", "node-7"),
            SearchUnavailableError,
            "more memory",
        ),
        (
            caused(429, "search_phase_execution_exception", "es_rejected_execution_exception", "node-7"),
            EngineUnavailableError,
            "429",
        ),
        (
            caused(400, "search_phase_execution_exception", "too_many_buckets_exception", "Trying to create too many"),
            EngineRefusedError,
            "Trying to create too many; ask for fewer or coarser buckets",
        ),
        (fault(400, "x", "maxClauseCount is set to 8192"), EngineRefusedError, "ask with fewer clauses"),
        (fault(406, "media_type_header_exception", "x"), EngineUnavailableError, "must run 8 or 9"),
        (text(200, "<html>hello</html>", kind="text/html"), EngineUnavailableError, "not JSON"),
        (text(200, "not json}"), EngineUnavailableError, "no search result"),
        (text(200, "{}"), EngineUnavailableError, "no search result"),
        (text(200, "[]"), EngineUnavailableError, "no search result"),
        (text(200, ""), EngineUnavailableError, "no search result"),
        (text(200, json.dumps(WHOLE)[:-3]), EngineUnavailableError, "no search result"),
        (text(200, json.dumps(WHOLE | {"took": "x"})), EngineUnavailableError, "no search result"),
        (text(400, b"\xff\xfe{"), EngineRefusedError, "400"),
    ],
)
async def test_each_fault_has_its_error_and_shows_no_inner_matter(
    cluster: tuple[Cluster, str],
    engine: ElasticsearchEngine,
    handler: Handler,
    expected: type[EngineError],
    shown: str,
) -> None:
    cluster[0].handler = handler
    with pytest.raises(expected) as failed:
        await ask(engine)
    assert shown in failed.value.message
    assert failed.value.engine_away == expected.engine_away
    assert not any(
        hidden in failed.value.message for hidden in ("secret-name", "node-7", "org.elasticsearch", "<html>")
    )


async def test_a_long_reason_is_shortened_and_made_printable(
    cluster: tuple[Cluster, str], engine: ElasticsearchEngine
) -> None:
    cluster[0].handler = fault(400, "x", "\x1b[31m" + "long " * 1000)
    with pytest.raises(EngineRefusedError) as failed:
        await ask(engine)
    assert len(failed.value.message) < 600
    assert failed.value.message.isprintable()


async def test_a_server_that_is_away_may_come_back() -> None:
    engine = ElasticsearchEngine(ElasticsearchAccess(["http://127.0.0.1:9"]))
    with pytest.raises(EngineUnavailableError):
        await ask(engine)
    health = await engine.check()
    assert not health.healthy
    await engine.close()


async def test_an_answer_that_breaks_off_is_no_answer(
    cluster: tuple[Cluster, str], engine: ElasticsearchEngine
) -> None:
    async def break_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=PRODUCT | {"content-type": "application/json", "content-length": "1000"})
        await response.prepare(request)
        await response.write(b'{"took": 1')
        assert request.transport is not None
        request.transport.close()
        return response

    cluster[0].handler = break_off
    with pytest.raises(EngineUnavailableError):
        await ask(engine)


async def test_a_silent_server_is_left_after_the_time_and_a_grace(
    cluster: tuple[Cluster, str], engine: ElasticsearchEngine
) -> None:
    released = asyncio.Event()

    async def silent(_: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    cluster[0].handler = silent
    with pytest.raises(EngineTimeoutError):
        # The client waits two seconds longer than the server, so that the server can say what was late.
        await ask(engine, timeout_seconds=-1.8)
    released.set()


@pytest.mark.parametrize(
    "changed", [{"timed_out": True}, {"_shards": SHARDS | {"successful": 1, "failed": 1}}], ids=["timed out", "failed"]
)
async def test_a_partial_answer_is_an_error_unless_it_is_accepted(
    cluster: tuple[Cluster, str], engine: ElasticsearchEngine, changed: dict[str, Any]
) -> None:
    cluster[0].handler = text(200, json.dumps(WHOLE | changed))
    with pytest.raises(PartialResultError):
        await ask(engine)
    answer = await ask(engine, accept_partial=True)
    assert answer.partial
    assert cluster[0].asked[-1].query["allow_partial_search_results"] == "true"


async def test_an_answer_that_says_it_is_too_long_is_not_read(
    cluster: tuple[Cluster, str], engine: ElasticsearchEngine
) -> None:
    cluster[0].handler = text(200, json.dumps(WHOLE | {"x": "x" * 5000}))
    with pytest.raises(ResultTooLargeError):
        await ask(engine, max_bytes=4000)


async def test_an_answer_without_an_end_is_given_up_once_it_is_too_long(
    cluster: tuple[Cluster, str], engine: ElasticsearchEngine
) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers=PRODUCT | {"content-type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b" " * 65_536)
            sent += 65_536

    cluster[0].handler = endless
    with pytest.raises(ResultTooLargeError):
        await ask(engine, max_bytes=1_000_000)
    assert sent < 50_000_000
    cluster[0].handler = text(200, json.dumps(WHOLE))
    assert (await ask(engine)).hit_count == 3


async def test_an_answer_of_the_very_limit_is_taken(cluster: tuple[Cluster, str], engine: ElasticsearchEngine) -> None:
    body = json.dumps(WHOLE)
    cluster[0].handler = text(200, body)
    assert (await ask(engine, max_bytes=len(body))).body == body.encode()


async def test_a_long_answer_is_understood_from_its_beginning(
    cluster: tuple[Cluster, str], engine: ElasticsearchEngine
) -> None:
    hits = [{"_id": str(number), "_source": {"text": "ن" * 500}} for number in range(2_000)]
    body = json.dumps(WHOLE | {"hits": {"total": {"value": 2000, "relation": "eq"}, "hits": hits}}, ensure_ascii=False)
    cluster[0].handler = text(200, body)
    answer = await ask(engine, max_bytes=10_000_000)
    assert (answer.hit_count, len(answer.body)) == (2000, len(body.encode()))


@pytest.mark.parametrize(
    ("access", "sent"),
    [
        ({"username": "reader", "password": "پاس"}, "Basic " + base64.b64encode("reader:پاس".encode()).decode()),
        ({"api_key": "a2V5"}, "ApiKey a2V5"),
        ({"username": "reader", "password": "x", "api_key": "a2V5"}, "ApiKey a2V5"),
        ({}, None),
    ],
)
async def test_the_service_is_let_in_by_name_or_by_key(
    cluster: tuple[Cluster, str], access: dict[str, str], sent: str | None
) -> None:
    engine = ElasticsearchEngine(ElasticsearchAccess([cluster[1]], **access))
    await ask(engine)
    await engine.close()
    assert cluster[0].asked[0].headers.get("authorization") == sent


async def test_an_account_that_may_only_search_counts_as_healthy(
    cluster: tuple[Cluster, str], engine: ElasticsearchEngine
) -> None:
    async def only_search(request: web.Request) -> web.StreamResponse:
        allowed = request.path == "/_security/_authenticate"
        return await (text(200, "{}") if allowed else fault(403, "security_exception", "no"))(request)

    cluster[0].handler = only_search
    assert (await engine.check()).healthy


@pytest.mark.parametrize(("status", "healthy"), [("green", True), ("yellow", True), ("red", False)])
async def test_a_red_cluster_is_not_well(
    cluster: tuple[Cluster, str], engine: ElasticsearchEngine, status: str, healthy: bool
) -> None:
    cluster[0].handler = text(200, json.dumps({"status": status, "nodes": {"a": {"version": "9.5.3"}}}))
    health = await engine.check()
    assert (health.healthy, health.version) == (healthy, "9.5.3")


@pytest.mark.parametrize(
    ("indices", "told"),
    [
        (["cities-1", "cities-2"], "cities stands for 2 indices; allow one, or an alias of one"),
        ([".ds-cities-2026.01.01-000001"], "cities is a data stream"),
    ],
)
async def test_a_name_that_stands_for_several_indices_cannot_be_allowed(
    cluster: tuple[Cluster, str], engine: ElasticsearchEngine, indices: list[str], told: str
) -> None:
    cluster[0].handler = text(200, json.dumps({"indices": indices, "fields": {}}))
    with pytest.raises(EngineRefusedError, match=told):
        await engine.fields("cities")


@pytest.mark.parametrize("answer", [{"fields": {}}, {"indices": "a", "fields": {}}, {"indices": [7], "fields": {}}])
async def test_fields_of_no_index_that_is_named_are_none(
    cluster: tuple[Cluster, str], engine: ElasticsearchEngine, answer: dict[str, Any]
) -> None:
    cluster[0].handler = text(200, json.dumps(answer))
    with pytest.raises(EngineUnavailableError, match="names no fields"):
        await engine.fields("cities")
