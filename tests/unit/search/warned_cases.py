"""Searches that are warned of, each with the kind and the place, and searches that are not."""

from __future__ import annotations

from typing import Any

from common.search.advice.aggregations import MANY_BUCKETS

FIELDS = {
    "title": "text",
    "title.whole": "keyword",
    "code": "keyword",
    "pattern": "wildcard",
    "population": "long",
    "founded": "date",
}
Body = dict[str, Any]


def clause(kind: str, field: str, value: Any) -> Body:
    return {"query": {kind: {field: value}}}


def terms(size: int, **inner: Any) -> Body:
    return {"terms": {"field": "code", "size": size}, **({"aggs": inner} if inner else {})}


def of_founded(**interval: Any) -> Body:
    return aggregate(a={"date_histogram": {"field": "founded", **interval}})


def fuzzy(**options: Any) -> Body:
    return clause("match", "title", {"query": "x", "fuzziness": "AUTO", **options})


def either(**options: Any) -> Body:
    return {"query": {"bool": {"filter": {"term": {"code": "IR"}}, "should": {"term": {"code": "x"}}, **options}}}


def aggregate(**aggregations: Any) -> Body:
    return {"size": 0, "query": {"term": {"code": "IR"}}, "aggs": aggregations}


WARNED: list[tuple[str, str, Body]] = [
    ("LEADING_WILDCARD", "query.wildcard.code", clause("wildcard", "code", "*an")),
    ("LEADING_WILDCARD", "query.wildcard.code", clause("wildcard", "code", {"value": "?ehran"})),
    (
        "LEADING_WILDCARD",
        "query.bool.must[0].wildcard.code",
        {"query": {"bool": {"must": [clause("wildcard", "code", "*")["query"]]}}},
    ),
    ("FEW_LETTERS", "query.wildcard.code", clause("wildcard", "code", "te*")),
    ("FEW_LETTERS", "query.wildcard.code", clause("wildcard", "code", "\\*a*")),
    ("FEW_LETTERS", "query.prefix.code", clause("prefix", "code", "te")),
    ("FUZZY_WITHOUT_PREFIX", "query.fuzzy.code", clause("fuzzy", "code", {"value": "tehran", "max_expansions": 51})),
    (
        "FUZZY_WITHOUT_PREFIX",
        "query.match.title",
        fuzzy(max_expansions=500),
    ),
    ("TERM_ON_TEXT", "query.term.title", clause("term", "title", "Tehran")),
    ("TERM_ON_TEXT", "query.terms.title", clause("terms", "title", ["tehran"])),
    ("MATCH_ON_KEYWORD", "query.match.code", clause("match", "code", "ir iq")),
    ("MATCH_ON_KEYWORD", "query.match_phrase.code", clause("match_phrase", "code", "ir iq")),
    ("RANGE_ON_TEXT", "query.range.title", clause("range", "title", {"gte": "a"})),
    ("CAPITALS_IN_PATTERN", "query.wildcard.title", clause("wildcard", "title", "Tehr*")),
    ("CAPITALS_IN_PATTERN", "query.prefix.title", clause("prefix", "title", "Tehr")),
    (
        "SHOULD_IS_OPTIONAL",
        "query.bool.should",
        either(),
    ),
    ("MATCHES_NOTHING", "query.terms.code", clause("terms", "code", [])),
    ("NOW_IS_LATER", "query.range.founded.gte", clause("range", "founded", {"gte": "now-1d/d"})),
    ("NOW_IS_LATER", "query.range.founded.lt", clause("range", "founded", {"lt": "now"})),
    (
        "NOW_IS_LATER",
        "aggs.a.date_range.ranges[0].from",
        aggregate(a={"date_range": {"field": "founded", "ranges": [{"from": "now-1y"}]}}),
    ),
    ("DEEP_PAGING", "from", {"from": 995, "size": 10, "sort": ["code"]}),
    ("UNSTABLE_PAGES", "from", {"from": 10}),
    ("UNSTABLE_PAGES", "from", {"from": 10, "sort": ["_score"]}),
    ("LARGE_DOCUMENTS", "size", {"size": 101}),
    ("LARGE_DOCUMENTS", "size", {"size": 101, "_source": True}),
    ("ONLY_A_COUNT", "size", {"size": 0}),
    ("HITS_BESIDE_AGGREGATIONS", "size", {"query": {"term": {"code": "IR"}}, "aggs": {"a": terms(5)}}),
    ("WIDE_HIGHLIGHT", "highlight", {"highlight": {"fields": {"*": {}}}}),
    ("WIDE_HIGHLIGHT", "highlight", {"highlight": {"fields": {f"title{n}": {} for n in range(9)}}}),
    ("WIDE_HIGHLIGHT", "highlight", {"size": 101, "_source": False, "highlight": {"fields": {"title": {}}}}),
    ("MANY_BUCKETS", "aggs.a", aggregate(a=terms(MANY_BUCKETS + 1))),
    (
        "MANY_BUCKETS",
        "aggs.a",
        of_founded(calendar_interval="day", hard_bounds={"min": 0, "max": 10**11}),
    ),
    ("MANY_BUCKETS", "aggs.a.aggs.b", aggregate(a=terms(40, b=terms(30, c=terms(2))))),
    ("MANY_BUCKETS", "aggs.a.aggs.b", aggregate(a=terms(21, b={"histogram": {"field": "population", "interval": 5}}))),
    ("UNBOUNDED_HISTOGRAM", "aggs.a.histogram", aggregate(a={"histogram": {"field": "population", "interval": 0.5}})),
    ("UNBOUNDED_HISTOGRAM", "aggs.a.date_histogram", of_founded(fixed_interval="90s")),
    ("UNBOUNDED_HISTOGRAM", "aggs.a.date_histogram", of_founded(calendar_interval="minute")),
    ("UNBOUNDED_HISTOGRAM", "aggs.a.date_histogram", of_founded(calendar_interval="1s")),
    (
        "COSTLY_CARDINALITY",
        "aggs.a.cardinality",
        aggregate(a={"cardinality": {"field": "code", "precision_threshold": 3001}}),
    ),
    ("COSTLY_CARDINALITY", "aggs.a.aggs.b.cardinality", aggregate(a=terms(101, b={"cardinality": {"field": "code"}}))),
]

