"""The fields that each engine tells, and that nothing is refused for its fields which the engine would answer."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from common.errors import QueryInvalidError
from common.policy.index import AllowedIndex
from common.search.body import read_body
from common.search.fields import check_fields
from response_svc.search.answers import EngineRefusedError, NoSuchIndexError, UnsupportedQueryError
from tests.integration.search.cases import every_body

if TYPE_CHECKING:
    from response_svc.ports import SearchEngine

FIELDS = {
    "title": "text",
    "title.keyword": "keyword",
    "tags": "keyword",
    "views": "long",
    "rank": "integer",
    "price": "double",
    "published": "date",
    "open": "boolean",
    "place": "object",
    "place.country": "keyword",
    "place.name": "text",
}
VALUES = ("abc", "12", "1.5", 7, 2.5, True, "true", "2013-01-31", "now", "", "10.0.0.1")
CLAUSES = ("match", "match_phrase", "term", "prefix", "wildcard", "fuzzy")
ONE_FIELD = ("terms", "avg", "min", "max", "sum", "stats", "value_count", "cardinality", "percentiles", "missing")
WITH_OPTIONS: dict[str, dict[str, Any]] = {
    "histogram": {"interval": 1000},
    "date_histogram": {"calendar_interval": "year"},
    "range": {"ranges": [{"to": 1}]},
    "date_range": {"ranges": [{"to": "2013"}]},
}


def every_use() -> list[dict[str, Any]]:
    """Every kind of clause, aggregation and sort on every field, with values of all sorts."""
    words = [value for value in VALUES if isinstance(value, str) and value]
    queries: list[dict[str, Any]] = [
        {clause: {field: value}}
        for clause, field in itertools.product(CLAUSES, FIELDS)
        for value in (VALUES if clause in {"match", "match_phrase", "term"} else words)
    ]
    queries += [{"terms": {field: [value]}} for field, value in itertools.product(FIELDS, VALUES)]
    queries += [{"range": {field: {"gte": value}}} for field, value in itertools.product(FIELDS, VALUES)]
    queries += [{"exists": {"field": field}} for field in FIELDS]
    queries += [{"multi_match": {"query": value, "fields": [field]}} for field in FIELDS for value in words]
    aggregations: list[dict[str, Any]] = [
        {kind: {"field": field} | WITH_OPTIONS.get(kind, {})}
        for kind, field in itertools.product((*ONE_FIELD, *WITH_OPTIONS), FIELDS)
    ]
    return [
        *[{"query": one, "size": 0} for one in queries],
        *[{"aggs": {"a": one}, "size": 0} for one in aggregations],
        *[{"sort": field, "size": 1} for field in FIELDS],
    ]


def refusal(index: AllowedIndex, body: dict[str, Any]) -> str | None:
    """Why a body is refused for its fields."""
    try:
        check_fields(read_body(json.dumps(body).encode()), index)
    except QueryInvalidError as error:
        return error.message
    return None


async def test_the_fields_of_an_index_are_told_in_elasticsearchs_words(engine: SearchEngine, index: str) -> None:
    assert dict(await engine.fields(index)) == FIELDS


async def test_an_index_that_is_not_there_has_no_fields(engine: SearchEngine, index: str) -> None:
    with pytest.raises(NoSuchIndexError):
        await engine.fields(f"{index}-gone")


async def test_no_body_that_gets_an_answer_is_refused_for_its_fields(engine: SearchEngine, index: str) -> None:
    allowed = AllowedIndex(index, "", await engine.fields(index))
    refused = [reason for body in every_body() if (reason := refusal(allowed, body)) is not None]
    # A field that is nowhere gets an answer from Elasticsearch, an empty one, and is refused here on purpose.
    assert refused
    assert all("nowhere" in reason for reason in refused)


async def test_what_is_refused_for_its_fields_would_be_refused_by_the_engine(engine: SearchEngine, index: str) -> None:
    allowed = AllowedIndex(index, "", await engine.fields(index))
    refused = [body for body in every_use() if refusal(allowed, body) is not None]
    assert len(refused) > 100
    wrongly = []
    for body in refused:
        search = read_body(json.dumps(body).encode())
        try:
            await engine.search(index, search, timeout_seconds=30, max_bytes=10**6, accept_partial=False)
            wrongly.append(body)
        except (EngineRefusedError, UnsupportedQueryError):
            pass
    assert wrongly == []
