"""What Elasticsearch does with fields of each type, in its own words. A type not named here may be asked anything."""

from __future__ import annotations

from typing import Final

TEXT: Final = frozenset({"text", "match_only_text", "search_as_you_type", "annotated_text"})
KEYWORD: Final = frozenset({"keyword", "constant_keyword", "wildcard"})
NUMERIC: Final = frozenset(
    {"long", "integer", "short", "byte", "unsigned_long", "double", "float", "half_float", "scaled_float"}
)
DATES: Final = frozenset({"date", "date_nanos"})
BOOLEAN: Final = frozenset({"boolean"})
IP: Final = frozenset({"ip"})
RANGES: Final = frozenset({"integer_range", "long_range", "float_range", "double_range", "date_range", "ip_range"})
OBJECTS: Final = frozenset({"object", "nested"})

OPEN: Final = frozenset({"flattened", "rank_features", "passthrough", "search_as_you_type", "conflict"})
"""Types that have subfields of which no mapping tells."""
METADATA: Final = frozenset(
    {"_id", "_index", "_ignored", "_routing", "_doc_count", "_field_names", "_tier", "_size", "_source", "_version"}
)
"""Fields that every document has without a mapping."""
SORT_KEYS: Final = METADATA | {"_score", "_doc"}

_NO_WORDS: Final = NUMERIC | DATES | BOOLEAN | IP | RANGES
_NO_NUMBERS: Final = TEXT | KEYWORD | IP

REFUSED_BY_QUERY: Final = {"prefix": _NO_WORDS, "wildcard": _NO_WORDS, "fuzzy": _NO_WORDS}
"""The types that a clause refuses. Elasticsearch takes every other clause of the language on every type."""
REFUSED_BY_AGGREGATION: Final = {
    "terms": TEXT,
    "value_count": TEXT,
    "cardinality": TEXT,
    **dict.fromkeys(("avg", "min", "max", "sum", "stats", "percentiles", "histogram", "range"), _NO_NUMBERS),
    # Over numbers and booleans Elasticsearch reads them as milliseconds.
    **dict.fromkeys(("date_histogram", "date_range"), _NO_NUMBERS),
}
"""The types that an aggregation refuses."""
REFUSED_BY_SORT: Final = TEXT | OBJECTS

INSTEAD: Final = {
    **dict.fromkeys(("prefix", "wildcard", "fuzzy"), "it takes fields of words, keyword or text; try range or term"),
    **dict.fromkeys(("terms", "value_count", "cardinality", "sort"), "single words of a text are not kept for it"),
    **dict.fromkeys(
        ("avg", "min", "max", "sum", "stats", "percentiles", "histogram", "range"),
        "it takes numbers, dates and booleans",
    ),
    **dict.fromkeys(("date_histogram", "date_range"), "it takes dates"),
}
"""What each takes, for people."""
