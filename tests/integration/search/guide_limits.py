"""The limits of a search as rows of a table, each with the refusal of what is one beyond it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from common.errors import QueryInvalidError, QueryLimitError
from common.policy.policy import Policy
from common.policy.settings import SETTINGS
from common.search.body import MAX_BODY_BYTES, read_body
from common.search.limits import check_search
from common.search.permitted import query_limits
from common.search.rules import MAX_NAME
from common.search.strict_json import MAX_DEPTH
from common.search.violations import MAX_VIOLATIONS
from tests.integration.search.guide_page import cell

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS_HEAD: Final = "| setting | default | meaning | the refusal of one more |\n|---|---|---|---|\n"
FIXED_HEAD: Final = "| what | limit |\n|---|---|\n"
_FIXED: Final = (
    ("The body, and the message over gRPC", f"{MAX_BODY_BYTES // 1024} KiB"),
    ("Objects and lists inside each other in a body", f"{MAX_DEPTH} levels"),
    ("A whole number", f"{-(2**63)} to {2**64 - 1}"),
    ("The name of a field", f"{MAX_NAME} characters"),
    ("What one refusal names", f"{MAX_VIOLATIONS} violations; the rest is counted"),
)


def limit_rows() -> str:
    """Every setting that bounds a search."""
    rows = [
        f"| `{key}` | {str(setting.default).lower()} | {setting.description} | {_refusal(key)} |\n"
        for key, setting in SETTINGS.items()
        if key.startswith("query.")
    ]
    return LIMITS_HEAD + "".join(rows)


def fixed_rows() -> str:
    """What no setting changes, besides the numbers in the tables of options."""
    return FIXED_HEAD + "".join(f"| {what} | {limit} |\n" for what, limit in _FIXED)


def _refusal(key: str) -> str:
    beyond = _BEYOND.get(key)
    if beyond is None:
        return ""
    default = SETTINGS[key].default
    limits = query_limits(Policy(), None)
    if SETTINGS[key].is_switch:
        limits = replace(limits, **{key.removeprefix("query."): not default})
    with pytest.raises((QueryLimitError, QueryInvalidError)) as refused:
        check_search(read_body(json.dumps(beyond(int(default))).encode()), limits)
    # What no setting may exceed is refused by the form already.
    assert refused.value.metadata.get("limit", key.removeprefix("query.")) == key.removeprefix("query.")
    return cell(refused.value.message)


def _nested(depth: int) -> dict[str, Any]:
    query: dict[str, Any] = {"match_all": {}}
    for _ in range(depth):
        query = {"bool": {"must": [query]}}
    return {"query": query}


def _nested_aggregations(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(depth + 1):
        inner = {"aggs": {"by": {"filter": {"match_all": {}}} | inner}}
    return inner


def _aggregation(kind: str, **options: Any) -> dict[str, Any]:
    return {"aggs": {"a": {kind: {"field": "population"} | options}}}


_BEYOND: Final[dict[str, Callable[[int], dict[str, Any]]]] = {
    "query.max_depth": _nested,
    "query.max_clauses": lambda most: {"query": {"bool": {"should": [{"match_all": {}}] * most}}},
    "query.max_string_length": lambda most: {"query": {"match": {"name": "x" * (most + 1)}}},
    "query.max_pattern_length": lambda most: {"query": {"prefix": {"name": "x" * (most + 1)}}},
    "query.allow_leading_wildcard": lambda _: {"query": {"wildcard": {"name": "*abad"}}},
    "query.max_aggregation_depth": _nested_aggregations,
    "query.max_aggregations": lambda most: {"aggs": {f"a{n}": {"min": {"field": "x"}} for n in range(most + 1)}},
    "query.max_buckets": lambda most: {
        "aggs": {"by": {"terms": {"field": "x", "size": most}, "aggs": {"in": {"terms": {"field": "y"}}}}}
    },
    "query.max_size": lambda most: {"size": most + 1},
    "query.max_window": lambda most: {"from": most},
    "query.max_wildcards": lambda most: {"query": {"wildcard": {"name": "a*" * (most + 1)}}},
    "query.max_values": lambda most: {"query": {"terms": {"population": [*range(most + 1)]}}},
    "query.max_fields": lambda most: {"query": {"multi_match": {"query": "a", "fields": ["name"] * (most + 1)}}},
    "query.max_expansions": lambda most: {"query": {"fuzzy": {"name": {"value": "a", "max_expansions": most + 1}}}},
    "query.max_slop": lambda most: {"query": {"match_phrase": {"name": {"query": "a b", "slop": most + 1}}}},
    "query.max_ranges": lambda most: _aggregation("range", ranges=[{"from": n} for n in range(most + 1)]),
    "query.max_filters": lambda most: {
        "aggs": {"a": {"filters": {"filters": {f"{n}": {"match_all": {}} for n in range(most + 1)}}}}
    },
    "query.max_percents": lambda most: _aggregation("percentiles", percents=[1] * (most + 1)),
    "query.max_compression": lambda most: _aggregation("percentiles", tdigest={"compression": most + 1}),
    "query.max_precision_threshold": lambda most: _aggregation("cardinality", precision_threshold=most + 1),
    "query.max_sort_keys": lambda most: {"sort": ["population"] * (most + 1)},
    "query.max_source_patterns": lambda most: {"_source": ["name"] * (most + 1)},
    "query.max_highlight_fields": lambda most: {"highlight": {"fields": {f"a{n}": {} for n in range(most + 1)}}},
    "query.max_fragments": lambda most: {"highlight": {"number_of_fragments": most + 1, "fields": {"name": {}}}},
}
"""What is beyond each limit."""
