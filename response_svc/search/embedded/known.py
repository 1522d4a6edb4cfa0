"""Which options of the language this engine knows. Any other that a search says is refused by its path."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from airlock.search.v1.query_pb2 import ZERO_TERMS_QUERY_NONE

from common.search.violations import render
from common.search.walk import walk
from response_svc.search.embedded.refusals import unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airlock.search.v1.search_pb2 import Search

    from common.search.walk import Visited

_COMPARED: Final = frozenset({"value", "case_insensitive", "boost"})
_FUZZY: Final = frozenset({"fuzziness", "prefix_length", "max_expansions"})
_FIELD: Final = frozenset({"field", "missing"})

KNOWN: Final[Mapping[str, frozenset[str]]] = {
    "Aggregation": frozenset(
        {
            "aggs", "avg", "cardinality", "date_histogram", "date_range", "filter", "filters", "histogram", "max",
            "min", "missing", "percentiles", "range", "stats", "sum", "terms", "value_count",
        }
    ),
    "BoolQuery": frozenset({"must", "filter", "should", "must_not", "minimum_should_match", "boost"}),
    "Bounds": frozenset({"min", "max"}),
    "BucketOrder": frozenset({"key", "descending"}),
    "CardinalityAggregation": _FIELD | {"precision_threshold"},
    "DateHistogramAggregation": _FIELD
    | {
        "calendar_interval", "fixed_interval", "time_zone", "offset", "format", "min_doc_count", "extended_bounds",
        "hard_bounds", "order", "keyed",
    },
    "DateRangeAggregation": _FIELD | {"ranges", "format", "time_zone", "keyed"},
    "ExistsQuery": frozenset({"field", "boost"}),
    "FiltersAggregation": frozenset({"filters", "other_bucket", "other_bucket_key"}),
    "FuzzyQuery": _FUZZY | {"value", "transpositions", "boost"},
    "HistogramAggregation": _FIELD
    | {"interval", "offset", "min_doc_count", "extended_bounds", "hard_bounds", "order", "keyed"},
    "IdsQuery": frozenset({"values", "boost"}),
    "MatchAllQuery": frozenset({"boost"}),
    "MatchPhraseQuery": frozenset({"query", "slop", "boost"}),
    "MatchQuery": _FUZZY
    | {"query", "operator", "fuzzy_transpositions", "minimum_should_match", "zero_terms_query", "lenient", "boost"},
    "MetricAggregation": _FIELD | {"format"},
    "MissingAggregation": frozenset({"field"}),
    "MultiMatchQuery": _FUZZY
    | {"query", "fields", "type", "operator", "minimum_should_match", "tie_breaker", "slop", "lenient", "boost"},
    "PercentilesAggregation": _FIELD | {"percents", "keyed"},
    "PrefixQuery": _COMPARED,
    "Query": frozenset(
        {
            "bool", "exists", "fuzzy", "ids", "match", "match_all", "match_phrase", "multi_match", "prefix", "range",
            "term", "terms", "wildcard",
        }
    ),
    "RangeAggregation": _FIELD | {"ranges", "keyed"},
    "RangeBucket": frozenset({"key", "from_value", "to_value"}),
    "RangeQuery": frozenset({"gt", "gte", "lt", "lte", "format", "time_zone", "relation", "boost"}),
    "Search": frozenset({"query", "aggs", "size", "from_offset", "sort", "source_filter", "track_total_hits"}),
    "Sort": frozenset({"field", "order", "mode", "missing", "format", "unmapped_type"}),
    "SourceFilter": frozenset({"enabled", "includes", "excludes"}),
    "TermQuery": _COMPARED,
    "TermsAggregation": _FIELD | {"size", "shard_size", "order", "min_doc_count"},
    "TermsQuery": frozenset({"values", "boost"}),
    "TrackTotalHits": frozenset({"enabled", "up_to"}),
    "WildcardQuery": _COMPARED,
}  # fmt: skip
"""By message, the fields that this engine reads, or refuses itself where it cannot follow their value."""

HARMLESS: Final[Mapping[tuple[str, str], Callable[[Any], bool]]] = {
    # Neither changes an answer here: there are no synonyms, and the ways to collect are Elasticsearch's own.
    ("MatchQuery", "auto_generate_synonyms_phrase_query"): lambda _: True,
    ("MultiMatchQuery", "auto_generate_synonyms_phrase_query"): lambda _: True,
    ("TermsAggregation", "collect_mode"): lambda _: True,
    ("TermsAggregation", "execution_hint"): lambda _: True,
    # These say what counts anyway.
    ("BoolQuery", "adjust_pure_negative"): bool,
    ("FiltersAggregation", "keyed"): bool,
    ("MatchPhraseQuery", "zero_terms_query"): lambda value: bool(value == ZERO_TERMS_QUERY_NONE),
    ("MultiMatchQuery", "fuzzy_transpositions"): bool,
    ("MultiMatchQuery", "zero_terms_query"): lambda value: bool(value == ZERO_TERMS_QUERY_NONE),
    ("Search", "track_scores"): lambda value: not value,
    ("TermsAggregation", "shard_min_doc_count"): lambda value: not value,
    ("TermsAggregation", "show_term_doc_count_error"): lambda value: not value,
}
"""Values of other fields that change no answer."""

_ODD_ZONE: Final = re.compile(r"(UTC|GMT|UT)[+-].*|UT|.*\d\d:?\d\d:?\d\d", re.DOTALL)


def check_known(search: Search) -> None:
    """Raises UnsupportedQueryError with the path of the first thing that this engine would pass over."""
    for visited in walk(search):
        name = visited.shape.name
        known = KNOWN.get(name, frozenset())
        for field, value in visited.fields:
            if field.name in known:
                if not _followed(visited, field.name, value):
                    raise unsupported(f"{render(visited.path_of(field))} with this value")
                continue
            harmless = HARMLESS.get((name, field.name))
            if harmless is None or not harmless(value):
                raise unsupported(render(visited.path_of(field)))


def _followed(visited: Visited, field: str, value: Any) -> bool:  # noqa: ANN401 # Whatever a field can hold.
    """Whether the engine reads this value of a known field as Elasticsearch does, or says itself that it cannot."""
    if field == "calendar_interval":
        return value not in {"second", "1s"}
    if field == "time_zone":
        return _ODD_ZONE.fullmatch(value) is None
    # A count of values is not written in its field's format.
    return field != "format" or visited.path[-1] != "value_count"
