"""Searches held against the fields of an index: what is refused before the trip, and what the engine decides."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from common.errors import QueryInvalidError
from common.policy.index import AllowedIndex
from common.search.body import read_body
from common.search.fields import check_fields
from sandbox.dataset import MAPPINGS
from sandbox.demo_queries import questions

TYPES = {
    "title": "text",
    "title.keyword": "keyword",
    "notes": "text",
    "words": "text_with_fielddata",
    "tags": "keyword",
    "views": "long",
    "price": "scaled_float",
    "published": "date",
    "open": "boolean",
    "address": "ip",
    "years": "integer_range",
    "labels": "flattened",
    "place": "object",
    "place.country": "keyword",
    "shape": "geo_shape",
    "mixed": "conflict",
}
INDEX = AllowedIndex("books", "", TYPES)


def defects(body: Any, index: AllowedIndex = INDEX) -> list[tuple[str, str]]:
    """What is wrong with a body, as paths and reasons."""
    try:
        check_fields(read_body(json.dumps(body).encode()), index)
    except QueryInvalidError as error:
        return [(violation.field, violation.description) for violation in error.violations]
    return []


def query(clause: dict[str, Any]) -> dict[str, Any]:
    return {"query": clause}


def agg(kind: str, field: str, **options: Any) -> dict[str, Any]:
    return {"size": 0, "aggs": {"a": {kind: {"field": field, **options}}}}


UNKNOWN = [
    (query({"match": {"titel": "x"}}), "query.match.titel", "did you mean title"),
    (query({"match_phrase": {"title.keywords": "x"}}), "query.match_phrase.title.keywords", "title.keyword"),
    (query({"term": {"Tags": "x"}}), "query.term.Tags", "did you mean tags"),
    (query({"terms": {"tag": ["x"]}}), "query.terms.tag", "tags"),
    (query({"range": {"publisched": {"gte": 1}}}), "query.range.publisched", "published"),
    (query({"exists": {"field": "place.county"}}), "query.exists.field", "place.country"),
    (query({"prefix": {"tga": "x"}}), "query.prefix.tga", "tags"),
    (query({"wildcard": {"zzzzzz": "x*"}}), "query.wildcard.zzzzzz", "there are address, labels"),
    (query({"fuzzy": {"titl": "x"}}), "query.fuzzy.titl", "title"),
    (
        query({"multi_match": {"query": "x", "fields": ["title^2", "note^3.5"]}}),
        "query.multi_match.fields[1]",
        "did you mean notes",
    ),
    (query({"bool": {"must": [{"bool": {"filter": {"term": {"tagz": 1}}}}]}}), "query.bool.must[0].bool.filter", ""),
    (agg("terms", "tgs"), "aggs.a.terms.field", "tags"),
    (agg("missing", "prices"), "aggs.a.missing.field", "price"),
    ({"aggs": {"a": {"filter": {"term": {"opne": True}}}}}, "aggs.a.filter.term.opne", "open"),
    (
        {"aggs": {"a": {"terms": {"field": "tags"}, "aggs": {"b": {"avg": {"field": "pric"}}}}}},
        "aggs.a.aggs.b.avg.field",
        "price",
    ),
    ({"sort": [{"veiws": "desc"}]}, "sort[0]", "views"),
    ({"highlight": {"fields": {"titles": {}}}}, "highlight.fields.titles", "title"),
]


@pytest.mark.parametrize(("body", "path", "advice"), UNKNOWN, ids=[case[1] for case in UNKNOWN])
def test_a_field_that_the_index_lacks_is_refused_with_its_place_and_the_nearest_names(
    body: dict[str, Any], path: str, advice: str
) -> None:
    [(found, reason)] = defects(body)
    assert found.startswith(path)
    assert "which books does not have" in reason
    assert advice in reason


WRONG_TYPES = [
    (query({"prefix": {"views": "1"}}), "query.prefix.views", "try range"),
    (query({"wildcard": {"published": "2013*"}}), "query.wildcard.published", "date"),
    (query({"fuzzy": {"price": "1"}}), "query.fuzzy.price", "scaled_float"),
    (query({"prefix": {"open": "t"}}), "query.prefix.open", "boolean"),
    (query({"wildcard": {"address": "10.*"}}), "query.wildcard.address", "ip"),
    (query({"prefix": {"years": "1"}}), "query.prefix.years", "integer_range"),
    (agg("terms", "title"), "aggs.a.terms.field", "use title.keyword"),
    (agg("cardinality", "notes"), "aggs.a.cardinality.field", "are not kept for it"),
    (agg("value_count", "title"), "aggs.a.value_count.field", "use title.keyword"),
    (agg("missing", "title"), "aggs.a.missing.field", "use title.keyword"),
    (agg("avg", "tags"), "aggs.a.avg.field", "takes numbers"),
    # Its keyword cannot be averaged either.
    (agg("avg", "title"), "aggs.a.avg.field", "takes numbers"),
    (agg("percentiles", "address"), "aggs.a.percentiles.field", "takes numbers"),
    (agg("histogram", "title", interval=1), "aggs.a.histogram.field", "takes numbers"),
    (agg("range", "tags", ranges=[{"to": 1}]), "aggs.a.range.field", "takes numbers"),
    (agg("date_histogram", "tags", fixed_interval="1d"), "aggs.a.date_histogram.field", "takes dates"),
    (agg("date_range", "title", ranges=[{"to": "2013"}]), "aggs.a.date_range.field", "takes dates"),
    ({"sort": "title"}, "sort[0]", "use title.keyword"),
    ({"sort": [{"notes": "asc"}]}, "sort[0]", "are not kept for it"),
    ({"sort": "place"}, "sort[0]", "is an object"),
]


@pytest.mark.parametrize(("body", "path", "advice"), WRONG_TYPES)
def test_a_type_that_cannot_be_asked_so_is_refused_with_what_to_do(
    body: dict[str, Any], path: str, advice: str
) -> None:
    [(found, reason)] = defects(body)
    assert found == path
    assert advice in reason


WRONG_VALUES = [
    (query({"term": {"views": "abc"}}), "query.term.views"),
    (query({"term": {"views": {"value": True}}}), "query.term.views"),
    (query({"terms": {"price": [1, "1", "dear"]}}), "query.terms.price[2]"),
    (query({"match": {"views": "1 2"}}), "query.match.views"),
    (query({"match": {"views": "۱۲"}}), "query.match.views"),
    (query({"match_phrase": {"open": "perhaps"}}), "query.match_phrase.open"),
    (query({"range": {"views": {"gte": 1, "lt": "many"}}}), "query.range.views.lt"),
    (query({"range": {"published": {"gte": "yesterday"}}}), "query.range.published.gte"),
    (query({"range": {"published": {"gte": True, "format": "yyyy"}}}), "query.range.published.gte"),
    (query({"term": {"open": 1}}), "query.term.open"),
    (query({"term": {"open": "TRUE"}}), "query.term.open"),
    (query({"term": {"address": "localhost"}}), "query.term.address"),
    (query({"term": {"address": 10}}), "query.term.address"),
    (query({"multi_match": {"query": "san", "fields": ["title", "views"]}}), "query.multi_match.query"),
    (query({"terms": {"views": [1, 2**63]}}), "query.terms.views[1]"),
    (query({"range": {"views": {"lte": 2**64 - 1}}}), "query.range.views.lte"),
    (query({"range": {"published": {"gte": "2013-01-01", "lt": 1}}}), "query.range.published.gte"),
    (agg("avg", "views", missing="none"), "aggs.a.avg.missing"),
    (agg("sum", "views", missing=True), "aggs.a.sum.missing"),
    (agg("terms", "open", missing="perhaps"), "aggs.a.terms.missing"),
    (agg("terms", "address", include=["10.0.0.1", "x"]), "aggs.a.terms.include[1]"),
    (agg("terms", "views", exclude=["x"]), "aggs.a.terms.exclude[0]"),
    (agg("terms", "published", exclude=["now-1d"]), "aggs.a.terms.exclude[0]"),
    (agg("range", "shape", ranges=[{"to": 1}, {"from": "x"}]), "aggs.a.range.ranges[1].from"),
    (agg("date_range", "published", ranges=[{"from": "first"}]), "aggs.a.date_range.ranges[0].from"),
    ({"sort": [{"views": {"missing": "x"}}]}, "sort[0].missing"),
    ({"sort": [{"published": {"missing": "2013-01-31"}}]}, "sort[0].missing"),
    ({"sort": [{"open": {"missing": True}}]}, "sort[0].missing"),
]


@pytest.mark.parametrize(("body", "path"), WRONG_VALUES)
def test_a_value_that_cannot_be_of_the_fields_type_is_refused(body: dict[str, Any], path: str) -> None:
    [(found, reason)] = defects(body)
    assert found == path
    assert "is of the type" in reason


WRONG_OPTIONS = [
    (query({"term": {"views": {"value": 1, "case_insensitive": True}}}), "query.term.views", "takes words"),
    (query({"match": {"views": {"query": "1", "fuzziness": "AUTO"}}}), "query.match.views", "say lenient"),
    (
        query({"multi_match": {"query": "1", "fields": ["title", "views"], "fuzziness": 1}}),
        "query.multi_match.fields[1]",
        "say lenient",
    ),
    (
        query({"multi_match": {"query": "x", "fields": ["tags"], "type": "phrase_prefix"}}),
        "query.multi_match.fields[0]",
        "bool_prefix",
    ),
    (agg("terms", "tags", format="0"), "aggs.a.terms.field", "takes numbers and dates"),
    (agg("max", "open", format="0"), "aggs.a.max.field", "takes numbers and dates"),
    ({"sort": [{"views": {"format": "yyyy"}}]}, "sort[0]", "with format; it takes dates"),
    ({"sort": [{"tags": {"numeric_type": "long"}}]}, "sort[0]", "takes numbers and dates"),
    ({"sort": [{"views": {"numeric_type": "date_nanos"}}]}, "sort[0]", "takes dates"),
    ({"sort": [{"tags": {"mode": "avg"}}]}, "sort[0]", "takes min or max"),
]


@pytest.mark.parametrize(("body", "path", "advice"), WRONG_OPTIONS)
def test_an_option_that_a_type_does_not_take_is_refused(body: dict[str, Any], path: str, advice: str) -> None:
    [(found, reason)] = defects(body)
    assert found == path
    assert "with" in reason
    assert advice in reason


LET_THROUGH = [
    query({"range": {"title": {"gte": "s"}}}),
    query({"range": {"tags": {"gte": "a"}}}),
    query({"range": {"open": {"gte": "true"}}}),
    query({"match_phrase": {"tags": "a"}}),
    query({"match_phrase": {"views": "1"}}),
    query({"match": {"views": {"query": "san", "lenient": True}}}),
    query({"multi_match": {"query": "san", "fields": ["title", "views"], "lenient": True}}),
    query({"multi_match": {"query": "san", "fields": ["title", "views"], "type": "cross_fields"}}),
    *(query({"term": {"views": value}}) for value in (1.5, "1", "1.0", " 7 ", "1e3", "0x1p3", 10**18, "9" * 400)),
    query({"term": {"place": "IR"}}),
    query({"exists": {"field": "place"}}),
    query({"exists": {"field": "_id"}}),
    query({"term": {"_id": "1"}}),
    query({"ids": {"values": ["1"]}}),
    *(query({"range": {"published": {"gte": value}}}) for value in ("now-1d/d", "2013-01-01||/M", "2013", 2013, 2.5)),
    # The mapping may have a format of its own, which no list of fields tells.
    query({"range": {"published": {"gte": "1 Jan 2013"}}}),
    query({"range": {"published": {"gte": "tomorrow", "format": "EEEE"}}}),
    query({"term": {"address": "10.0.0.0/8"}}),
    query({"term": {"address": "::1"}}),
    query({"term": {"labels.any.key": "x"}}),
    query({"prefix": {"labels.key": "x"}}),
    query({"wildcard": {"mixed": "x*"}}),
    query({"term": {"mixed.part": 1}}),
    query({"exists": {"field": "shape"}}),
    agg("avg", "open"),
    agg("avg", "published"),
    agg("avg", "shape"),
    agg("terms", "words"),
    agg("terms", "address"),
    agg("date_histogram", "views", fixed_interval="1d"),
    agg("terms", "_index"),
    agg("missing", "words"),
    *(query({"range": {"published": {"gte": 1, "lt": value}}}) for value in (2, "5", "-5", None)),
    query({"range": {"published": {"gte": 2013, "lt": "2014", "format": "yyyy"}}}),
    query({"range": {"views": {"gte": 1, "lt": "5"}}}),
    query({"term": {"views": 2**63}}),
    query({"term": {"tags": {"value": "A", "case_insensitive": True}}}),
    query({"term": {"open": {"value": True, "case_insensitive": True}}}),
    query({"term": {"views": {"value": 1, "case_insensitive": False}}}),
    query({"match": {"tags": {"query": "x", "fuzziness": 1}}}),
    query({"match": {"views": {"query": "x", "fuzziness": 1, "lenient": True}}}),
    query({"multi_match": {"query": "x", "fields": ["tags", "views"], "type": "phrase_prefix", "lenient": True}}),
    query({"multi_match": {"query": "x", "fields": ["tags"], "type": "bool_prefix"}}),
    agg("terms", "views", missing="3", include=[1, "2"], exclude=[2.5], format="0.0"),
    agg("terms", "published", include=["MMM"], format="MMM"),
    agg("terms", "open", missing=1),
    agg("terms", "tags", missing=5, include=[1, True]),
    agg("range", "price", ranges=[{"from": "1.5"}, {"to": None}]),
    agg("date_range", "published", ranges=[{"from": "now-1d"}, {"to": 5}]),
    agg("avg", "shape", format="0.0", missing="x"),
    *({"sort": [{"views": {"missing": value}}]} for value in ("_first", "_last", 1, 1.5, "7", None)),
    *({"sort": [{"published": {"missing": value}}]} for value in (1, "-1")),
    {"sort": [{"tags": {"missing": True, "mode": "max"}}]},
    {"sort": [{"open": {"missing": 1, "mode": "avg", "numeric_type": "long"}}]},
    {"sort": [{"published": {"numeric_type": "date_nanos", "format": "yyyy", "mode": "median"}}]},
    {"sort": [{"views": {"numeric_type": "date", "mode": "sum"}}]},
    {"sort": ["_score", "_doc", {"words": "asc"}]},
    {"sort": [{"nowhere": {"unmapped_type": "long"}}]},
    {"highlight": {"fields": {"*": {}, "place.*": {}}}},
    {"_source": ["nowhere", "no*"]},
]


@pytest.mark.parametrize("body", LET_THROUGH, ids=json.dumps)
def test_what_elasticsearch_takes_is_let_through(body: dict[str, Any]) -> None:
    assert defects(body) == []


def test_an_index_without_known_fields_is_not_looked_at() -> None:
    assert defects(query({"prefix": {"nowhere": "x"}}), AllowedIndex("books")) == []


def test_all_defects_are_named_at_once_up_to_a_bound() -> None:
    clauses = [{"term": {f"field{number}": 1}} for number in range(100)]
    found = defects(query({"bool": {"should": clauses}}))
    assert len(found) == 16
    assert found[0][0] == "query.bool.should[0].term.field0"


def test_neither_many_fields_nor_long_texts_make_the_check_slow() -> None:
    """Not a measurement: a quadratic step here would take minutes."""
    index = AllowedIndex("wide", "", {f"some_rather_long_name_{number}": "long" for number in range(5000)})
    unknown = [{"term": {f"some_rather_lnog_name_{number}": 1}} for number in range(200)]
    digits = [{"term": {"some_rather_long_name_1": "1" * 8000 + "x"}} for _ in range(20)]
    started = time.process_time()
    assert defects(query({"bool": {"should": [*digits, *unknown]}}), index)
    assert time.process_time() - started < 20


def test_no_question_of_the_demo_is_refused() -> None:
    for question in questions():
        fields = {}
        for name, definition in MAPPINGS[question.index]["properties"].items():
            fields[name] = definition["type"]
            fields |= {f"{name}.{inner}": own["type"] for inner, own in definition.get("fields", {}).items()}
        check_fields(read_body(question.body), AllowedIndex(question.index, "", fields))
