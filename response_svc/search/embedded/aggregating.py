"""Aggregations over the matched documents: each kind makes figures or buckets, and buckets hold further ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from response_svc.search.embedded import buckets, histograms, metrics, range_buckets
from response_svc.search.embedded.refusals import refused, unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airlock.search.v1.aggregation_pb2 import Aggregation, TermsAggregation

    from response_svc.search.embedded.context import Context
    from response_svc.search.embedded.grouping import Inner

_METRICS: Final[Mapping[str, Callable[[Context, Any, Sequence[int]], dict[str, Any]]]] = {
    "avg": metrics.avg,
    "cardinality": metrics.cardinality,
    "max": metrics.maximum,
    "min": metrics.minimum,
    "percentiles": metrics.percentiles,
    "stats": metrics.stats,
    "sum": metrics.total,
    "value_count": metrics.value_count,
}
_BUCKETS: Final[Mapping[str, Callable[[Context, Any, Sequence[int], Inner], dict[str, Any]]]] = {
    "date_histogram": histograms.date_histogram,
    "date_range": range_buckets.date_range,
    "filter": buckets.filtered,
    "filters": buckets.filters,
    "histogram": histograms.histogram,
    "missing": buckets.missing,
    "range": range_buckets.ranges,
    "terms": buckets.terms,
}


def aggregate(context: Context, aggregations: Mapping[str, Aggregation], documents: Sequence[int]) -> dict[str, Any]:
    """The results by name. `documents` are in order."""
    return {name: _one(context, name, aggregations[name], documents) for name in sorted(aggregations)}


def _one(context: Context, name: str, aggregation: Aggregation, documents: Sequence[int]) -> dict[str, Any]:
    context.check_running()
    kind = next(field.name for field, _ in aggregation.ListFields() if field.name != "aggs")
    definition = getattr(aggregation, kind)
    if kind in _METRICS:
        if aggregation.aggs:
            raise refused(f"Aggregator [{name}] of type [{kind}] cannot accept sub-aggregations")
        return _METRICS[kind](context, definition, documents)

    inside = _Inside(context, aggregation.aggs)
    # What Elasticsearch refuses inside a bucket it refuses even if no bucket is made.
    inside(())
    return _BUCKETS[kind](context, definition, documents, inside)


class _Inside:
    """The aggregations inside a bucket."""

    def __init__(self, context: Context, aggregations: Mapping[str, Aggregation]) -> None:
        if any(inner.HasField("terms") and _shows_empty(inner.terms) for inner in aggregations.values()):
            raise unsupported("a terms aggregation with min_doc_count 0 inside another aggregation")
        self._context = context
        self._aggregations = aggregations

    def __call__(self, documents: Sequence[int]) -> dict[str, Any]:
        """The content of a bucket of these documents."""
        self._context.count_buckets(1)
        return {"doc_count": len(documents), **aggregate(self._context, self._aggregations, documents)}

    def empty_figure(self, path: Sequence[str], figure: str) -> float:
        """As what a figure without a value is ordered: the largest of none comes before all, the rest after."""
        aggregations = self._aggregations
        for name in path[:-1]:
            aggregations = aggregations[name].aggs
        largest = aggregations[path[-1]].HasField("max") or figure == "max"
        return -math.inf if largest else math.inf


def _shows_empty(terms: TermsAggregation) -> bool:
    return terms.HasField("min_doc_count") and not terms.min_doc_count
