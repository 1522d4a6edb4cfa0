"""The named limits of a search, checked before it is stored and again before it is executed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from common.errors import FieldViolation, QueryLimitError
from common.search.body import MAX_BODY_BYTES
from common.search.bucket_count import DEFAULT_SIZE, most_buckets
from common.search.kind import AGGREGATION, ALL_KINDS, MATCH_ALL
from common.search.limited_fields import beyond_limit, limit_of, unsaid_expansions
from common.search.patterns import wildcards_in
from common.search.rules import broken_text, broken_together, check_messages, field_rule
from common.search.violations import Path, Violations, render
from common.search.walk import SCALAR, Visited, texts_of, walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlock.search.v1.search_pb2 import Search

    from common.search.shapes import FieldShape

_PATTERNS: Final = frozenset({"PrefixQuery", "WildcardQuery"})


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """How large a search may be. `allowed_kinds` names clauses, and `aggregation` for searches that aggregate.

    `match_all` is always allowed: an empty `bool` or no query says the same. `max_buckets` bounds what aggregations can
    make together as far as the search tells it: terms, ranges and filters always, histograms where their bounds are
    named. Where only the documents tell it, the engine's own bound ends the search.
    """

    max_depth: int = 10
    max_clauses: int = 256
    max_string_length: int = 8192
    max_pattern_length: int = 256
    max_wildcards: int = 16
    allow_leading_wildcard: bool = True
    max_values: int = 1024
    max_fields: int = 64
    max_expansions: int = 1024
    max_slop: int = 100
    max_aggregation_depth: int = 4
    max_aggregations: int = 32
    max_buckets: int = 10_000
    max_ranges: int = 256
    max_filters: int = 256
    max_percents: int = 64
    max_compression: int = 1000
    max_precision_threshold: int = 40_000
    max_size: int = 1000
    max_window: int = 10_000
    max_sort_keys: int = 16
    max_source_patterns: int = 128
    max_highlight_fields: int = 64
    max_fragments: int = 100
    allowed_kinds: frozenset[str] = ALL_KINDS


def check_search(search: Search, limits: QueryLimits) -> list[Visited]:
    """Refuses a search with QueryLimitError beyond a limit, or with QueryInvalidError where a field breaks its rule.

    The error's metadata name the limit and the allowed value. A search from a client may be nested without end: its
    depth is checked first and without recursion. Returns the messages that it consists of.
    """
    violations = Violations()
    visited = _check_each(search, limits, violations)
    if search.ByteSize() > MAX_BODY_BYTES:
        _refuse("max_bytes", MAX_BODY_BYTES, (), "is too long")
    _check_window(search, limits)
    violations.raise_if_any()
    check_messages(search, violations)
    violations.raise_if_any()
    if search.aggs and most_buckets(search.aggs) > limits.max_buckets:
        _refuse("max_buckets", limits.max_buckets, ("aggs",), "can make too many buckets")
    return visited


def _check_each(search: Search, limits: QueryLimits, violations: Violations) -> list[Visited]:
    """Every message by itself. Limits end this at once, so that no one's time grows beyond them."""
    queries, aggregations = 0, 0
    found = []
    for visited in walk(search):
        kind = visited.shape.name
        if kind == "Query":
            queries += 1
            if queries > limits.max_clauses:
                _refuse("max_clauses", limits.max_clauses, (), "holds too many query clauses")
            if visited.query_depth > limits.max_depth:
                _refuse("max_depth", limits.max_depth, visited.path, "is nested too deeply")
            _check_kind(visited.fields[0][0].name if visited.fields else None, visited, limits)
        elif kind == "Aggregation":
            aggregations += 1
            if aggregations > limits.max_aggregations:
                _refuse("max_aggregations", limits.max_aggregations, ("aggs",), "holds too many aggregations")
            if visited.aggregation_depth > limits.max_aggregation_depth:
                _refuse("max_aggregation_depth", limits.max_aggregation_depth, visited.path, "is nested too deeply")
            _check_kind(AGGREGATION, visited, limits)
        _check_fields(visited, limits, violations)
        for path, reason in broken_together(visited):
            violations.add(path, reason)
        found.append(visited)
    return found


