"""The built-in engine passes over no option of the language: it knows it, or refuses it by name."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from common.search.body import read_body
from response_svc.search.answers import EngineRefusedError, UnsupportedQueryError
from response_svc.search.embedded import EmbeddedEngine, load_index
from response_svc.search.embedded.known import HARMLESS, KNOWN, check_known
from tests.generated_searches import FIELDS_OF_LANGUAGE, Fields, SearchMaker, messages_below
from tests.integration.search.cases import every_body
from tests.integration.search.refused_cases import REFUSED, UNSUPPORTED

if TYPE_CHECKING:
    from pathlib import Path

    from airlock.search.v1.search_pb2 import Search

FIELDS = set(FIELDS_OF_LANGUAGE)
TYPES = {"title": "text", "tags": "keyword", "views": "long", "price": "double", "published": "date", "open": "boolean"}
INDEX = "things"


def set_in(search: Search) -> set[tuple[str, str]]:
    return {(part.DESCRIPTOR.name, field.name) for part in messages_below(search) for field, _ in part.ListFields()}


def passed_over(fields: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the fields that the engine does not know, whatever their value."""
    return {
        (message, field) for message, field in fields if field not in KNOWN.get(message, ()) and message != "Scalar"
    }


def test_only_fields_of_the_language_are_known() -> None:
    assert {(message, field) for message, fields in KNOWN.items() for field in fields} <= FIELDS
    assert set(HARMLESS) <= FIELDS
    assert not set(HARMLESS) & {(message, field) for message, fields in KNOWN.items() for field in fields}


def test_every_field_that_is_known_stands_in_a_case_that_is_compared_with_elasticsearch() -> None:
    compared: set[tuple[str, str]] = set()
    for body in (*every_body(), *REFUSED, *UNSUPPORTED):
        compared |= set_in(read_body(json.dumps(body).encode()))
    assert {(message, field) for message, fields in KNOWN.items() for field in fields} - compared == set()


def test_every_other_field_is_refused_by_its_path() -> None:
    waiting = passed_over(FIELDS)
    for seed in range(3000):
        search = SearchMaker(Random(seed), depth=1, density=0.15).search()
        unknown = passed_over(set_in(search))
        reason = refusal(search)
        if reason is None:
            # Only values that say what counts anyway.
            assert unknown <= set(HARMLESS)
        elif not unknown:
            assert "with this value" in reason
        waiting -= unknown
    assert waiting == set()


def refusal(search: Search) -> str | None:
    try:
        check_known(search)
    except UnsupportedQueryError as error:
        return error.message
    return None


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"query": {"match": {"title": {"query": "x", "_name": "n"}}}}, "query.match.title._name"),
        ({"query": {"bool": {"adjust_pure_negative": False}}}, "query.bool.adjust_pure_negative"),
        ({"min_score": 1}, "min_score"),
        ({"highlight": {"fields": {"title": {}}}}, "highlight"),
        ({"aggs": {"a": {"filters": {"filters": [{"match_all": {}}]}}}}, "aggs.a.filters.filters"),
        ({"aggs": {"a": {"terms": {"field": "tags", "include": ["a"]}}}}, "aggs.a.terms.include"),
        ({"aggs": {"a": {"value_count": {"field": "views", "format": "0"}}}}, "aggs.a.value_count.format"),
        (
            {"aggs": {"a": {"date_histogram": {"field": "published", "calendar_interval": "second"}}}},
            "aggs.a.date_histogram.calendar_interval",
        ),
        ({"query": {"range": {"published": {"gte": 1, "time_zone": "UTC+01:00"}}}}, "query.range.published.time_zone"),
    ],
)
async def test_what_is_not_known_is_named(tmp_path: Path, body: dict[str, Any], named: str) -> None:
    load_index(tmp_path, INDEX, mapping(), [{"title": "x"}])
    with pytest.raises(UnsupportedQueryError, match=named.replace("[", r"\[")):
        await answer(EmbeddedEngine(tmp_path), read_body(json.dumps(body).encode()))


async def test_searches_of_all_options_are_answered_or_refused_and_never_fail(tmp_path: Path) -> None:
    documents = [
        {"title": f"alpha {n}", "tags": ["a", "Z"][: n % 3], "views": n, "price": n / 4, "published": "2013-01-31"}
        for n in range(20)
    ]
    load_index(tmp_path, INDEX, mapping(), documents)
    engine = EmbeddedEngine(tmp_path)
    answered, refusals = 0, []
    for seed in range(400):
        search = SearchMaker(Random(seed), Fields(TYPES), depth=2, density=0.1).search()
        try:
            answered += bool(json.loads(await answer(engine, search))["hits"])
        except (UnsupportedQueryError, EngineRefusedError) as error:
            refusals.append(error.message)
    assert answered > 50
    assert [reason for reason in refusals if "a fault of its own" in reason] == []


def mapping() -> dict[str, Any]:
    return {"properties": {name: {"type": kind} for name, kind in TYPES.items()}}


async def answer(engine: EmbeddedEngine, search: Search) -> bytes:
    found = await engine.search(INDEX, search, timeout_seconds=30, max_bytes=10**7, accept_partial=False)
    return found.body
