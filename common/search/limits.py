"""The named limits of a search, checked before it is stored and again before it is executed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from common.errors import FieldViolation, QueryLimitError
from common.search.body import MAX_BODY_BYTES
from common.search.kind import AGGREGATION, ALL_KINDS, MATCH_ALL, clause_kind
from common.search.rules import broken_rules, check_messages
from common.search.violations import Path, Violations, render
from common.search.walk import Visited, walk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlock.search.v1.aggregation_pb2 import Aggregation
    from airlock.search.v1.search_pb2 import Search

DEFAULT_SIZE: Final = 10
"""How many hits, and how many buckets of a terms aggregation, Elasticsearch gives where nothing is said."""

_PATTERNS: Final = frozenset({"PrefixQuery", "WildcardQuery"})


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """How large a search may be. `allowed_kinds` names clauses, and `aggregation` for searches that aggregate.

    `match_all` is always allowed: an empty `bool` or no query says the same. `max_buckets` bounds what terms, range and
    filters aggregations can make together; those over numbers and dates are bounded by the engine.
    """

    max_depth: int = 10
    max_clauses: int = 256
    max_string_length: int = 8192
    max_pattern_length: int = 256
    allow_leading_wildcard: bool = True
    max_aggregation_depth: int = 4
    max_aggregations: int = 32
    max_buckets: int = 10_000
    max_size: int = 1000
    max_window: int = 10_000
    allowed_kinds: frozenset[str] = ALL_KINDS


def check_search(search: Search, limits: QueryLimits) -> None:
    """Refuses a search with QueryLimitError beyond a limit, or with QueryInvalidError where a field breaks its rule.

    The error's metadata name the limit and the allowed value. A search from a client may be nested without end: its
    depth is checked first and without recursion.
    """
    violations = Violations()
    queries, aggregations = 0, 0
    for visited in walk(search):
        _check_depth(visited, limits)
        queries += visited.shape.name == "Query"
        aggregations += visited.shape.name == "Aggregation"
        if queries > limits.max_clauses:
            _refuse("max_clauses", limits.max_clauses, (), "holds too many query clauses")
        if aggregations > limits.max_aggregations:
            _refuse("max_aggregations", limits.max_aggregations, ("aggs",), "holds too many aggregations")
        _check_kind(visited, limits)
        _check_texts(visited, limits)
        for path, reason in broken_rules(visited):
            violations.add(path, reason)
    if search.ByteSize() > MAX_BODY_BYTES:
        _refuse("max_bytes", MAX_BODY_BYTES, (), "is too long")
    _check_window(search, limits)
    violations.raise_if_any()
    check_messages(search, violations)
    violations.raise_if_any()
    if _buckets(search.aggs) > limits.max_buckets:
        _refuse("max_buckets", limits.max_buckets, ("aggs",), "can make too many buckets")


def _check_depth(visited: Visited, limits: QueryLimits) -> None:
    if visited.query_depth > limits.max_depth:
        _refuse("max_depth", limits.max_depth, visited.path, "is nested too deeply")
    if visited.aggregation_depth > limits.max_aggregation_depth:
        _refuse("max_aggregation_depth", limits.max_aggregation_depth, visited.path, "is nested too deeply")


def _check_kind(visited: Visited, limits: QueryLimits) -> None:
    if visited.shape.name == "Query":
        kind = clause_kind(visited.message)
    elif visited.shape.name == "Aggregation":
        kind = AGGREGATION
    else:
        return
    if kind is not None and kind != MATCH_ALL and kind not in limits.allowed_kinds:
        allowed = ", ".join(sorted(limits.allowed_kinds))
        _refuse("allowed_kinds", allowed, visited.path, f"is of the kind {kind}, which you may not use")


def _check_texts(visited: Visited, limits: QueryLimits) -> None:
    is_pattern = visited.shape.name in _PATTERNS
    for path, text in visited.texts():
        if is_pattern and len(text) > limits.max_pattern_length:
            _refuse("max_pattern_length", limits.max_pattern_length, path, "is too long for a pattern")
        if len(text) > limits.max_string_length:
            _refuse("max_string_length", limits.max_string_length, path, "is too long")
    if visited.shape.name == "WildcardQuery" and not limits.allow_leading_wildcard:
        value: str = visited.message.value
        if value.startswith(("*", "?")):
            _refuse("allow_leading_wildcard", "false", visited.path, "begins with a wildcard, which is slow")


def _check_window(search: Search, limits: QueryLimits) -> None:
    size = search.size if search.HasField("size") else DEFAULT_SIZE
    if size > limits.max_size:
        _refuse("max_size", limits.max_size, ("size",), f"is {size}, which is too many hits at once")
    if search.from_offset + size > limits.max_window:
        _refuse("max_window", limits.max_window, ("from",), "and size together reach too far into the hits")


def _buckets(aggregations: Mapping[str, Aggregation]) -> int:
    """The most buckets that terms, range and filters aggregations can make. Their depth has been checked."""
    total = 0
    for aggregation in aggregations.values():
        own = _own_buckets(aggregation)
        total += own + (own or 1) * _buckets(aggregation.aggs)
    return total


def _own_buckets(aggregation: Aggregation) -> int:
    if aggregation.HasField("terms"):
        size = aggregation.terms.size if aggregation.terms.HasField("size") else DEFAULT_SIZE
        return max(size, aggregation.terms.shard_size)
    return len(aggregation.range.ranges) + len(aggregation.date_range.ranges) + len(aggregation.filters.filters)


def _refuse(limit: str, allowed: int | str, path: Path, reason: str) -> NoReturn:
    field = render(path)
    message = f"{field} {reason}; the limit {limit} is {allowed}"
    raise QueryLimitError(
        message,
        metadata={"limit": limit, "allowed": str(allowed)},
        violations=[FieldViolation(field, message)],
    )
