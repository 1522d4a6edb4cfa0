"""What an aggregation breaks as a whole: figures that hold others, orders by what is not there, bounds turned round."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from common.search.clause_rules import time_zone
from common.search.scalars import scalar_value
from common.search.violations import did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airlock.search.v1.aggregation_pb2 import Aggregation, BucketOrder, PercentilesAggregation

    from common.search.violations import Path
    from common.search.walk import Visited

    Broken = Iterator[tuple[Path, str]]

SINGLE_FIGURES: Final = frozenset({"avg", "min", "max", "sum", "value_count", "cardinality"})
METRICS: Final = SINGLE_FIGURES | {"stats", "percentiles"}
"""Aggregations that make figures, and so hold no others."""
_ONE_BUCKET: Final = frozenset({"filter", "missing"})
_ORDERED: Final = ("terms", "histogram", "date_histogram")
_STATS: Final = frozenset({"count", "min", "max", "avg", "sum"})
_OLD_KEYS: Final = frozenset({"_term", "_time"})
_LAST: Final = re.compile(
    r"(?P<name>.+)\[(?P<inside>[^\[\]]+)\]|(?P<before>.+)\.(?P<behind>[^.]+)|(?P<alone>.+)", re.DOTALL
)


def kind_of_aggregation(aggregation: Aggregation) -> str | None:
    """Its kind by its name in Elasticsearch, or None where none is set."""
    return next((field.name for field, _ in aggregation.ListFields() if field.name != "aggs"), None)


def _aggregation(visited: Visited) -> Broken:
    aggregation = visited.message
    kind = kind_of_aggregation(aggregation)
    if kind in METRICS and aggregation.aggs:
        yield (*visited.path, "aggs"), f"cannot stand in an aggregation of the kind {kind}, which makes no buckets"
    if kind in _ORDERED:
        for position, order in enumerate(getattr(aggregation, kind).order):
            defect = _order_defect(order, aggregation)
            if defect is not None:
                yield (*visited.path, kind, "order", position), defect


def _order_defect(order: BucketOrder, aggregation: Aggregation) -> str | None:
    """Why the engine could not follow the path: it names an aggregation inside, through such with one bucket."""
    if order.key in {"_count", "_key"}:
        return None
    if order.key in _OLD_KEYS:
        return f"orders by {order.key}, which is called _key now"
    *outer, last = order.key.split(">")
    inside: Mapping[str, Aggregation] = aggregation.aggs
    for name in outer:
        if name not in inside:
            return _not_there(name, inside)
        if kind_of_aggregation(inside[name]) not in _ONE_BUCKET:
            return f"leads through {shown(name)}, which has many buckets; only filter and missing have a single one"
        inside = inside[name].aggs
    name, figure = _figure_of(last, inside)
    if name not in inside:
        return _not_there(name, inside)
    return _figure_defect(name, figure, inside[name])


def _figure_of(last: str, inside: Mapping[str, Aggregation]) -> tuple[str, str | None]:
    """The aggregation and its figure, read as Elasticsearch does: `stats.avg`, `stats[avg]`, `load[99.9]`, `mean`."""
    found = _LAST.fullmatch(last)
    if found is None or found["alone"]:
        return last, None
    if found["name"]:
        return found["name"], found["inside"]
    return found["before"], found["behind"]


def _figure_defect(name: str, figure: str | None, aggregation: Aggregation) -> str | None:
    kind = kind_of_aggregation(aggregation)
    if kind in SINGLE_FIGURES:
        fits, example = figure in {None, "value"}, shown(name)
    elif kind in _ONE_BUCKET:
        fits, example = figure in {None, "doc_count"}, shown(name)
    elif kind == "stats":
        fits, example = figure in _STATS, f"{shown(name)}.avg"
    elif kind == "percentiles":
        fits, example = _is_percent(figure, aggregation.percentiles), f"{shown(name)}[50.0]"
    else:
        return f"orders by {shown(name)}, which has many buckets and no single figure"
    return None if fits else f"names no figure of {shown(name)}; write it as {example}"


def _is_percent(figure: str | None, percentiles: PercentilesAggregation) -> bool:
    try:
        return float(figure or "") in (percentiles.percents or (1, 5, 25, 50, 75, 95, 99))
    except ValueError:
        return False


def _not_there(name: str, inside: Mapping[str, Aggregation]) -> str:
    near = did_you_mean(name, ("_count", "_key", *inside))
    return f"orders by {shown(name)}, which is no aggregation inside; {near}"


def _missing(visited: Visited) -> Broken:
    if visited.message.missing.null_value:
        yield (*visited.path, "missing"), "is null; name the value that stands for none, or leave it out"


def _terms(visited: Visited) -> Broken:
    message = visited.message
    for name in ("include", "exclude"):
        for position, value in enumerate(getattr(message, name)):
            if value.null_value:
                yield (*visited.path, name, position), "is null, which no document holds; use a missing aggregation"
    yield from _missing(visited)


def _percentiles(visited: Visited) -> Broken:
    percents = visited.message.percents
    if len(set(percents)) < len(percents):
        yield (*visited.path, "percents"), "names a percent twice; keep one"
    yield from _missing(visited)


def _histogram(visited: Visited) -> Broken:
    """Bounds of numbers, which no text can be here."""
    yield from _bounds(visited, lambda value: isinstance(value, (int, float)), "a number")
    yield from _missing(visited)


def _date_histogram(visited: Visited) -> Broken:
    """Bounds of dates may be written in ways that only the engine reads."""
    yield from _bounds(visited, lambda value: isinstance(value, (int, str)), "a date")
    yield from _missing(visited)
    yield from time_zone(visited)


def _bounds(visited: Visited, fits: Callable[[object], bool], what: str) -> Broken:
    message = visited.message
    limits: dict[str, tuple[float | None, float | None]] = {}
    for name in ("hard_bounds", "extended_bounds"):
        bounds = getattr(message, name)
        for end in ("min", "max"):
            value = scalar_value(getattr(bounds, end))
            if value is not None and (isinstance(value, bool) or not fits(value)):
                yield (*visited.path, name, end), f"must be {what}"
        low, high = limits[name] = number_bounds(bounds)
        if low is not None and high is not None and low > high:
            yield (*visited.path, name), "has a min above its max"
    (lowest, highest), extended = limits["hard_bounds"], limits["extended_bounds"]
    below = lowest is not None and any(bound is not None and bound < lowest for bound in extended)
    above = highest is not None and any(bound is not None and bound > highest for bound in extended)
    if below or above:
        yield (*visited.path, "extended_bounds"), "must lie inside hard_bounds"


def _ranges(visited: Visited) -> Broken:
    for position, bucket in enumerate(visited.message.ranges):
        for name, value in (("from", bucket.from_value), ("to", bucket.to_value)):
            if value.WhichOneof("kind") == "bool_value":
                yield (*visited.path, "ranges", position, name), "must be a number or a date, not true or false"
    yield from _missing(visited)


def _date_ranges(visited: Visited) -> Broken:
    yield from _ranges(visited)
    yield from time_zone(visited)


def number_bounds(bounds: Any) -> tuple[float | None, float | None]:  # noqa: ANN401 # Bounds of either histogram.
    """Both bounds where they are numbers."""
    low, high = (scalar_value(getattr(bounds, name)) for name in ("min", "max"))
    return _number(low), _number(high)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


AGGREGATION_RULES: Final[Mapping[str, Callable[[Visited], Broken]]] = {
    "Aggregation": _aggregation,
    "CardinalityAggregation": _missing,
    "DateHistogramAggregation": _date_histogram,
    "DateRangeAggregation": _date_ranges,
    "HistogramAggregation": _histogram,
    "MetricAggregation": _missing,
    "PercentilesAggregation": _percentiles,
    "RangeAggregation": _ranges,
    "TermsAggregation": _terms,
}
"""By message."""
