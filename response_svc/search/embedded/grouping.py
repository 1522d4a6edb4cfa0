"""What all aggregations with buckets share: documents by key, what is inside a bucket, dates in their options."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Protocol

from response_svc.search.embedded.dates import DEFAULT_FORMAT, DateParser
from response_svc.search.embedded.values import plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airlock.search.v1.aggregation_pb2 import (
        DateHistogramAggregation,
        DateRangeAggregation,
    )

    from response_svc.search.embedded.context import Context
    from response_svc.search.embedded.loose import JsonValue


class Inner(Protocol):
    """The aggregations inside a bucket."""

    def __call__(self, documents: Sequence[int]) -> dict[str, Any]:
        """The content of a bucket of these documents: their number, and the aggregations inside."""

    def empty_figure(self, path: Sequence[str], figure: str) -> float:
        """As what a figure without a value is ordered."""


class Bucket:
    """A bucket before it is shown."""

    def __init__(self, key: JsonValue, content: dict[str, Any], documents: Sequence[int] = ()) -> None:
        self.key = key
        self.content = content
        self.documents = documents


def grouped_by(
    context: Context, documents: Sequence[int], keys_of: Callable[[int], Iterable[Any]]
) -> dict[Any, list[int]]:
    """The documents by key; each counts once for a key, however many of its values lead there."""
    grouped: dict[Any, list[int]] = defaultdict(list)
    for number, ordinal in enumerate(documents):
        if number % 4096 == 0:
            context.check_running()
        previous = None
        # Values are sorted, so those with the same key stand beside each other.
        for key in keys_of(ordinal):
            if key != previous:
                grouped[key].append(ordinal)
            previous = key
    return dict(grouped)


def date_of(parser: DateParser, value: JsonValue) -> int:
    """A date in an option: a text, or a number of milliseconds."""
    if not isinstance(value, str):
        parser = parser.of_numbers()
    return parser.bound(plain_text(value), round_up=False)


def date_format(definition: DateHistogramAggregation | DateRangeAggregation) -> str:
    """How keys and limits are read and written."""
    return definition.format if definition.HasField("format") else DEFAULT_FORMAT
