"""Bodies that get no answer: refused by Elasticsearch too, or by the built-in engine alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.search.cases import Body

REFUSED: list[Body] = [
    {"sort": "title"},
    {"sort": "nowhere"},
    {"sort": {"tags": {"mode": "sum"}}},
    {"aggs": {"a": {"terms": {"field": "title"}}}},
    {"aggs": {"a": {"avg": {"field": "tags"}}}},
    {"aggs": {"a": {"histogram": {"field": "tags", "interval": 1}}}},
    {"aggs": {"a": {"avg": {"field": "price"}, "aggs": {"b": {"max": {"field": "price"}}}}}},
    {"query": {"term": {"views": "many"}}},
    {"query": {"term": {"open": "perhaps"}}},
    {"query": {"match": {"views": "1 2"}}},
    {"query": {"range": {"views": {"gte": "many"}}}},
    {"query": {"range": {"published": {"gte": "2013/01/01"}}}},
    {"query": {"range": {"published": {"gte": "2013-1-1"}}}},
    {"query": {"terms": {"rank": [99999999999]}}},
    {"query": {"wildcard": {"views": "1*"}}},
    {"aggs": {"a": {"terms": {"field": "rank", "order": {"none": "desc"}}}}},
    {"size": 0, "aggs": {"a": {"terms": {"field": "nowhere"}, "aggs": {"b": {"filter": {"term": {"open": "x"}}}}}}},
    {"query": {"prefix": {"views": "1"}}},
    {"query": {"fuzzy": {"views": "1"}}},
    {"query": {"term": {"views": "1_000_000"}}},
    {"query": {"term": {"price": "۱۲"}}},
    {"query": {"range": {"published": {"gte": "۲۰۱۳-۰۱-۰۱"}}}},
    {"query": {"range": {"published": {"gte": "now+" + "9" * 5000 + "d"}}}},
    {"query": {"range": {"published": {"gte": "2013-01-01", "time_zone": "+24:00"}}}},
    {"query": {"multi_match": {"query": "san", "fields": ["title^-1"]}}},
    {"query": {"multi_match": {"query": "san", "fields": ["title^"]}}},
    {"query": {"multi_match": {"query": "san", "fields": ["title^inf"]}}},
    {"sort": {"published": {"missing": "2013-01-31"}}},
    {"sort": {"_score": {"mode": "max"}}},
    {"aggs": {"a": {"date_histogram": {"field": "published", "fixed_interval": "1d", "time_zone": "+99:99"}}}},
    {"aggs": {"a": {"terms": {"field": "rank", "order": {"doc_count": "asc"}}}}},
    {
        "aggs": {
            "a": {
                "terms": {"field": "rank", "order": {"b.values": "asc"}},
                "aggs": {"b": {"percentiles": {"field": "price"}}},
            }
        }
    },
    {
        "aggs": {
            "a": {
                "histogram": {
                    "field": "price",
                    "interval": 5,
                    "hard_bounds": {"min": 0, "max": 10},
                    "extended_bounds": {"min": 0, "max": 50},
                }
            }
        }
    },
    {"aggs": {"a": {"histogram": {"field": "price", "interval": 5, "extended_bounds": {"min": 9, "max": 1}}}}},
]

UNSUPPORTED: list[Body] = [
    {"highlight": {"fields": {"title": {}}}, "query": {"match": {"title": "san"}}},
    {"query": {"match_phrase": {"title": {"query": "jose san", "slop": 2}}}},
    {"query": {"multi_match": {"query": "san", "fields": ["title"], "type": "cross_fields"}}},
    {"query": {"multi_match": {"query": "jose san", "fields": ["title"], "type": "phrase", "slop": 2}}},
    {"query": {"range": {"views": {"gte": 1, "relation": "within"}}}},
    {"aggs": {"a": {"date_histogram": {"field": "published", "fixed_interval": "1d", "hard_bounds": {"min": 0}}}}},
    {"aggs": {"a": {"date_histogram": {"field": "published", "calendar_interval": "second", "min_doc_count": 1}}}},
    {"aggs": {"a": {"terms": {"field": "tags", "include": ["a"]}}}},
    {"aggs": {"a": {"filters": {"filters": [{"term": {"tags": "a"}}]}}}},
    {"query": {"term": {"tags": {"value": "a", "_name": "tagged"}}}},
    {"sort": "views", "track_scores": True},
    {"min_score": 0.5},
    {"query": {"multi_match": {"query": "sa", "fields": ["title"], "type": "bool_prefix"}}},
    {"query": {"range": {"published": {"gte": "1 Jan 2013", "format": "d MMM yyyy"}}}},
    {"aggs": {"a": {"date_histogram": {"field": "published", "fixed_interval": "7d", "time_zone": "Asia/Tehran"}}}},
    {"aggs": {"a": {"missing": {"field": "open"}, "aggs": {"b": {"terms": {"field": "rank", "min_doc_count": 0}}}}}},
    {"query": {"range": {"published": {"gte": 2.5}}}},
    {"query": {"fuzzy": {"title": {"value": "s", "fuzziness": 2}}}},
    {"query": {"term": {"views": "9" * 400}}},
    {"query": {"range": {"price": {"gte": "9" * 400}}}},
    {"query": {"range": {"published": {"gte": "2013'01", "format": "yyyy''MM"}}}},
    {"aggs": {"a": {"sum": {"field": "rank", "missing": 0.5}}}},
    {
        "aggs": {
            "a": {"histogram": {"field": "price", "interval": 5, "offset": 0.25, "hard_bounds": {"min": 0, "max": 20}}}
        }
    },
]
