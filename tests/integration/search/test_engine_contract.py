"""What every engine answers, and that the built-in one answers as Elasticsearch does."""

from __future__ import annotations

import asyncio
import json
import math
import os
from typing import TYPE_CHECKING, Any

import pytest

from common.search.body import read_body
from common.search.limits import QueryLimits, check_search
from response_svc.search.answers import (
    EngineAnswer,
    EngineRefusedError,
    EngineTimeoutError,
    EngineUnavailableError,
    ResultTooLargeError,
    UnsupportedQueryError,
)
from tests.integration.search.cases import every_body
from tests.integration.search.refused_cases import REFUSED, UNSUPPORTED

if TYPE_CHECKING:
    from airlock.search.v1.search_pb2 import Search

    from response_svc.ports import SearchEngine
    from response_svc.search.elasticsearch import ElasticsearchEngine
    from response_svc.search.embedded import EmbeddedEngine

MAX_BYTES = 1024 * 1024


def read(body: object) -> Search:
    search = read_body(json.dumps(body).encode())
    check_search(search, QueryLimits())
    return search


async def ask(engine: SearchEngine, index: str, body: object, *, max_bytes: int = MAX_BYTES) -> EngineAnswer:
    return await engine.search(index, read(body), timeout_seconds=30, max_bytes=max_bytes, accept_partial=False)


async def ids(engine: SearchEngine, index: str, body: object) -> list[str]:
    return [hit["_id"] for hit in json.loads((await ask(engine, index, body)).body)["hits"]["hits"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"match": {"title": "کتاب"}}, {"7", "8"}),
        ({"match": {"title": "کتاب\u200cها"}}, {"3"}),
        ({"match": {"title": "san"}}, {"0", "1", "4"}),
        ({"multi_match": {"query": "شیراز", "fields": ["title", "place.name"]}}, {"7"}),
        ({"term": {"tags": "a"}}, {"0", "1", "4", "9"}),
        ({"term": {"views": 9007199254740993}}, {"4"}),
        ({"terms": {"tags": ["Z", "ایران"]}}, {"3", "6", "7"}),
        ({"range": {"views": {"gt": 1_000_000}}}, {"4", "6", "7"}),
        ({"range": {"published": {"lt": "2013-01-01"}}}, {"8"}),
        ({"exists": {"field": "place"}}, {"0", "1", "6", "7"}),
        ({"prefix": {"title": "کتا"}}, {"3", "7", "8"}),
        ({"wildcard": {"title.keyword": "San*o"}}, {"0"}),
        ({"fuzzy": {"title": "تهرن"}}, {"6"}),
        ({"ids": {"values": ["5", "none"]}}, {"5"}),
        ({"match_phrase": {"title": "jose costa"}}, set()),
        ({"bool": {"must": [{"match": {"title": "san"}}], "must_not": [{"term": {"open": True}}]}}, {"1", "4"}),
    ],
)
async def test_a_query_finds_exactly_these_documents(
    engine: SearchEngine, index: str, query: dict[str, Any], expected: set[str]
) -> None:
    assert set(await ids(engine, index, {"query": query, "size": 100})) == expected


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ([{"views": "desc"}], ["4", "6", "7"]),
        ([{"price": "asc"}], ["3", "10", "9"]),
        ([{"price": {"order": "asc", "missing": "_first"}}, {"rank": "asc"}], ["5", "2", "4"]),
        ([{"tags": {"order": "desc"}}, {"_doc": "asc"}], ["6", "7", "16"]),
    ],
)
async def test_hits_are_sorted_and_equal_ones_keep_their_order(
    engine: SearchEngine, index: str, sort: list[Any], first: list[str]
) -> None:
    assert await ids(engine, index, {"sort": sort, "size": 3}) == first


async def test_buckets_hold_figures(engine: SearchEngine, index: str) -> None:
    inner = {"most": {"max": {"field": "views"}}}
    answer = await ask(engine, index, {"size": 0, "aggs": {"by": {"terms": {"field": "place.country"}, "aggs": inner}}})
    buckets = json.loads(answer.body)["aggregations"]["by"]["buckets"]
    assert [(bucket["key"], bucket["doc_count"], bucket["most"]["value"]) for bucket in buckets] == [
        ("IR", 2, 8693706.0),
        ("CR", 1, 3.0),
        ("US", 1, 1.0),
    ]


async def test_an_answer_tells_its_count_and_its_time(engine: SearchEngine, index: str) -> None:
    answer = await ask(engine, index, {"query": {"term": {"tags": "a"}}, "size": 1})
    assert (answer.hit_count, answer.partial) == (4, False)
    assert json.loads(answer.body)["took"] == pytest.approx(answer.took_ms, abs=50)


async def test_hits_that_are_not_counted_count_as_none(engine: SearchEngine, index: str) -> None:
    assert (await ask(engine, index, {"track_total_hits": False})).hit_count == 0


