"""What is warned of, and how dear a search is taken to be: each kind with what is warned of and what is not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from airlock.request.v1 import validation_pb2

from common.policy.index import AllowedIndex
from common.search.advice.aggregations import GUESSED_BUCKETS
from common.search.advice.cost import CostClass, estimate
from common.search.advice.warning import QueryWarning, WarningKind
from common.search.advice.warnings import MAX_OF_A_KIND, query_warnings
from common.search.body import read_body
from common.search.limits import QueryLimits, check_search
from tests.unit.search.warned_cases import FIELDS, FINE, WARNED, aggregate, clause, terms

if TYPE_CHECKING:
    from tests.unit.search.warned_cases import Body

INDEX = AllowedIndex("cities", "", FIELDS)


def warned(body: Body, index: AllowedIndex = INDEX) -> list[QueryWarning]:
    search = read_body(json.dumps(body).encode())
    check_search(search, QueryLimits())
    return query_warnings(search, index)


@pytest.mark.parametrize(("kind", "path", "body"), WARNED, ids=[f"{kind}-{path}" for kind, path, _ in WARNED])
def test_what_is_rarely_meant_is_warned_of_where_it_stands(kind: str, path: str, body: Body) -> None:
    found = [(one.kind.name, one.path) for one in warned(body)]
    assert (kind, path) in found


@pytest.mark.parametrize("body", FINE, ids=json.dumps)
def test_what_is_usual_is_not_warned_of(body: Body) -> None:
    assert warned(body) == []


def test_every_kind_is_tried_here_and_known_to_the_api() -> None:
    assert {kind for kind, _, _ in WARNED} | {"FIELDS_NOT_KNOWN"} == {kind.name for kind in WarningKind}
    known = {
        name.removeprefix("QUERY_WARNING_KIND_") for name in validation_pb2.QueryWarningKind.DESCRIPTOR.values_by_name
    }
    assert known == {kind.name for kind in WarningKind} | {"UNSPECIFIED"}
    classes = {name.removeprefix("COST_CLASS_") for name in validation_pb2.CostClass.DESCRIPTOR.values_by_name}
    assert classes == {one.name for one in CostClass} | {"UNSPECIFIED"}


def test_fields_that_have_not_arrived_are_said_once_and_nothing_of_their_types() -> None:
    unknown = AllowedIndex("cities")
    found = warned(clause("term", "title", "Tehran"), unknown)
    assert [(one.kind, one.path) for one in found] == [(WarningKind.FIELDS_NOT_KNOWN, "body")]
    assert WarningKind.LEADING_WILDCARD in {one.kind for one in warned(clause("wildcard", "x", "*a"), unknown)}


def test_advice_names_the_field_that_keeps_the_whole() -> None:
    [warning] = warned(clause("term", "title", "Tehran"))
    assert warning.text.endswith("use match, or term on title.whole")


def test_now_without_rounding_is_told_apart() -> None:
    [rounded] = warned(clause("range", "founded", {"gte": "now-1d/d"}))
    [exact] = warned(clause("range", "founded", {"gte": "now-1d"}))
    assert exact.text.startswith(rounded.text)
    assert "now/d" in exact.text


def test_one_mistake_made_often_does_not_hide_the_others() -> None:
    many = [clause("wildcard", "code", "*a")["query"] for _ in range(50)]
    found = warned({"from": 10, "query": {"bool": {"must": many}}})
    kinds = [one.kind for one in found]
    assert kinds.count(WarningKind.LEADING_WILDCARD) == MAX_OF_A_KIND
    assert WarningKind.UNSTABLE_PAGES in kinds


def cost(body: Body) -> tuple[CostClass, list[str]]:
    search = read_body(json.dumps(body).encode())
    found = estimate(search, query_warnings(search, INDEX))
    return found.cost_class, [reason.text for reason in found.reasons]


def many(count: int) -> Body:
    return {"query": {"bool": {"must": [{"term": {"code": str(n)}} for n in range(count)]}}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, CostClass.LOW),
        (clause("match", "title", "Tehran"), CostClass.LOW),
        (aggregate(a=terms(10)), CostClass.LOW),
        # A mistake that costs the engine nothing.
        (clause("term", "title", "Tehran"), CostClass.LOW),
        (clause("prefix", "code", "te"), CostClass.MEDIUM),
        (clause("fuzzy", "code", "tehran"), CostClass.MEDIUM),
        (clause("match", "title", {"query": "x", "fuzziness": 1}), CostClass.MEDIUM),
        (clause("terms", "code", [str(n) for n in range(257)]), CostClass.MEDIUM),
        ({"size": 0, "aggs": {"a": terms(10)}}, CostClass.MEDIUM),
        ({"size": 0, "query": {"match_all": {}}, "aggs": {"a": terms(10)}}, CostClass.MEDIUM),
        (aggregate(a=terms(60), b=terms(60)), CostClass.MEDIUM),
        (
            aggregate(a={"histogram": {"field": "population", "interval": 5}}, b=terms(GUESSED_BUCKETS + 1)),
            CostClass.MEDIUM,
        ),
        ({"from": 1000, "sort": ["code"]}, CostClass.MEDIUM),
        ({"size": 500}, CostClass.MEDIUM),
        (many(32), CostClass.MEDIUM),
        (many(128), CostClass.HIGH),
        (clause("wildcard", "code", "*an"), CostClass.HIGH),
        (aggregate(a=terms(2000)), CostClass.HIGH),
    ],
    ids=lambda value: json.dumps(value)[:50] if isinstance(value, dict) else value.name,
)
def test_the_cost_is_that_of_the_dearest_part(body: Body, expected: CostClass) -> None:
    found, reasons = cost(body)
    assert found is expected
    assert bool(reasons) == (expected is not CostClass.LOW)
