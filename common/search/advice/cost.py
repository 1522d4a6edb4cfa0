"""Estimates how much work the engine has with a search, by rules about the search alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from common.search.advice.aggregations import placed_aggregations
from common.search.advice.warning import WarningKind
from common.search.kind import MATCH_ALL, clause_kind
from common.search.walk import walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airlock.search.v1.search_pb2 import Search

    from common.search.advice.warning import QueryWarning

SOME_CLAUSES: Final = 32
MANY_CLAUSES: Final = 128
MANY_VALUES: Final = 256
SOME_BUCKETS: Final = 100


class CostClass(IntEnum):
    """LOW is the usual question; HIGH may take the engine seconds on a large index."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


_OF_WARNINGS: Final = {
    WarningKind.LEADING_WILDCARD: CostClass.HIGH,
    WarningKind.FEW_LETTERS: CostClass.MEDIUM,
    WarningKind.FUZZY_WITHOUT_PREFIX: CostClass.HIGH,
    WarningKind.DEEP_PAGING: CostClass.MEDIUM,
    WarningKind.LARGE_DOCUMENTS: CostClass.MEDIUM,
    WarningKind.WIDE_HIGHLIGHT: CostClass.MEDIUM,
    WarningKind.MANY_BUCKETS: CostClass.HIGH,
    WarningKind.UNBOUNDED_HISTOGRAM: CostClass.HIGH,
    WarningKind.COSTLY_CARDINALITY: CostClass.HIGH,
}
"""What a warning says about the cost; the others say nothing about it."""


@dataclass(frozen=True, slots=True)
class CostReason:
    """Why a search costs more than LOW."""

    cost_class: CostClass
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Cost:
    """The highest class among the reasons."""

    cost_class: CostClass
    reasons: Sequence[CostReason]


def estimate(search: Search, warnings: Sequence[QueryWarning]) -> Cost:
    """The cost of a search, of which `warnings` are what was warned of."""
    reasons = [
        CostReason(_OF_WARNINGS[warning.kind], warning.path, warning.text)
        for warning in warnings
        if warning.kind in _OF_WARNINGS
    ]
    reasons += _of_clauses(search)
    reasons += _of_aggregations(search)
    return Cost(max((reason.cost_class for reason in reasons), default=CostClass.LOW), reasons)


def _of_clauses(search: Search) -> Iterator[CostReason]:
    clauses = values = fuzzy = 0
    for visited in walk(search):
        clauses += visited.shape.name == "Query"
        if visited.shape.name in {"TermsQuery", "IdsQuery"}:
            values += len(visited.message.values)
        fuzzy += visited.shape.name == "FuzzyQuery" or any(field.name == "fuzziness" for field, _ in visited.fields)
    if clauses > SOME_CLAUSES:
        cost_class = CostClass.HIGH if clauses > MANY_CLAUSES else CostClass.MEDIUM
        yield CostReason(cost_class, "query", f"holds {clauses} clauses")
    if values > MANY_VALUES:
        yield CostReason(CostClass.MEDIUM, "query", f"lists {values} values")
    if fuzzy:
        yield CostReason(CostClass.MEDIUM, "query", "looks for similar words")


def _of_aggregations(search: Search) -> Iterator[CostReason]:
    if not search.aggs:
        return
    if not search.HasField("query") or clause_kind(search.query) == MATCH_ALL:
        yield CostReason(CostClass.MEDIUM, "aggs", "go over every document; a query narrows them")
    buckets = sum(placed.buckets for placed in placed_aggregations(search) if not placed.aggregation.aggs)
    if buckets > SOME_BUCKETS:
        yield CostReason(CostClass.MEDIUM, "aggs", f"can make about {buckets} buckets")