FINE: list[Body] = [
    {},
    {"query": {"match_all": {}}},
    clause("match", "title", "Tehran city"),
    clause("match", "title", {"query": "Tehran", "fuzziness": "AUTO"}),
    clause("match", "title", {"query": "Tehran", "max_expansions": 500}),
    clause("term", "title.whole", "Tehran"),
    clause("fuzzy", "code", "tehran"),
    clause("fuzzy", "code", {"value": "tehran", "max_expansions": 500, "prefix_length": 1}),
    clause("wildcard", "code", "teh*"),
    clause("wildcard", "code", "\\*ab*"),
    clause("wildcard", "code", "no wildcard"),
    clause("wildcard", "pattern", "*an"),
    clause("prefix", "title", {"value": "Teh", "case_insensitive": True}),
    clause("range", "founded", {"gte": "2013-01-01", "lt": "2014-01-01"}),
    clause("term", "code", "now"),
    clause("match", "title", "now or never"),
    {"query": {"bool": {"should": [{"term": {"code": "a"}}, {"term": {"code": "b"}}]}}},
    {"query": {"bool": {"must_not": {"term": {"code": "a"}}, "should": {"term": {"code": "b"}}}}},
    {
        "query": {
            "bool": {"filter": {"term": {"code": "IR"}}, "should": {"term": {"code": "x"}}, "minimum_should_match": 1}
        }
    },
    {"from": 10, "sort": ["_score", "code"]},
    {"size": 1000, "_source": ["title"]},
    {"size": 1000, "_source": False},
    {"size": 0, "aggs": {"a": terms(100)}, "query": {"term": {"code": "IR"}}},
    {"highlight": {"fields": {"title": {}}}},
    aggregate(a=terms(10, b=terms(100))),
    aggregate(a={"histogram": {"field": "population", "interval": 1}}),
    of_founded(fixed_interval="1h"),
    of_founded(calendar_interval="day"),
    aggregate(a={"histogram": {"field": "population", "interval": 0.5, "hard_bounds": {"min": 0, "max": 9}}}),
    aggregate(a={"cardinality": {"field": "code"}}),
    {
        "size": 0,
        "query": {"range": {"founded": {"gte": "2013-01-01", "lt": "2013-01-02"}}},
        "aggs": {"a": {"date_histogram": {"field": "founded", "fixed_interval": "1m"}}},
    },
]
