"""Each limit refuses one beyond it and names itself; whatever a client nests, the check ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airlock.search.v1.query_pb2 import OPERATOR_UNSPECIFIED, MatchQuery, Query, TermsQuery
from airlock.search.v1.scalar_pb2 import Scalar
from airlock.search.v1.search_pb2 import Search, SourceFilter

from common.errors import QueryInvalidError, QueryLimitError
from common.search.body import read_body
from common.search.indices import check_index_name
from common.search.kind import clause_kind, query_type
from common.search.limits import QueryLimits, check_search
from common.search.normal import normal_form, search_digest


def read(body: object) -> Search:
    return read_body(json.dumps(body).encode())


def nested(levels: int) -> Search:
    search = Search()
    query = search.query
    for _ in range(levels - 1):
        query = query.bool.must.add()
    query.match_all.SetInParent()
    return search


def aggregations(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"missing": {"field": "f"}}
    for _ in range(levels - 1):
        inner = {"missing": {"field": "f"}, "aggs": {"a": inner}}
    return {"aggs": {"a": inner}}


def wildcard(value: str) -> Any:
    return {"query": {"wildcard": {"f": value}}}


def multi_match(**options: Any) -> Any:
    return {"query": {"multi_match": {"query": "x", "fields": ["f"], **options}}}


def fuzzy(**options: Any) -> Any:
    return {"query": {"fuzzy": {"f": {"value": "x", **options}}}}


def terms(**options: Any) -> Any:
    return {"aggs": {"a": {"terms": {"field": "f", **options}}}}


def percentiles(**options: Any) -> Any:
    return {"aggs": {"a": {"percentiles": {"field": "f", **options}}}}


def ranges(count: int) -> Any:
    return {"aggs": {"a": {"range": {"field": "f", "ranges": [{}] * count}}}}


def filters(count: int) -> Any:
    return {"aggs": {"a": {"filters": {"filters": [{"match_all": {}}] * count}}}}


def highlight(fragments: int) -> Any:
    return {"highlight": {"fields": {"f": {"number_of_fragments": fragments}}}}


def histogram(bounds: Any, **options: Any) -> Any:
    return {"aggs": {"a": {"histogram": {"field": "f", "interval": 1, "extended_bounds": bounds, **options}}}}


def days(first: Any, last: Any) -> Any:
    bounds = {"min": first, "max": last}
    return {"aggs": {"a": {"date_histogram": {"field": "f", "fixed_interval": "1d", "extended_bounds": bounds}}}}


@pytest.mark.parametrize(
    ("limit", "allowed", "within", "beyond"),
    [
        ("max_depth", 3, nested(3), nested(4)),
        (
            "max_clauses",
            3,
            read({"query": {"bool": {"must": [{"match_all": {}}] * 2}}}),
            read({"query": {"bool": {"must": [{"match_all": {}}] * 3}}}),
        ),
        ("max_string_length", 4, read({"query": {"match": {"f": "abcd"}}}), read({"query": {"match": {"f": "abcde"}}})),
        (
            "max_pattern_length",
            3,
            read({"query": {"wildcard": {"f": "ab*"}}}),
            read({"query": {"prefix": {"f": "abcd"}}}),
        ),
        ("max_aggregation_depth", 2, read(aggregations(2)), read(aggregations(3))),
        ("max_aggregations", 2, read(aggregations(2)), read(aggregations(3))),
        ("max_size", 5, read({"size": 5}), read({"size": 6})),
        ("max_wildcards", 2, read(wildcard("a*b\\*?")), read(wildcard("*a*?"))),
        ("max_values", 2, read({"query": {"terms": {"f": [1, 2]}}}), read({"query": {"terms": {"f": [1, 2, 3]}}})),
        (
            "max_values",
            1,
            read({"query": {"ids": {"values": ["1"]}}}),
            read({"query": {"ids": {"values": ["1", "2"]}}}),
        ),
        ("max_values", 1, read(terms(include=["a"])), read(terms(exclude=["a", "b"]))),
        ("max_fields", 1, read(multi_match(fields=["a"])), read(multi_match(fields=["a", "b"]))),
        ("max_expansions", 9, read(multi_match(max_expansions=9)), read(multi_match(max_expansions=10))),
        # Where nothing is said, fifty count.
        ("max_expansions", 49, read(multi_match()), read(multi_match(fuzziness=1))),
        ("max_expansions", 49, read(multi_match()), read(multi_match(type="phrase_prefix"))),
        ("max_expansions", 49, read(fuzzy(max_expansions=49)), read(fuzzy())),
        ("max_slop", 0, read(multi_match(slop=0)), read({"query": {"match_phrase": {"f": {"query": "x", "slop": 1}}}})),
        ("max_ranges", 1, read(ranges(1)), read(ranges(2))),
        ("max_filters", 1, read(filters(1)), read(filters(2))),
        ("max_percents", 1, read(percentiles(percents=[1])), read(percentiles(percents=[1, 2]))),
        (
            "max_compression",
            100,
            read(percentiles(tdigest={"compression": 100})),
            read(percentiles(tdigest={"compression": 100.5})),
        ),
        (
            "max_precision_threshold",
            9,
            read({"aggs": {"a": {"cardinality": {"field": "f", "precision_threshold": 9}}}}),
            read({"aggs": {"a": {"cardinality": {"field": "f", "precision_threshold": 10}}}}),
        ),
        ("max_sort_keys", 1, read({"sort": "a"}), read({"sort": ["a", "b"]})),
        ("max_source_patterns", 1, read({"_source": "a"}), read({"_source": {"excludes": ["a", "b"]}})),
        ("max_highlight_fields", 0, read({}), read({"highlight": {"fields": {"a": {}}}})),
        ("max_fragments", 1, read(highlight(1)), read(highlight(2))),
        ("max_buckets", 10, read(histogram({"min": 0, "max": 9})), read(histogram({"min": 0, "max": 10}))),
        (
            "max_buckets",
            10,
            read(histogram({"min": 0, "max": 99}, min_doc_count=1)),
            read(histogram({"min": 0, "max": 99})),
        ),
        ("max_buckets", 31, read(days("2013-01-01", "2013-01-31")), read(days("2013-01", "2013-02"))),
        ("max_buckets", 31, read(days("now-1y", "now")), read(days(0, 31 * 86_400_000))),
        ("max_window", 30, read({"from": 20}), read({"from": 20, "size": 11})),
        (
            "max_buckets",
            60,
            read({"aggs": {"a": {"terms": {"field": "f", "size": 60}}}}),
            read({"aggs": {"a": {"terms": {"field": "f"}, "aggs": {"b": {"terms": {"field": "g"}}}}}}),
        ),
    ],
)
def test_a_search_beyond_a_limit_is_refused_and_the_limit_named(
    limit: str, allowed: int, within: Search, beyond: Search
) -> None:
    limits = QueryLimits(**{limit: allowed})
    check_search(within, limits)
    with pytest.raises(QueryLimitError) as refused:
        check_search(beyond, limits)
    assert refused.value.metadata == {"limit": limit, "allowed": str(allowed)}


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("*a" + "?" * 8, True),
        ("*a" + "?" * 9, False),
        ("*a????*b????", True),
        ("*a????*b?????", False),
        ("?" * 16, True),
        ("*" + "?" * 15, True),
        ("abc" + "?" * 13, True),
        ("*a" + r"\?" * 9, True),
        ("*é" + "?" * 9, False),
    ],
)
def test_a_pattern_that_would_explode_is_refused(pattern: str, *, fits: bool) -> None:
    search = read(wildcard(pattern))
    if fits:
        check_search(search, QueryLimits())
    else:
        assert "take the engine too long" in invalid(search)["query.wildcard.f.value"]


@pytest.mark.parametrize("body", [{"size": 1001}, {"from": 9_991}, {"from": 9_001, "size": 1000}])
def test_the_standing_limits_of_hits_hold_without_settings(body: object) -> None:
    with pytest.raises(QueryLimitError):
        check_search(read(body), QueryLimits())


@pytest.mark.parametrize("value", ["*a", "?a"])
def test_a_leading_wildcard_is_refused_where_it_is_not_allowed(value: str) -> None:
    search = read({"query": {"wildcard": {"f": value}}})
    check_search(search, QueryLimits(allow_leading_wildcard=True))
    with pytest.raises(QueryLimitError) as refused:
        check_search(search, QueryLimits(allow_leading_wildcard=False))
    assert refused.value.metadata["limit"] == "allow_leading_wildcard"


@pytest.mark.parametrize(
    "body",
    [
        {"query": {"wildcard": {"f": "a*"}}},
        {"query": {"bool": {"must_not": [{"wildcard": {"f": "a*"}}]}}},
        {"aggs": {"a": {"avg": {"field": "f"}}}},
        {"query": {"match_all": {}}, "aggs": {"a": {"filter": {"wildcard": {"f": "a*"}}}}},
    ],
)
def test_a_kind_that_is_not_allowed_is_found_wherever_it_stands(body: object) -> None:
    with pytest.raises(QueryLimitError) as refused:
        check_search(read(body), QueryLimits(allowed_kinds=frozenset({"term", "bool"})))
    assert refused.value.metadata == {"limit": "allowed_kinds", "allowed": "bool, term"}


def test_every_document_may_be_asked_for_whatever_kinds_are_allowed() -> None:
    for body in ({}, {"query": {"match_all": {}}}):
        check_search(read(body), QueryLimits(allowed_kinds=frozenset()))


def test_a_message_nested_far_beyond_any_stack_is_refused() -> None:
    with pytest.raises(QueryLimitError) as refused:
        check_search(nested(5_000), QueryLimits())
    assert refused.value.metadata["limit"] == "max_depth"
    assert len(refused.value.message) < 1_000


def test_a_typed_search_is_as_long_as_a_body_may_be_and_no_longer() -> None:
    search = Search(query=Query(terms={"f": TermsQuery(values=[Scalar(string_value="x" * 8_000)] * 40)}))
    with pytest.raises(QueryLimitError) as refused:
        check_search(search, QueryLimits())
    assert refused.value.metadata["limit"] == "max_bytes"


def invalid(search: Search) -> dict[str, str]:
    with pytest.raises(QueryInvalidError) as refused:
        check_search(search, QueryLimits())
    return {violation.field: violation.description for violation in refused.value.violations}


def two_clauses() -> Search:
    search = nested(2)
    search.query.bool.must[0].exists.field = "f"
    return search


@pytest.mark.parametrize(
    ("search", "path"),
    [
        (Search(query=Query()), "query"),
        (two_clauses(), "query.bool.must[0]"),
        (Search(query=Query(match={"f": MatchQuery()})), "query.match.f.query"),
        (
            Search(query=Query(match={"f": {"query": {"string_value": "x"}, "operator": OPERATOR_UNSPECIFIED}})),
            "query.match.f.operator",
        ),
        (Search(query=Query(term={"f": {"value": {"double_value": float("nan")}}})), "query.term.f.value"),
        (Search(query=Query(term={"f": {"value": {"string_value": "a\0b"}}})), "query.term.f.value"),
        (Search(source_filter=SourceFilter(enabled=False, includes=["a"])), "_source"),
        (Search(query=Query(terms={"boost": TermsQuery(boost=2.0)})), "query.terms"),
        (read({"query": {"multi_match": {"query": "x", "fields": ["a*"]}}}), "query.multi_match.fields[0]"),
        (read({"query": {"exists": {"field": "a*"}}}), "query.exists.field"),
        (read({"query": {"range": {"f": {"gt": 1, "gte": 2}}}}), "query.range.f"),
        (read({"query": {"range": {"f": {"lte": 1, "lt": 2}}}}), "query.range.f"),
        (read({"aggs": {"a": {"histogram": {"field": "f", "interval": 0}}}}), "aggs.a.histogram.interval"),
        (read({"aggs": {"a>b": {"avg": {"field": "f"}}}}), "aggs.a>b"),
    ],
)
def test_a_typed_search_that_breaks_a_rule_is_refused_with_its_path(search: Search, path: str) -> None:
    assert path in invalid(search)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({}, "match_all"),
        ({"query": {"match": {"f": "x"}}}, "match"),
        ({"query": {"bool": {"must": []}}}, "bool"),
        ({"query": {"match": {"f": "x"}}, "aggs": {"a": {"avg": {"field": "f"}}}}, "aggregation"),
    ],
)
def test_the_kind_of_a_search_is_its_outermost_clause_or_aggregation(body: object, kind: str) -> None:
    assert query_type(read(body)) == kind


def test_an_empty_query_has_no_kind() -> None:
    assert clause_kind(Query()) is None


def test_spelling_does_not_change_the_normal_form() -> None:
    short = read_body(b'{"size":1, "query": {"term": {"f": 1}}}')
    long = read_body(b'{"query": {"term": {"f": {"value": 1}}},\n "size": 1}')
    assert normal_form(short) == normal_form(long)
    assert search_digest(short) == search_digest(long)
    assert search_digest(short) != search_digest(read_body(b'{"size":1, "query": {"term": {"f": 1.0}}}'))


def test_the_order_of_maps_does_not_change_the_normal_form() -> None:
    names = [f"a{number}" for number in range(30)]
    forward = read({"aggs": {name: {"avg": {"field": "f"}} for name in names}})
    backward = read({"aggs": {name: {"avg": {"field": "f"}} for name in reversed(names)}})
    assert normal_form(forward) == normal_form(backward)
    assert Search.FromString(normal_form(forward)) == forward


@pytest.mark.parametrize(
    "body",
    [
        {"query": {"term": {"": 1}}},
        {"query": {"term": {"f" * 257: 1}}},
        {"query": {"match": {"f\0": "x"}}},
        {"aggs": {"": {"avg": {"field": "f"}}}},
    ],
)
def test_a_name_that_no_field_or_aggregation_has_is_refused(body: object) -> None:
    with pytest.raises(QueryInvalidError, match="has a name that is empty"):
        check_search(read(body), QueryLimits())


def test_the_first_fault_in_a_body_is_named_first() -> None:
    wrong = {"query": {"bool": {"must": [{"term": {"": 1}}, {"term": {"f" * 300: 1}}]}}}
    with pytest.raises(QueryInvalidError) as refused:
        check_search(read(wrong), QueryLimits())
    assert [violation.field for violation in refused.value.violations] == [
        "query.bool.must[0].term",
        "query.bool.must[1].term",
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"query": {"term": {"f": {"value": 1, "boost": 1e300}}}},
        {"query": {"fuzzy": {"f": {"value": "x", "prefix_length": 2**32 - 1}}}},
        {"query": {"match": {"f": {"query": "x", "fuzziness": "AUTO:9,1"}}}},
    ],
)
def test_what_elasticsearch_could_not_read_is_refused_before_the_trip(body: object) -> None:
    with pytest.raises(QueryInvalidError):
        check_search(read(body), QueryLimits())


@pytest.mark.parametrize("place", ["search", "clause"])
def test_fields_that_this_release_does_not_know_are_refused_and_not_lost(place: str) -> None:
    unknown = b"\xb8\x06\x01"
    clause = Query.FromString(Query(match_all={}).SerializeToString() + (unknown if place == "clause" else b""))
    search = Search.FromString(Search(query=clause).SerializeToString() + (unknown if place == "search" else b""))
    with pytest.raises(QueryInvalidError, match="does not know"):
        normal_form(search)


@pytest.mark.parametrize(
    "name",
    [
        "", "a*", "a?", "a,b", "_all", "-a", "+a", ".kibana", "A", "a..b", "<a-{now/d}>", "%3Ca", "remote:a", "a/b",
        "a\\b", "a b", 'a"b', "a#b", "a|b", "a\nb", "a\0b", "a" * 256, "ß" * 128,
    ],
)  # fmt: skip
def test_a_name_that_could_mean_more_than_one_index_is_refused(name: str) -> None:
    with pytest.raises(QueryInvalidError):
        check_index_name(name)
