"""What warnings say happens is what engines do: the mistake finds what it says, and the advice what was meant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from common.policy.index import AllowedIndex
from common.search.advice.warnings import query_warnings
from common.search.body import read_body
from tests.integration.search.test_fields_contract import FIELDS

if TYPE_CHECKING:
    from response_svc.ports import SearchEngine

Body = dict[str, Any]

NOTHING: set[str] = set()
CASES: list[tuple[str, Body, set[str], Body, set[str]]] = [
    (
        "TERM_ON_TEXT",
        {"term": {"title": "San Francisco"}},
        NOTHING,
        {"term": {"title.keyword": "San Francisco"}},
        {"0"},
    ),
    ("TERM_ON_TEXT", {"term": {"title": "Francisco"}}, NOTHING, {"match": {"title": "Francisco"}}, {"0"}),
    ("TERM_ON_TEXT", {"terms": {"title": ["Francisco"]}}, NOTHING, {"match": {"title": "Francisco"}}, {"0"}),
    ("CAPITALS_IN_PATTERN", {"prefix": {"title": "Franc"}}, NOTHING, {"prefix": {"title": "franc"}}, {"0"}),
    ("CAPITALS_IN_PATTERN", {"wildcard": {"title": "Franc*"}}, NOTHING, {"wildcard": {"title": "franc*"}}, {"0"}),
    (
        "CAPITALS_IN_PATTERN",
        {"prefix": {"title": "Franc"}},
        NOTHING,
        {"prefix": {"title": {"value": "Franc", "case_insensitive": True}}},
        {"0"},
    ),
    (
        "MATCH_ON_KEYWORD",
        {"match": {"title.keyword": "san francisco"}},
        NOTHING,
        {"match": {"title.keyword": "San Francisco"}},
        {"0"},
    ),
    ("MATCH_ON_KEYWORD", {"match": {"title.keyword": "Francisco"}}, NOTHING, {"match": {"title": "Francisco"}}, {"0"}),
    ("MATCHES_NOTHING", {"terms": {"place.country": []}}, NOTHING, {"terms": {"place.country": ["US"]}}, {"0"}),
    (
        "RANGE_ON_TEXT",
        {"range": {"title": {"gte": "francisco", "lte": "francisco"}}},
        {"0"},
        {"range": {"title.keyword": {"gte": "San Francisco", "lte": "San Francisco"}}},
        {"0"},
    ),
    (
        "SHOULD_IS_OPTIONAL",
        {"bool": {"filter": {"match": {"title": "francisco"}}, "should": {"term": {"place.country": "none"}}}},
        {"0"},
        {
            "bool": {
                "filter": {"match": {"title": "francisco"}},
                "should": {"term": {"place.country": "none"}},
                "minimum_should_match": 1,
            }
        },
        NOTHING,
    ),
]


async def found(engine: SearchEngine, index: str, query: Body) -> set[str]:
    """The ids of all hits."""
    search = read_body(json.dumps({"query": query, "size": 1000, "_source": False}).encode())
    answer = await engine.search(index, search, timeout_seconds=20, max_bytes=1 << 20, accept_partial=False)
    return {hit["_id"] for hit in json.loads(answer.body)["hits"]["hits"]}


@pytest.mark.parametrize(
    ("kind", "mistake", "finds", "advised", "finds_then"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES]
)
async def test_a_mistake_finds_what_its_warning_says(
    engine: SearchEngine, index: str, kind: str, mistake: Body, finds: set[str], advised: Body, finds_then: set[str]
) -> None:
    search = read_body(json.dumps({"query": mistake}).encode())
    assert [one.kind.name for one in query_warnings(search, AllowedIndex(index, "", FIELDS))] == [kind]
    assert await found(engine, index, mistake) == finds
    assert await found(engine, index, advised) == finds_then
