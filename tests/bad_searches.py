"""Typed searches that must be refused, each with one defect: beyond a limit, against a rule, or of a wrong field."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from airlock.search.v1 import query_pb2
from airlock.search.v1.aggregation_pb2 import Aggregation
from airlock.search.v1.query_pb2 import Query, TermQuery, TermsQuery
from airlock.search.v1.scalar_pb2 import Scalar
from airlock.search.v1.search_pb2 import Search, Sort

FIELDS: Final = {"name": "text", "country": "keyword", "population": "long", "founded": "date"}
"""The fields of the index that is searched."""
UNKNOWN: Final = b"\xb8\x06\x01"
"""A field that no message has, as a release to come might write it."""


class Bad(NamedTuple):
    """A search that is refused, and words of the refusal that tell where and why."""

    name: str
    search: Search
    told: str
    of_fields: bool = False
    """Whether only the fields of the index tell that it is bad."""


def asked(**parts: Any) -> Search:
    """A search of these parts, of whatever types their fields take."""
    return Search(**parts)


def clause(**kinds: Any) -> Query:
    """A clause."""
    return Query(**kinds)


def aggregation(**kinds: Any) -> Aggregation:
    """An aggregation."""
    return Aggregation(**kinds)


def term(value: Scalar | None = None, **options: Any) -> Query:
    """A clause without a fault but those in its options."""
    return clause(term={"country": TermQuery(value=value or Scalar(string_value="IR"), **options)})


def queries(*clauses: Query) -> Search:
    """A search with these clauses."""
    return asked(query=clause(bool={"must": clauses}))


def nested(levels: int) -> Search:
    """Clauses inside clauses."""
    search = Search()
    query = search.query
    for _ in range(levels - 1):
        query = query.bool.must.add()
    query.match_all.SetInParent()
    return search


def aggregated(**kinds: Any) -> Search:
    """A search with one aggregation."""
    return asked(aggs={"a": aggregation(**kinds)})


def nested_aggregations(levels: int) -> Search:
    """Aggregations inside aggregations."""
    search = Search()
    inside: Any = search.aggs
    for _ in range(levels):
        inside["a"].missing.field = "country"
        inside = inside["a"].aggs
    return search


def wildcard(value: str) -> Search:
    """A search by a pattern."""
    return asked(query=clause(wildcard={"country": {"value": value}}))


def unknown_below() -> Search:
    """A search whose clause says more than this release knows."""
    return asked(query=Query.FromString(clause(match_all={}).SerializeToString() + UNKNOWN))


_MANY: Final = [Scalar(int_value=number) for number in range(1025)]

BAD: Final = [
    Bad("depth", nested(11), "max_depth"),
    Bad("clauses", queries(*[term()] * 256), "max_clauses"),
    Bad("values", asked(query=clause(terms={"population": TermsQuery(values=_MANY)})), "max_values"),
    Bad("ids", asked(query=clause(ids={"values": ["1"] * 1025})), "max_values"),
    Bad("long text", queries(term(Scalar(string_value="x" * 8193))), "max_string_length"),
    Bad("long pattern", wildcard("x" * 257), "max_pattern_length"),
    Bad("many wildcards", wildcard("a*" * 17), "max_wildcards"),
    Bad("a pattern that explodes", wildcard("*a" + "?" * 9), "take the engine too long"),
    Bad(
        "fields",
        asked(query=clause(multi_match={"query": {"string_value": "x"}, "fields": ["name"] * 65})),
        "max_fields",
    ),
    Bad(
        "expansions",
        asked(query=clause(fuzzy={"country": {"value": {"string_value": "x"}, "max_expansions": 1025}})),
        "max_expansions",
    ),
    Bad("slop", asked(query=clause(match_phrase={"name": {"query": {"string_value": "x"}, "slop": 101}})), "max_slop"),
    Bad("aggregation depth", nested_aggregations(5), "max_aggregation_depth"),
    Bad(
        "aggregations",
        asked(aggs={f"a{number}": aggregation(missing={"field": "country"}) for number in range(33)}),
        "max_aggregations",
    ),
    Bad("buckets", aggregated(terms={"field": "country", "shard_size": 10_001}), "max_buckets"),
    Bad(
        "buckets of a histogram",
        aggregated(
            histogram={
                "field": "population",
                "interval": 1,
                "extended_bounds": {"min": {"int_value": 0}, "max": {"int_value": 10_000}},
            }
        ),
        "max_buckets",
    ),
    Bad("ranges", aggregated(range={"field": "population", "ranges": [{}] * 257}), "max_ranges"),
    Bad("filters", aggregated(filters={"anonymous": [clause(match_all={})] * 257}), "max_"),
    Bad("percents", aggregated(percentiles={"field": "population", "percents": [1.0] * 65}), "max_percents"),
    Bad("precision", aggregated(cardinality={"field": "country", "precision_threshold": 40_001}), "max_precision"),
    Bad("size", asked(size=1001), "max_size"),
    Bad("window", asked(from_offset=9_991), "max_window"),
    Bad("size and from", asked(size=1000, from_offset=9_001), "max_window"),
    Bad("sort keys", asked(sort=[Sort(field="country")] * 17), "max_sort_keys"),
    Bad("source patterns", asked(source_filter={"includes": ["a"] * 129}), "max_source_patterns"),
    Bad(
        "highlighted fields",
        asked(highlight={"fields": {f"f{number}": {} for number in range(65)}}),
        "max_highlight_fields",
    ),
    Bad("fragments", asked(highlight={"fields": {"name": {"number_of_fragments": 101}}}), "max_fragments"),
    Bad("length", asked(query=clause(terms={"country": {"values": [{"string_value": "x" * 8000}] * 40}})), "max_bytes"),
    Bad("no clause", asked(query=Query()), "query"),
    Bad("two clauses", asked(query=clause(match_all={}, exists={"field": "name"})), "query"),
    Bad("no value", asked(query=clause(term={"country": {}})), "query.term.country.value"),
    Bad("null", queries(term(Scalar(null_value=True))), "is null"),
    Bad("not a number", queries(term(Scalar(double_value=float("nan")))), "query.bool.must[0].term.country.value"),
    Bad("infinity", queries(term(boost=float("inf"))), "boost"),
    Bad("negative boost", queries(term(boost=-1.0)), "boost"),
    Bad("minus zero as boost", queries(term(boost=-0.0)), "boost"),
    Bad("a zero character", queries(term(Scalar(string_value="a\0"))), "zero character"),
    Bad("a field without a name", asked(query=clause(exists={"field": ""})), "query.exists.field"),
    Bad("a field with a star", asked(query=clause(exists={"field": "na*"})), "without *"),
    Bad(
        "an unknown word",
        asked(query=clause(match={"name": {"query": {"string_value": "x"}, "operator": 7}})),
        "must be one of or, and",
    ),
    Bad(
        "a minimum that is none",
        asked(query=clause(bool={"minimum_should_match": "most"})),
        "query.bool.minimum_should_match",
    ),
    Bad(
        "two lower bounds",
        asked(query=clause(range={"population": {"gt": {"int_value": 1}, "gte": {"int_value": 2}}})),
        "either gt or gte",
    ),
    Bad(
        "fuzziness where it is refused",
        Search(
            query=clause(
                multi_match={
                    "query": {"string_value": "x"},
                    "fields": ["name"],
                    "type": query_pb2.MULTI_MATCH_TYPE_PHRASE,
                    "fuzziness": "1",
                }
            )
        ),
        "does not go with this type",
    ),
    Bad(
        "an unknown zone",
        aggregated(date_histogram={"field": "founded", "calendar_interval": "day", "time_zone": "Asia/Teheran"}),
        "did you mean Asia/Tehran?",
    ),
    Bad("a sort by script", asked(sort=[Sort(field="_script")]), "never carried"),
    Bad("an order by nothing", aggregated(terms={"field": "country", "order": [{"key": "m"}]}), "orders by m"),
    Bad(
        "a figure with aggregations",
        aggregated(avg={"field": "population"}, aggs={"b": aggregation(avg={"field": "population"})}),
        "makes no buckets",
    ),
    Bad("a name of an aggregation", asked(aggs={"a>b": aggregation(missing={"field": "country"})}), "aggs.a>b"),
    Bad("an interval of nothing", aggregated(histogram={"field": "population"}), "interval"),
    Bad("no filters", aggregated(filters={}), "aggs.a.filters"),
    Bad("tags of one side", asked(highlight={"fields": {"name": {}}, "pre_tags": ["<b>"]}), "without post_tags"),
    Bad("an unknown field", asked(query=clause(exists={"field": "nmae"})), "did you mean name?", of_fields=True),
    Bad("a wrong type", aggregated(avg={"field": "name"}), "takes numbers", of_fields=True),
    Bad(
        "a wrong value",
        asked(query=clause(term={"population": {"value": {"string_value": "many"}}})),
        "no number",
        of_fields=True,
    ),
    Bad(
        "more than a long",
        asked(query=clause(terms={"population": {"values": [{"uint_value": 2**63}]}})),
        "no long",
        of_fields=True,
    ),
    Bad("what a later release says", unknown_below(), "does not know"),
]
"""Refused on each network, by the default settings."""
