"""The named limits of a search, checked before it is stored and again before it is executed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.search.kind import ALL_KINDS

if TYPE_CHECKING:
    from airlock.search.v1.search_pb2 import Search


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """How large a search may be. `allowed_kinds` names clauses, and `aggregation` for searches that aggregate."""

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
    raise NotImplementedError
