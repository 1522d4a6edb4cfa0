"""Which field of the language is bounded by which limit: by how many entries it has, or by its own value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airlock.search.v1.query_pb2 import MULTI_MATCH_TYPE_BOOL_PREFIX, MULTI_MATCH_TYPE_PHRASE_PREFIX

if TYPE_CHECKING:
    from common.search.shapes import FieldShape
    from common.search.walk import Visited

COUNTED: Final = {
    ("DateRangeAggregation", "ranges"): "max_ranges",
    ("FiltersAggregation", "anonymous"): "max_filters",
    ("FiltersAggregation", "filters"): "max_filters",
    ("Highlight", "fields"): "max_highlight_fields",
    ("HighlightField", "matched_fields"): "max_highlight_fields",
    ("IdsQuery", "values"): "max_values",
    ("MultiMatchQuery", "fields"): "max_fields",
    ("PercentilesAggregation", "percents"): "max_percents",
    ("RangeAggregation", "ranges"): "max_ranges",
    ("Search", "sort"): "max_sort_keys",
    ("SourceFilter", "excludes"): "max_source_patterns",
    ("SourceFilter", "includes"): "max_source_patterns",
    ("TermsAggregation", "exclude"): "max_values",
    ("TermsAggregation", "include"): "max_values",
    ("TermsQuery", "values"): "max_values",
}
"""Lists and maps, by message and field."""
MEASURED: Final = {
    ("CardinalityAggregation", "precision_threshold"): "max_precision_threshold",
    ("FuzzyQuery", "max_expansions"): "max_expansions",
    ("Highlight", "number_of_fragments"): "max_fragments",
    ("HighlightField", "number_of_fragments"): "max_fragments",
    ("MatchPhraseQuery", "slop"): "max_slop",
    ("MatchQuery", "max_expansions"): "max_expansions",
    ("MultiMatchQuery", "max_expansions"): "max_expansions",
    ("MultiMatchQuery", "slop"): "max_slop",
    ("TDigest", "compression"): "max_compression",
}
"""Numbers."""

DEFAULT_EXPANSIONS: Final = 50
"""How many terms Elasticsearch tries where nothing is said."""
_BY_PREFIX: Final = frozenset({MULTI_MATCH_TYPE_BOOL_PREFIX, MULTI_MATCH_TYPE_PHRASE_PREFIX})


def limit_of(field: FieldShape) -> str | None:
    """The limit of a field, or None."""
    key = (field.owner, field.name)
    return COUNTED.get(key) or MEASURED.get(key)


def beyond_limit(field: FieldShape, value: Any, allowed: int) -> str | None:  # noqa: ANN401 # Whatever a field can hold.
    """How `value` goes beyond what is allowed, as the rest of a sentence; None where it does not."""
    if field.is_map or field.repeated:
        return f"has {len(value)} entries" if len(value) > allowed else None
    return f"is {value}" if value > allowed else None


def unsaid_expansions(visited: Visited) -> int:
    """How many terms a fuzzy clause or one by prefix tries though it does not say so; else 0."""
    message = visited.message
    match visited.shape.name:
        case "FuzzyQuery":
            expands = True
        case "MatchQuery":
            expands = message.HasField("fuzziness")
        case "MultiMatchQuery":
            expands = message.HasField("fuzziness") or message.type in _BY_PREFIX
        case _:
            return 0
    return DEFAULT_EXPANSIONS if expands and not message.HasField("max_expansions") else 0
