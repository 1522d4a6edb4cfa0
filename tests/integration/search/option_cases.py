"""Bodies with options that the other cases leave out, so that each option which both engines know is compared once."""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]

_QUERIES: list[Body] = [
    {"exists": {"field": "tags", "boost": 2}},
    {"ids": {"values": ["1", "2"], "boost": 0.5}},
    {"term": {"tags": {"value": "a", "boost": 2}}},
    {"range": {"views": {"gte": 1, "boost": 3}}},
    {"prefix": {"tags": {"value": "t", "boost": 2}}},
    {"wildcard": {"tags": {"value": "t*", "boost": 2}}},
    {"fuzzy": {"tags": {"value": "t9", "boost": 2, "transpositions": False}}},
    {"match_phrase": {"title": {"query": "san jose", "boost": 2}}},
    {"match": {"title": {"query": "aplha", "fuzziness": 1, "fuzzy_transpositions": False}}},
    {"match": {"title": {"query": "alpha", "fuzziness": 2, "max_expansions": 2}}},
    {"match": {"title": {"query": "alpha", "auto_generate_synonyms_phrase_query": False}}},
    {"match": {"views": {"query": "many", "lenient": True}}},
    {
        "multi_match": {
            "query": "alpa bta",
            "fields": ["title", "tags"],
            "fuzziness": "AUTO:2,6",
            "prefix_length": 1,
            "max_expansions": 10,
            "minimum_should_match": "50%",
            "boost": 2,
            "zero_terms_query": "none",
            "fuzzy_transpositions": True,
        }
    },
    {"bool": {"must_not": [{"term": {"tags": "a"}}], "adjust_pure_negative": True}},
]
_AGGREGATIONS: list[Body] = [
    {"cardinality": {"field": "views", "missing": 1, "precision_threshold": 1000}},
    {"percentiles": {"field": "rank", "missing": 3}},
    {"histogram": {"field": "rank", "interval": 2, "missing": 100}},
    {"range": {"field": "rank", "missing": 100, "ranges": [{"from": 50}, {"to": 50}]}},
    {
        "date_range": {
            "field": "published",
            "keyed": True,
            "time_zone": "+03:30",
            "ranges": [{"from": "2013-01-01", "to": "2013-02-01", "key": "first"}, {"to": "2013-01-01"}],
        }
    },
    {"terms": {"field": "tags", "collect_mode": "breadth_first", "execution_hint": "map"}},
    {"terms": {"field": "tags", "shard_min_doc_count": 0, "show_term_doc_count_error": False}},
]
OPTIONS: list[Body] = [
    *[{"query": query, "size": 100} for query in _QUERIES],
    *[{"size": 0, "aggs": {"a": aggregation}} for aggregation in _AGGREGATIONS],
]