async def test_integers_of_64_bits_come_back_exactly(engine: SearchEngine, index: str) -> None:
    answer = await ask(engine, index, {"query": {"ids": {"values": ["4"]}}, "sort": "views"})
    (hit,) = json.loads(answer.body)["hits"]["hits"]
    assert hit["_source"]["views"] == hit["sort"][0] == 9007199254740993


@pytest.mark.parametrize("body", REFUSED, ids=str)
async def test_what_the_mapping_does_not_allow_is_refused_for_good(
    engine: SearchEngine, index: str, body: dict[str, Any]
) -> None:
    # Much of it is refused before the trip already; an engine does not rely on that.
    search = read_body(json.dumps(body).encode())
    with pytest.raises(EngineRefusedError) as refused:
        await engine.search(index, search, timeout_seconds=30, max_bytes=MAX_BYTES, accept_partial=False)
    assert 20 < len(refused.value.message) < 700


async def test_an_index_that_is_not_there_is_refused(engine: SearchEngine) -> None:
    with pytest.raises(EngineRefusedError, match="no such index"):
        await ask(engine, "airlock-contract-nowhere", {})


async def test_an_answer_beyond_its_bytes_is_refused(engine: SearchEngine, index: str) -> None:
    with pytest.raises(ResultTooLargeError):
        await ask(engine, index, {"size": 100}, max_bytes=1000)


async def test_an_engine_says_that_it_is_well(engine: SearchEngine) -> None:
    health = await engine.check()
    assert health.healthy, health.detail


@pytest.mark.elasticsearch
async def test_an_index_that_the_account_may_not_read_is_never_answered(elasticsearch: ElasticsearchEngine) -> None:
    # Without security there are no accounts, and the index is simply not there.
    secured = bool(os.environ.get("ELASTICSEARCH_TEST_PASSWORD"))
    with pytest.raises(EngineUnavailableError if secured else EngineRefusedError):
        await ask(elasticsearch, "secrets", {})


@pytest.mark.elasticsearch
@pytest.mark.parametrize("body", every_body(), ids=lambda body: json.dumps(body, ensure_ascii=False)[:80])
async def test_the_built_in_engine_answers_as_elasticsearch_does(
    elasticsearch: ElasticsearchEngine, embedded: EmbeddedEngine, index: str, body: dict[str, Any]
) -> None:
    theirs = json.loads((await ask(elasticsearch, index, body)).body)
    ours = json.loads((await ask(embedded, index, body)).body)
    assert difference(without_run(theirs), without_run(ours)) is None


def without_run(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer without what differs from run to run. Elasticsearch notes when it could stop counting early."""
    return {key: value for key, value in answer.items() if key not in {"took", "_shards", "terminated_early"}}


def difference(theirs: Any, ours: Any, path: str = "") -> str | None:
    """Where two answers differ first; numbers may by a hundred-thousandth, which is how exact scores are."""
    if isinstance(theirs, dict) and isinstance(ours, dict) and theirs.keys() == ours.keys():
        inner = ((theirs[key], ours[key], f"{path}.{key}") for key in theirs)
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        inner = ((one, other, f"{path}[{place}]") for place, (one, other) in enumerate(zip(theirs, ours, strict=True)))
    elif isinstance(theirs, float) and isinstance(ours, float):
        return None if math.isclose(theirs, ours, rel_tol=1e-5) else f"{path}: {theirs} is not {ours}"
    else:
        return None if theirs == ours and type(theirs) is type(ours) else f"{path}: {theirs!r} is not {ours!r}"
    return next((found for one, other, here in inner if (found := difference(one, other, here))), None)


@pytest.mark.parametrize("body", UNSUPPORTED, ids=str)
async def test_what_the_built_in_engine_cannot_do_it_refuses_by_name(
    embedded: EmbeddedEngine, index: str, body: dict[str, Any]
) -> None:
    with pytest.raises(UnsupportedQueryError, match="connect Elasticsearch"):
        await ask(embedded, index, body)


@pytest.mark.elasticsearch
@pytest.mark.parametrize("body", UNSUPPORTED, ids=str)
async def test_elasticsearch_can_do_what_the_built_in_engine_refuses(
    elasticsearch: ElasticsearchEngine, index: str, body: dict[str, Any]
) -> None:
    assert (await ask(elasticsearch, index, body)).body


async def test_the_built_in_engine_gives_up_when_the_time_is_over(embedded: EmbeddedEngine, index: str) -> None:
    with pytest.raises(EngineTimeoutError):
        await embedded.search(index, read({}), timeout_seconds=-1, max_bytes=MAX_BYTES, accept_partial=False)


async def test_the_built_in_engine_answers_many_at_once(embedded: EmbeddedEngine, index: str) -> None:
    bodies = every_body()[::5]
    alone = [json.loads((await ask(embedded, index, body)).body) for body in bodies]
    together = await asyncio.gather(*(ask(embedded, index, body) for body in bodies))
    assert [without_run(json.loads(answer.body)) for answer in together] == [without_run(answer) for answer in alone]
