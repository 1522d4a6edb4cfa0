"""Refusals in the words of whoever wrote the search: what should have stood there, never a pattern or a rule's id."""

from __future__ import annotations

import json
from typing import Any

import pytest

from common.errors import QueryInvalidError
from common.search.body import read_body
from common.search.limits import QueryLimits, check_search


def refusal(body: object) -> str:
    with pytest.raises(QueryInvalidError) as refused:
        check_search(read_body(json.dumps(body).encode()), QueryLimits())
    return refused.value.message


def of_aggregation(kind: str, **options: Any) -> str:
    return refusal({"aggs": {"a": {kind: {"field": "x"} | options}}})


def test_what_stands_in_the_place_of_an_object_is_told_the_objects_keys() -> None:
    assert refusal({"aggs": {"a": {"missing": "x"}}}).endswith("must be an object, not a string; known here: field")


def test_several_values_of_a_term_are_sent_to_terms() -> None:
    assert refusal({"query": {"term": {"x": [1, 2]}}}).endswith("not a list; for several values write terms")


def test_several_texts_of_a_match_are_sent_into_one() -> None:
    assert refusal({"query": {"match": {"x": ["a", "b"]}}}).endswith("not a list; write the words in one text")


def test_two_clauses_or_two_fields_are_sent_to_a_bool() -> None:
    assert refusal({"query": {"match": {"x": "a"}, "term": {"y": 1}}}).endswith("combine several in a bool")
    for kind, value in (("match", "a"), ("terms", [1])):
        assert refusal({"query": {kind: {"x": value, "y": value}}}).endswith("combine one clause for each in a bool")


def test_two_kinds_of_one_aggregation_get_a_name_each() -> None:
    assert refusal({"aggs": {"a": {"min": {"field": "x"}, "max": {"field": "x"}}}}).endswith("a name of its own")


def test_an_aggregation_without_a_name_is_told_where_it_goes() -> None:
    told = refusal({"aggs": {"terms": {"field": "x"}}})
    assert told.endswith('give the aggregation a name of your own: {"aggs": {"by": {"terms": …}}}')


def test_a_clause_without_its_value_is_told_that_it_is_missing() -> None:
    assert refusal({"query": {"match": {"x": {}}}}) == "query.match.x.query is missing"
    assert refusal({"query": {"exists": {}}}) == "query.exists.field is missing or empty"
    assert "interval must be given" in refusal({"aggs": {"a": {"histogram": {"field": "x"}}}})


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (lambda: of_aggregation("date_histogram", calendar_interval="2d"), "write a fixed_interval, such as 2d"),
        (lambda: of_aggregation("date_histogram", fixed_interval="1M"), "such as 90m; months"),
        (lambda: of_aggregation("date_histogram", fixed_interval="1d", offset="x"), "such as +3h"),
        (lambda: of_aggregation("range", ranges=[]), "is missing or empty; name at least one"),
        (lambda: of_aggregation("terms", size=0), "size must be greater than or equal to 1"),
        (
            lambda: refusal({"aggs": {"a[b]": {"min": {"field": "x"}}}}),
            "a name of 1 to 128 characters without [, ] and >",
        ),
        (lambda: refusal({"query": {"match": {"x": {"query": "a", "fuzziness": 3}}}}), "must be AUTO"),
    ],
)
def test_a_broken_form_is_told_by_examples(said: Any, expected: str) -> None:
    told = said()
    assert expected in told
    assert "regex" not in told
