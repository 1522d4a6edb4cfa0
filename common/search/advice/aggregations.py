"""Aggregations that can make more buckets than anybody reads, or whose work nothing bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from common.search.advice.warning import WarningKind, warn
from common.search.bucket_count import interval_milliseconds, own_buckets
from common.search.field_uses import field_uses
from common.search.walk import walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from airlock.search.v1.aggregation_pb2 import Aggregation, DateHistogramAggregation, HistogramAggregation
    from airlock.search.v1.search_pb2 import Search

    from common.search.advice.warning import QueryWarning
    from common.search.violations import Path

MANY_BUCKETS: Final = 1000
GUESSED_BUCKETS: Final = 50
"""What a histogram is taken to make: its data are on the other network."""
SHORT_MILLISECONDS: Final = 3_600_000
"""Time intervals below this make thousands of buckets in a year."""
NARROW: Final = 1.0
PRECISE: Final = 3000
"""Elasticsearch's own threshold, below which counting different values is precise."""
MANY_COUNTERS: Final = 100


class Placed(NamedTuple):
    """An aggregation where it stands. `around` is how many buckets those around it make, `buckets` it with them."""

    aggregation: Aggregation
    path: Path
    around: int
    buckets: int


def placed_aggregations(search: Search) -> Iterator[Placed]:
    """All of them from the outside in. How deep they are nested has been checked."""
    yield from _placed(search.aggs, ("aggs",), 1)


def aggregation_warnings(search: Search) -> Iterator[QueryWarning]:
    """What is to be said of each of them."""
    bounded = {use.name for use in field_uses(walk(search)) if use.kind == "range" and use.place == "query"}
    for placed in placed_aggregations(search):
        if placed.around <= MANY_BUCKETS < placed.buckets:
            yield warn(
                WarningKind.MANY_BUCKETS,
                placed.path,
                f"can make about {placed.buckets} buckets with those around it; ask for fewer, or narrow the query",
            )
        yield from _of_histogram(placed, bounded)
        yield from _of_cardinality(placed)


def _placed(aggregations: Mapping[str, Aggregation], path: Path, around: int) -> Iterator[Placed]:
    for name in sorted(aggregations):
        aggregation = aggregations[name]
        buckets = around * _expected_buckets(aggregation)
        yield Placed(aggregation, (*path, name), around, buckets)
        yield from _placed(aggregation.aggs, (*path, name, "aggs"), buckets)


def _expected_buckets(aggregation: Aggregation) -> int:
    is_histogram = aggregation.HasField("histogram") or aggregation.HasField("date_histogram")
    return own_buckets(aggregation) or (GUESSED_BUCKETS if is_histogram else 1)


def _of_histogram(placed: Placed, bounded: AbstractSet[str]) -> Iterator[QueryWarning]:
    aggregation = placed.aggregation
    if aggregation.HasField("histogram"):
        kind = "histogram"
        histogram: HistogramAggregation | DateHistogramAggregation = aggregation.histogram
        is_fine = aggregation.histogram.interval < NARROW
    elif aggregation.HasField("date_histogram"):
        kind, histogram = "date_histogram", aggregation.date_histogram
        is_fine = interval_milliseconds(aggregation.date_histogram) < SHORT_MILLISECONDS
    else:
        return
    if is_fine and not histogram.HasField("hard_bounds") and histogram.field not in bounded:
        yield warn(
            WarningKind.UNBOUNDED_HISTOGRAM,
            (*placed.path, kind),
            "has a short interval and no bounds, and the engine refuses an answer of more than 65,536 buckets; take a "
            "longer one, set hard_bounds, or add a range of the same field to the query",
        )


def _of_cardinality(placed: Placed) -> Iterator[QueryWarning]:
    if not placed.aggregation.HasField("cardinality"):
        return
    precise = placed.aggregation.cardinality.precision_threshold > PRECISE
    if precise or placed.around > MANY_COUNTERS:
        why = f"is precise beyond {PRECISE} values" if precise else f"is counted in about {placed.around} buckets"
        yield warn(
            WarningKind.COSTLY_CARDINALITY,
            (*placed.path, "cardinality"),
            f"{why}, which takes memory for each; leave precision_threshold out, and ask for fewer buckets around it",
        )
