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
SORT_KEYS: Final = frozenset({"_score", "_doc", "_id", "_ignored", "_index", "_seq_no", "_size", "_version"})
SORTABLE: Final = NUMERIC | DATES | BOOLEAN | IP | frozenset({"keyword", "version"})
"""The types as which a field that is not mapped can be sorted."""

_NO_WORDS: Final = NUMERIC | DATES | BOOLEAN | IP | RANGES
_NO_NUMBERS: Final = TEXT | KEYWORD | IP

REFUSED_BY_QUERY: Final = {"prefix": _NO_WORDS, "wildcard": _NO_WORDS, "fuzzy": _NO_WORDS}
"""The types that a clause refuses. Elasticsearch takes every other clause of the language on every type."""
REFUSED_BY_AGGREGATION: Final = {
    **dict.fromkeys(("terms", "value_count", "cardinality", "missing"), TEXT),
    **dict.fromkeys(("avg", "min", "max", "sum", "stats", "percentiles", "histogram", "range"), _NO_NUMBERS),
    # Over numbers and booleans Elasticsearch reads them as milliseconds.
    **dict.fromkeys(("date_histogram", "date_range"), _NO_NUMBERS),
}
"""The types that an aggregation refuses."""
REFUSED_BY_SORT: Final = TEXT | OBJECTS

INSTEAD: Final = {
    **dict.fromkeys(("prefix", "wildcard", "fuzzy"), "it takes fields of words, keyword or text; try range or term"),
    **dict.fromkeys(
        ("terms", "value_count", "cardinality", "missing", "sort"), "single words of a text are not kept for it"
    ),
    **dict.fromkeys(
        ("avg", "min", "max", "sum", "stats", "percentiles", "histogram", "range"),
        "it takes numbers, dates and booleans",
    ),
    **dict.fromkeys(("date_histogram", "date_range"), "it takes dates"),
}
"""What each takes, for people."""

REFUSED_BY_OPTION: Final = {
    "case_insensitive": NUMERIC | DATES | IP,
    "fuzziness": _NO_WORDS,
    "phrase_prefix": _NO_WORDS | KEYWORD,
    # Of an aggregation, whose keys and figures it writes.
    "format": KEYWORD | BOOLEAN | IP,
    "sort format": NUMERIC | KEYWORD | BOOLEAN | IP,
    "numeric_type": KEYWORD | IP,
    "numeric_type date_nanos": NUMERIC | KEYWORD | IP | BOOLEAN,
    "mode": KEYWORD | IP,
}
"""The types that an option refuses, whose clause would take them without it."""
OPTION_TAKES: Final = {
    "case_insensitive": "it takes words",
    "fuzziness": "it takes fields of words, keyword or text; leave it out, or say lenient",
    "phrase_prefix": "this type takes texts; use the type bool_prefix, or say lenient",
    "format": "it takes numbers and dates",
    "sort format": "it takes dates",
    "numeric_type": "it takes numbers and dates",
    "numeric_type date_nanos": "it takes dates",
    "mode": "of several words it takes min or max",
}
"""What such an option takes, for people."""
WHOLE_NUMBERS: Final = {
    "byte": (-(2**7), 2**7 - 1),
    "short": (-(2**15), 2**15 - 1),
    "integer": (-(2**31), 2**31 - 1),
    "long": (-(2**63), 2**63 - 1),
}
"""The smallest and the largest of each type, beyond which terms and range are refused."""
