"""How many buckets a search's aggregations can make, as far as the search itself tells it."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from common.search.aggregation_rules import number_bounds
from common.search.scalars import scalar_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airlock.search.v1.aggregation_pb2 import (
        Aggregation,
        DateHistogramAggregation,
        FiltersAggregation,
        HistogramAggregation,
        TermsAggregation,
    )

DEFAULT_SIZE: Final = 10
"""How many hits, and how many buckets of a terms aggregation, Elasticsearch gives where nothing is said."""

_UNITS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_CALENDAR: Final = {
    **dict.fromkeys(("second", "1s"), 1000),
    **dict.fromkeys(("minute", "1m"), 60_000),
    **dict.fromkeys(("hour", "1h"), 3_600_000),
    **dict.fromkeys(("day", "1d"), 86_400_000),
    **dict.fromkeys(("week", "1w"), 7 * 86_400_000),
    **dict.fromkeys(("month", "1M"), 28 * 86_400_000),
    **dict.fromkeys(("quarter", "1q"), 90 * 86_400_000),
    **dict.fromkeys(("year", "1y"), 365 * 86_400_000),
}
_ISO_DATE: Final = re.compile(r"\d{4}-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?)?", re.ASCII)
_BOUNDS: Final = ("extended_bounds", "hard_bounds")
# Beyond any limit, and still a whole number.
_COUNTLESS: Final = 2**31


def most_buckets(aggregations: Mapping[str, Aggregation]) -> int:
    """The most buckets that they can make together. Their depth has been checked.

    A histogram counts if it makes empty buckets and names both bounds. Otherwise only the documents tell how many
    buckets it makes, and it counts like an aggregation that makes none.
    """
    total = 0
    for aggregation in aggregations.values():
        own = own_buckets(aggregation)
        total += own + (own or 1) * most_buckets(aggregation.aggs) if aggregation.aggs else own
    return total


def own_buckets(aggregation: Aggregation) -> int:
    """The most that it makes by itself; 0 for one that makes none, or of which only the documents tell."""
    for field, definition in aggregation.ListFields():
        count = _COUNTS.get(field.name)
        if count is not None:
            return count(definition)
    return 0


def _terms(terms: TermsAggregation) -> int:
    return max(terms.size if terms.HasField("size") else DEFAULT_SIZE, terms.shard_size)


def _filters(filters: FiltersAggregation) -> int:
    others = filters.other_bucket or filters.HasField("other_bucket_key")
    return len(filters.filters) + len(filters.anonymous) + others


def _histogram(histogram: HistogramAggregation) -> int:
    if not _is_filled(histogram):
        return 0
    return max(_between(*number_bounds(getattr(histogram, name)), histogram.interval) for name in _BOUNDS)


def _date_histogram(histogram: DateHistogramAggregation) -> int:
    if not _is_filled(histogram):
        return 0
    width = interval_milliseconds(histogram)
    return max(_between(*_date_bounds(getattr(histogram, name)), width) for name in _BOUNDS)


def interval_milliseconds(histogram: DateHistogramAggregation) -> int:
    """The least time that a bucket covers."""
    return _CALENDAR.get(histogram.calendar_interval) or _milliseconds(histogram.fixed_interval)


def _is_filled(histogram: HistogramAggregation | DateHistogramAggregation) -> bool:
    """Whether empty buckets are made, which is so where nothing is said."""
    return not histogram.min_doc_count


def _between(low: float | None, high: float | None, width: float) -> int:
    if low is None or high is None or not width > 0:
        return 0
    steps = (high - low) / width
    return 0 if steps < 0 else int(min(steps + 1, _COUNTLESS)) if math.isfinite(steps) else _COUNTLESS


def _milliseconds(interval: str) -> int:
    number = interval.rstrip("smhd")
    return int(number) * _UNITS.get(interval[len(number) :], 0) if number.isdecimal() else 0


def _date_bounds(bounds: Any) -> tuple[float | None, float | None]:  # noqa: ANN401 # A message of bounds.
    return _date(scalar_value(bounds.min)), _date(scalar_value(bounds.max))


def _date(value: object) -> float | None:
    """Milliseconds, of numbers and of whole dates; what is reckoned from now or written otherwise is not known here."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if not isinstance(value, str):
        return float(value)
    if _ISO_DATE.fullmatch(value) is None:
        return None
    try:
        moment = datetime.fromisoformat(f"{value}-01" if value.count("-") == 1 and "T" not in value else value)
    except ValueError:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp() * 1000


_COUNTS: Final[Mapping[str, Callable[[Any], int]]] = {
    "date_histogram": _date_histogram,
    "date_range": lambda date_range: len(date_range.ranges),
    "filters": _filters,
    "histogram": _histogram,
    "range": lambda ranges: len(ranges.ranges),
    "terms": _terms,
}