def _check_kind(kind: str | None, visited: Visited, limits: QueryLimits) -> None:
    if kind is not None and kind != MATCH_ALL and kind not in limits.allowed_kinds:
        allowed = ", ".join(sorted(limits.allowed_kinds))
        _refuse("allowed_kinds", allowed, visited.path, f"is of the kind {kind}, which you may not use")


class _Plan(NamedTuple):
    """What is looked at in a field: its limit, its own rule, and whether it holds texts."""

    limit: str | None
    rule: Callable[[Any], str | None] | None
    texts: bool


_plans: Final[dict[FieldShape, _Plan | None]] = {}


def _plan_of(field: FieldShape) -> _Plan | None:
    """The same for each search; None where there is nothing to look at."""
    plan = _Plan(limit_of(field), field_rule(field), field.message == SCALAR or (field.is_text and not field.message))
    return _plans.setdefault(field, plan if any(plan) else None)


def _check_fields(visited: Visited, limits: QueryLimits, violations: Violations) -> None:
    for field, value in visited.fields:
        plan = _plans[field] if field in _plans else _plan_of(field)
        if plan is None:
            continue
        if plan.limit and (beyond := beyond_limit(field, value, allowed := getattr(limits, plan.limit))):
            _refuse(plan.limit, allowed, visited.path_of(field), beyond)
        if plan.rule and (defect := plan.rule(value)):
            violations.add(visited.path_of(field), defect)
        if plan.texts:
            _check_texts(visited, field, value, limits, violations)
    if visited.shape.name in _PATTERNS:
        _check_pattern(visited, limits)
    expansions = unsaid_expansions(visited)
    if expansions > limits.max_expansions:
        reason = f"says no max_expansions, for which {expansions} counts"
        _refuse("max_expansions", limits.max_expansions, visited.path, reason)


def _check_texts(visited: Visited, field: FieldShape, value: Any, limits: QueryLimits, violations: Violations) -> None:  # noqa: ANN401 # Whatever a field can hold.
    for place, text in texts_of(field, value):
        if len(text) > limits.max_string_length:
            _refuse("max_string_length", limits.max_string_length, (*visited.path, *place), "is too long")
        if (defect := broken_text(text)) is not None:
            violations.add((*visited.path, *place), defect)


def _check_pattern(visited: Visited, limits: QueryLimits) -> None:
    value: str = visited.message.value
    path = (*visited.path, "value")
    if len(value) > limits.max_pattern_length:
        _refuse("max_pattern_length", limits.max_pattern_length, path, "is too long for a pattern")
    if visited.shape.name != "WildcardQuery":
        return
    if not limits.allow_leading_wildcard and value.startswith(("*", "?")):
        reason = "begins with a wildcard, which is slow; begin with letters, or use match"
        _refuse("allow_leading_wildcard", "false", path, reason)
    if (count := wildcards_in(value)) > limits.max_wildcards:
        _refuse("max_wildcards", limits.max_wildcards, path, f"has {count} wildcards")


def _check_window(search: Search, limits: QueryLimits) -> None:
    size = search.size if search.HasField("size") else DEFAULT_SIZE
    if size > limits.max_size:
        unsaid = "" if search.HasField("size") else " where nothing is said"
        _refuse("max_size", limits.max_size, ("size",), f"is {size}{unsaid}, which is too many hits at once")
    if search.from_offset + size > limits.max_window:
        reach = f"({search.from_offset}) and size ({size}) together reach too far into the hits"
        _refuse("max_window", limits.max_window, ("from",), f"{reach}; narrow the query, for example by a range")


def _refuse(limit: str, allowed: int | str, path: Path, reason: str) -> NoReturn:
    field = render(path)
    description = f"{reason}; the limit {limit} is {allowed}"
    raise QueryLimitError(
        f"{field} {description}",
        metadata={"limit": limit, "allowed": str(allowed)},
        violations=[FieldViolation(field, description)],
    )
