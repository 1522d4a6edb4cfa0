"""What to write in place of the parts of Elasticsearch's language that Airlock does not carry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common.search.violations import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from common.search.shapes import MessageShape

_NO_SCRIPTS: Final = "scripts are never carried; store what they would compute as a field"
_ONE_INDEX: Final = "only fields of the one index are searched; store what belongs together in one document"
_PATTERN: Final = "use wildcard, prefix or fuzzy"
_WORDS: Final = "use match or multi_match, combined in a bool"
_HITS_ONLY: Final = "name the fields in _source"
_SERVICE: Final = "the service decides it; leave it out"
_BY_RANGE: Final = "narrow the query by a range, or use from and size"
_NEEDS_PIPELINE: Final = "compute it from the answer's buckets"
_NO_PLACES: Final = "places are not carried; use range on numbers for the latitude and the longitude"
_ANALYZER: Final = "the field's own analyzer is used; leave it out"
_OBJECTS: Final = "objects inside are searched by their paths, such as place.country"

QUERIES: Final = {
    **dict.fromkeys(("script", "script_score", "function_score", "distance_feature", "rank_feature"), _NO_SCRIPTS),
    "boosting": "use a bool with should clauses of different boost",
    "combined_fields": "use multi_match of the type cross_fields",
    "constant_score": "use the filter of a bool",
    "dis_max": "use multi_match with a tie_breaker, or the should of a bool",
    **dict.fromkeys(("geo_bounding_box", "geo_distance", "geo_polygon", "geo_shape", "shape", "geo_grid"), _NO_PLACES),
    **dict.fromkeys(("has_child", "has_parent", "parent_id", "percolate"), _ONE_INDEX),
    "intervals": "use match_phrase with slop",
    **dict.fromkeys(("knn", "sparse_vector", "text_expansion", "semantic", "weighted_tokens"), _WORDS),
    "match_bool_prefix": "use multi_match of the type bool_prefix with one field",
    "match_none": "use a bool with match_all in must_not",
    "match_phrase_prefix": "use multi_match of the type phrase_prefix with one field",
    **dict.fromkeys(("more_like_this", "common", "query_string", "simple_query_string", "text"), _WORDS),
    "nested": _OBJECTS,
    "pinned": "use a bool with ids and a boost in should",
    "regexp": _PATTERN,
    "rule": _SERVICE,
    **dict.fromkeys(
        (
            "span_containing", "span_first", "span_multi", "span_near", "span_not", "span_or", "span_term",
            "span_within", "field_masking_span",
        ),
        "use match_phrase with slop",
    ),
    "terms_set": "use a bool with term clauses in should and minimum_should_match",
    "type": "an index has one type only; leave it out",
    "wrapper": "write the query itself",
}  # fmt: skip
"""Clauses."""

AGGREGATIONS: Final = {
    "adjacency_matrix": "use filters",
    "auto_date_histogram": "use date_histogram with a calendar_interval or a fixed_interval",
    "boxplot": "use percentiles with the percents 0, 25, 50, 75 and 100",
    "categorize_text": "use terms on a keyword field",
    "change_point": _NEEDS_PIPELINE,
    **dict.fromkeys(("children", "parent"), _ONE_INDEX),
    "composite": "use terms in terms with an order by _key, or narrow the query by a range for each part",
    "diversified_sampler": "narrow the query",
    "extended_stats": "use stats; the deviation is not among its figures",
    "frequent_item_sets": "use terms in terms",
    **dict.fromkeys(
        ("geo_bounds", "geo_centroid", "geo_distance", "geo_line", "geohash_grid", "geotile_grid"), _NO_PLACES
    ),
    "global": "ask a second time without the query",
    "ip_range": "use filters with range clauses on the address",
    "ip_prefix": "use filters with range clauses on the address",
    "matrix_stats": "use stats for each field",
    "median_absolute_deviation": "use percentiles",
    "meta": "leave it out; answers come back under their names",
    "multi_terms": "use terms in terms",
    **dict.fromkeys(("nested", "reverse_nested"), _OBJECTS),
    "percentile_ranks": "use range, whose buckets count the values on each side",
    "random_sampler": "narrow the query",
    "rare_terms": "use terms with an order by _count asc",
    "rate": "use date_histogram and divide by the interval",
    "sampler": "narrow the query",
    "scripted_metric": _NO_SCRIPTS,
    **dict.fromkeys(("significant_terms", "significant_text"), "use terms, once with the query and once without"),
    "string_stats": "use cardinality or terms",
    "t_test": "use stats for each group",
    "time_series": "use terms with date_histogram inside",
    "top_hits": "ask a second time for the hits of one bucket, with its key in a filter",
    "top_metrics": "ask for hits with sort and size 1",
    "variable_width_histogram": "use histogram",
    "weighted_avg": "use sum of both fields, and divide",
    **dict.fromkeys(
        (
            "avg_bucket", "bucket_script", "bucket_selector", "bucket_sort", "cumulative_cardinality", "cumulative_sum",
            "derivative", "extended_stats_bucket", "inference", "max_bucket", "min_bucket", "moving_avg", "moving_fn",
            "moving_percentiles", "normalize", "percentiles_bucket", "serial_diff", "stats_bucket", "sum_bucket",
            "bucket_correlation", "bucket_count_ks_test",
        ),
        _NEEDS_PIPELINE,
    ),
}  # fmt: skip
"""Kinds of aggregation, and what stands beside them."""

SEARCH: Final = {
    "collapse": "use a terms aggregation on the field, or take the first hit of each value from the answer",
    "docvalue_fields": _HITS_ONLY,
    "explain": "scores are not explained; leave it out",
    "ext": "leave it out",
    "fields": _HITS_ONLY,
    "indices_boost": "a search asks one index; leave it out",
    "knn": _WORDS,
    "pit": _BY_RANGE,
    "post_filter": "use a filter in the query, and a filter aggregation around what it must not touch",
    "profile": "leave it out; the answer tells how long it took",
    "rank": _WORDS,
    "rescore": "use should clauses with a boost",
    "retriever": "write query",
    "runtime_mappings": _NO_SCRIPTS,
    "script_fields": _NO_SCRIPTS,
    "scroll": _BY_RANGE,
    "search_after": _BY_RANGE,
    "seq_no_primary_term": "leave it out",
    "slice": _BY_RANGE,
    "stats": "leave it out",
    "stored_fields": _HITS_ONLY,
    "suggest": "use fuzzy, or match with fuzziness",
    "terminate_after": _SERVICE,
    "timeout": _SERVICE,
    "version": "leave it out",
    # Names of clauses and aggregations that were written without what holds them.
    **dict.fromkeys(
        ("bool", "exists", "fuzzy", "ids", "match", "match_all", "match_phrase", "multi_match", "prefix", "range",
         "term", "terms", "wildcard"),
        "it is a clause; write it inside query",
    ),
}  # fmt: skip
"""Parts of a search body."""

BY_MESSAGE: Final[Mapping[str, Mapping[str, str]]] = {
    "Aggregation": AGGREGATIONS,
    "BoolQuery": {"mustNot": "write must_not", "minimum_number_should_match": "write minimum_should_match"},
    "DateHistogramAggregation": {
        "interval": "write fixed_interval (such as 1d) or calendar_interval (such as month)",
        "params": "leave it out",
    },
    "DateRangeAggregation": {"timezone": "write time_zone"},
    "FiltersAggregation": {"anonymous": "write the list in the place of filters"},
    "Highlight": {
        "force_source": "leave it out",
        "highlight_filter": "leave it out",
        "highlight_query": "what the query matches is marked; leave it out",
        "options": "leave it out",
    },
    "HighlightField": {
        "force_source": "leave it out",
        "fragment_offset": "leave it out",
        "highlight_filter": "leave it out",
        "highlight_query": "what the query matches is marked; leave it out",
        "options": "leave it out",
    },
    "IdsQuery": {"type": "an index has one type only; leave it out"},
    "Query": QUERIES,
    "RangeQuery": {
        "from": "write gte, or gt",
        "to": "write lte, or lt",
        "include_lower": "write gte where it is true, and gt where it is false",
        "include_upper": "write lte where it is true, and lt where it is false",
    },
    "Search": SEARCH,
    "Sort": {
        "field": "the key of the object is the field's name",
        "ignore_unmapped": "write unmapped_type",
        "nested": _OBJECTS,
        "nested_filter": _OBJECTS,
        "nested_path": _OBJECTS,
        "reverse": "write order",
    },
    "SourceFilter": {"enabled": "write true or false in place of the object"},
    "TermsAggregation": {"value_type": "leave it out"},
    "TermsQuery": {"values": "the list stands directly behind the field's name"},
}
"""All of these, and options, by the message in whose place they stand."""
_EVERYWHERE: Final = {
    "analyzer": _ANALYZER,
    "cutoff_frequency": "leave it out",
    "fuzzy_rewrite": "leave it out",
    "lang": _NO_SCRIPTS,
    "rewrite": "leave it out",
    "script": _NO_SCRIPTS,
    "use_field_mapping": "leave it out",
    "value_type": "the field's own type counts; leave it out",
}

NOT_FIELDS: Final = {
    "_geo_distance": "is a sort by distance, which is not carried; sort by a field",
    "_script": "is a sort by script, which is never carried; store what you sort by as a field",
    "_shard_doc": "only has a meaning with a point in time, which is not carried; sort by _doc",
}
"""Sort keys of Elasticsearch's that are no fields."""


def advice_for(shape: MessageShape, key: str) -> str:
    """What to write in the place of a key that a message does not have: its successor, or the nearest name."""
    known = BY_MESSAGE.get(shape.name, {}).get(key) or _EVERYWHERE.get(key)
    return known or did_you_mean(key, shape.by_key)
