"""A real cluster in trouble: which of our errors each fault is, and so whether the search is tried again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from response_svc.search.answers import (
    EngineAnswer,
    EngineError,
    EngineOverloadedError,
    EngineRefusedError,
    EngineTimeoutError,
    PartialResultError,
    SearchUnavailableError,
)
from response_svc.search.connection import ElasticsearchAccess
from response_svc.search.elasticsearch import ElasticsearchEngine
from response_svc.search.refusal import error_of_status
from sandbox.elasticsearch import READER
from tests.integration.search.fake_cluster import ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.search.real import Body, RealServer

pytestmark = pytest.mark.elasticsearch

NOWHERE = {"index.routing.allocation.require._name": "nowhere"}
HALF = {"number_of_shards": 2, "index.routing.allocation.total_shards_per_node": 1}
FIELDS = {"properties": {"k": {"type": "keyword"}, "n": {"type": "long"}, "t": {"type": "text"}}}
BUCKETS = '{"size":0,"aggs":{"a":{"terms":{"field":"k","size":1000}}}}'


@pytest.fixture
async def reader(server: RealServer) -> AsyncIterator[ElasticsearchEngine]:
    """As a user who may only search."""
    engine = ElasticsearchEngine(server.access(READER))
    yield engine
    await engine.close()


async def refused(engine: ElasticsearchEngine, index: str, body: str = "{}", **options: bool) -> EngineError:
    with pytest.raises(EngineError) as failed:
        await ask(engine, body, index=index, max_bytes=10**7, **options)
    return failed.value


async def test_an_index_without_its_shards_may_come_back(server: RealServer, reader: ElasticsearchEngine) -> None:
    with server.index(NOWHERE) as index:
        error = await refused(reader, index)
        assert type(error) is PartialResultError
        assert error.may_pass
        error = await refused(reader, index, accept_partial=True)
        assert type(error) is SearchUnavailableError
        assert error.may_pass
        assert not error.engine_away


async def test_half_an_index_is_an_answer_only_to_who_accepts_a_part(
    server: RealServer, reader: ElasticsearchEngine
) -> None:
    with server.index(HALF) as index:
        server.ask("GET", f"/_cluster/health/{index}?wait_for_active_shards=1&timeout=60s")
        error = await refused(reader, index)
        assert type(error) is PartialResultError
        assert "accept a partial answer" in error.message
        answer = await ask(reader, index=index, accept_partial=True)
        assert answer.partial
        assert b'"failed":1' in answer.body


async def test_a_closed_index_may_be_opened_again(server: RealServer, reader: ElasticsearchEngine) -> None:
    with server.index() as index:
        server.ask("POST", f"/{index}/_close")
        error = await refused(reader, index)
        assert type(error) is SearchUnavailableError
        assert "is closed" in error.message
        server.ask("POST", f"/{index}/_open?wait_for_active_shards=1")
        assert isinstance(await ask(reader, index=index), EngineAnswer)


async def test_an_index_that_is_blocked_may_be_freed_again(server: RealServer, reader: ElasticsearchEngine) -> None:
    with server.index({"index.blocks.read": True}) as index:
        error = await refused(reader, index)
        assert type(error) is SearchUnavailableError
        assert "an operator must lift the block" in error.message


async def test_a_search_that_takes_too_long_is_ended_by_the_server(
    server: RealServer, reader: ElasticsearchEngine
) -> None:
    # The server looks at its clock once in a while only, so one search after another is asked until it does within one.
    with server.index(mappings=FIELDS, documents=5_000) as index:
        refusal = partial = None
        for body in (slow(clauses, first) for clauses in (20, 100, 400) for first in (1000, 3000, 5000)):
            given = {"index": index, "timeout_seconds": 0.001, "max_bytes": 10**7}
            try:
                await ask(reader, body, **given)
            except EngineTimeoutError as error:
                refusal = error
            answer = await ask(reader, body, **given, accept_partial=True)
            partial = answer if answer.partial else partial
            if refusal is not None and partial is not None:
                break
        assert refusal is not None
        assert refusal.may_pass
        assert "ask for less" in refusal.message
        assert partial is not None
        assert b'"timed_out":true' in partial.body


def slow(clauses: int, first: int) -> str:
    """A search with that many ways in which a word is looked for in all words; `first` makes it unlike others."""
    numbers = range(first, first + clauses)
    wildcards = ",".join(f'{{"wildcard":{{"k":"*{number}*"}}}}' for number in numbers)
    return f'{{"size":0,"track_total_hits":true,"query":{{"bool":{{"should":[{wildcards}]}}}}}}'


async def test_more_buckets_than_the_cluster_makes_are_refused_with_what_to_do(
    server: RealServer, reader: ElasticsearchEngine
) -> None:
    with server.index(mappings=FIELDS, documents=100) as index, server.cluster_setting("search.max_buckets", 10):
        error = await refused(reader, index, BUCKETS)
    assert type(error) is EngineRefusedError
    assert not error.may_pass
    assert "[search.max_buckets]" in error.message
    assert "ask for fewer or coarser buckets" in error.message


async def test_more_clauses_than_the_cluster_takes_are_refused_with_what_to_do(
    server: RealServer,
) -> None:
    def match(start: int) -> Body:
        return {"match": {"t": " ".join(f"w{number}" for number in range(start, start + 500))}}

    with server.index(mappings=FIELDS, documents=1) as index:
        # More than our own limits let through, so the engine is asked past them.
        body = {"query": {"bool": {"should": [match(500 * number) for number in range(100)]}}}
        answer = server.admin.post(f"/{index}/_search", json=body)
    error = error_of_status(answer.status_code, answer.content)
    assert type(error) is EngineRefusedError
    assert "ask with fewer clauses" in error.message


async def test_kinds_of_clauses_that_the_cluster_forbids_are_refused_by_name(
    server: RealServer, reader: ElasticsearchEngine
) -> None:
    setting = server.cluster_setting("search.allow_expensive_queries", value=False)
    with server.index(mappings=FIELDS, documents=1) as index, setting:
        error = await refused(reader, index, '{"query":{"wildcard":{"k":"*9"}}}')
    assert type(error) is EngineRefusedError
    assert "[wildcard]" in error.message
    assert "ask with other kinds of clauses" in error.message


async def test_a_search_that_needs_too_much_memory_may_pass_and_stops_no_other(
    server: RealServer, reader: ElasticsearchEngine
) -> None:
    with server.index(mappings=FIELDS, documents=100) as index:
        with server.cluster_setting("indices.breaker.request.limit", "1kb"):
            error = await refused(reader, index, BUCKETS)
        assert type(error) is SearchUnavailableError
        assert "more memory" in error.message
        assert not error.engine_away


async def test_an_engine_whose_memory_is_full_counts_as_overloaded(
    server: RealServer, reader: ElasticsearchEngine
) -> None:
    with server.index(mappings=FIELDS, documents=1) as index:
        with server.cluster_setting("indices.breaker.total.limit", "1%"):
            error = await refused(reader, index)
        assert type(error) is EngineOverloadedError
        assert error.engine_away
        assert (await ask(reader, index=index)).hit_count == 1


async def test_an_alias_of_one_index_is_taken_and_one_of_several_is_not(
    server: RealServer, reader: ElasticsearchEngine
) -> None:
    with server.index(documents=2) as first, server.index(documents=3) as second:
        alias = f"{first}-alias"
        server.ask("POST", "/_aliases", {"actions": [{"add": {"index": first, "alias": alias}}]})
        assert "n" in await reader.fields(alias)
        assert (await ask(reader, index=alias)).hit_count == 2
        server.ask("POST", "/_aliases", {"actions": [{"add": {"index": second, "alias": alias}}]})
        with pytest.raises(EngineRefusedError, match="stands for 2 indices"):
            await reader.fields(alias)


async def test_of_two_nodes_the_one_that_is_there_answers(server: RealServer) -> None:
    access = server.access(READER)
    engine = ElasticsearchEngine(
        ElasticsearchAccess(
            ["https://127.0.0.1:9", server.url], access.username, access.password, ca_file=access.ca_file
        )
    )
    with server.index(documents=2) as index:
        answers = await asyncio.gather(*(ask(engine, index=index) for _ in range(20)))
    assert {answer.hit_count for answer in answers} == {2}
    health = await engine.check()
    assert health.healthy
    assert "https://127.0.0.1:9: the search engine cannot be reached" in health.detail
    await engine.close()
