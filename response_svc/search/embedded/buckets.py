"""Aggregations that put documents into buckets: by value, by interval, by range, by query, by absence."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, Protocol

from common.search.limits import DEFAULT_SIZE
from common.search.scalars import scalar_value
from response_svc.search.embedded import calendar, matching
from response_svc.search.embedded.bucket_order import sorted_buckets
from response_svc.search.embedded.dates import DEFAULT_FORMAT, DateParser, find_zone, format_millis
from response_svc.search.embedded.mapping import NUMERIC, Field, Kind
from response_svc.search.embedded.metrics import field_to_aggregate, values_reader
from response_svc.search.embedded.refusals import refused, unsupported
from response_svc.search.embedded.values import java_double, number_of, plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airlock.search.v1.aggregation_pb2 import (
        Bounds,
        DateHistogramAggregation,
        DateRangeAggregation,
        FiltersAggregation,
        HistogramAggregation,
        MissingAggregation,
        RangeAggregation,
        TermsAggregation,
    )
    from airlock.search.v1.query_pb2 import Query

    from response_svc.search.embedded.context import Context
    from response_svc.search.embedded.loose import JsonValue, Message


class Inner(Protocol):
    """The aggregations inside a bucket."""

    def __call__(self, documents: Sequence[int]) -> dict[str, Any]:
        """The content of a bucket of these documents: their number, and the aggregations inside."""

    def empty_figure(self, name: str, figure: str) -> float:
        """As what a figure without a value is ordered."""


MAX_BUCKETS: Final = 65_536
_UTC: Final = find_zone("UTC")


def terms(context: Context, definition: TermsAggregation, documents: Sequence[int], inner: Inner) -> dict[str, Any]:
    """A bucket for each value."""
    field = field_to_aggregate(context, definition.field)
    if field is None:
        if definition.HasField("missing"):
            raise unsupported(f"a missing value for the unmapped field {definition.field}")
        return {"doc_count_error_upper_bound": 0, "sum_other_doc_count": 0, "buckets": []}
    grouped = _grouped(context, documents, values_reader(context, field, definition))
    least = definition.min_doc_count if definition.HasField("min_doc_count") else 1
    if not least:
        for value in context.index.column(field).distinct:
            grouped.setdefault(value, [])
    size = definition.size if definition.HasField("size") else DEFAULT_SIZE
    by_figure = any(not order.key.startswith("_") for order in definition.order)
    made = [
        _TermBucket(value, inner(own) if by_figure else {"doc_count": len(own)}, own) for value, own in grouped.items()
    ]
    ordered = sorted_buckets(made, definition.order, inner.empty_figure, by_default="_count")
    # Elasticsearch looks at so many terms only, and drops those that are too rare from among them.
    looked_at = max(size, definition.shard_size if definition.HasField("shard_size") else _looked_at(definition, size))
    kept = [bucket for bucket in ordered[:looked_at] if len(bucket.documents) >= least]
    rest = sum(len(bucket.documents) for bucket in (*kept[size:], *ordered[looked_at:]))
    exact = len(ordered) <= looked_at or _is_exact(definition)
    return {
        "doc_count_error_upper_bound": 0 if exact else -1,
        "sum_other_doc_count": rest,
        "buckets": [
            _term_bucket(field, bucket, bucket.content if by_figure else inner(bucket.documents))
            for bucket in kept[:size]
        ],
    }


def _looked_at(definition: TermsAggregation, size: int) -> int:
    """How many terms Elasticsearch looks at where nothing is said: more than are shown, unless they come by key."""
    by_key = len(definition.order) == 1 and definition.order[0].key == "_key"
    return size if by_key else size * 3 // 2 + 10


def _is_exact(definition: TermsAggregation) -> bool:
    """Whether the counts are vouched for whatever was not looked at: the most frequent, or the first by key."""
    order = definition.order[0] if definition.order else None
    return order is None or order.key == "_key" or (order.key == "_count" and order.descending)


class _TermBucket:
    """A bucket before it is shown."""

    def __init__(self, key: JsonValue, content: dict[str, Any], documents: Sequence[int] = ()) -> None:
        self.key = key
        self.content = content
        self.documents = documents


def _term_bucket(field: Field, bucket: _TermBucket, content: dict[str, Any]) -> dict[str, Any]:
    if field.kind is Kind.BOOLEAN:
        return {"key": bucket.key, "key_as_string": "true" if bucket.key else "false", **content}
    if field.kind is Kind.DATE:
        return {"key": bucket.key, "key_as_string": format_millis(bucket.key), **content}
    return {"key": bucket.key, **content}


def histogram(
    context: Context, definition: HistogramAggregation, documents: Sequence[int], inner: Inner
) -> dict[str, Any]:
    """Buckets of equal width."""
    field = field_to_aggregate(context, definition.field)
    if field is None:
        return {"buckets": {} if definition.keyed else []}
    if field.kind not in NUMERIC:
        raise refused(f"Field [{field.name}] of type [{field.kind.value}] is not supported for aggregation [histogram]")
    width, offset = definition.interval, definition.offset

    def step_of(value: float) -> int:
        return math.floor((value - offset) / width)

    read = values_reader(context, field, definition)
    low, high = _number_bounds(field, definition.hard_bounds)

    def steps(ordinal: int) -> list[int]:
        found = (step_of(value) for value in read(ordinal))
        return [step for step in found if low <= step * width + offset <= high]

    grouped = _grouped(context, documents, steps)
    least = definition.min_doc_count if definition.HasField("min_doc_count") else 0
    if not least:
        first, last = _number_bounds(field, definition.extended_bounds)
        ends = [step_of(bound) for bound in (first, last) if math.isfinite(bound)]
        _fill(grouped, ends, lambda step: step + 1)
    made = [_TermBucket(step * width + offset, inner(own)) for step, own in grouped.items() if len(own) >= least]
    ordered = sorted_buckets(made, definition.order, inner.empty_figure, by_default="_key")
    if definition.keyed:
        return {"buckets": {java_double(bucket.key): {"key": bucket.key, **bucket.content} for bucket in ordered}}
    return {"buckets": [{"key": bucket.key, **bucket.content} for bucket in ordered]}


def date_histogram(
    context: Context, definition: DateHistogramAggregation, documents: Sequence[int], inner: Inner
) -> dict[str, Any]:
    """Buckets over time."""
    field = field_to_aggregate(context, definition.field)
    if field is None:
        return {"buckets": {} if definition.keyed else []}
    if field.kind is not Kind.DATE:
        raise refused(
            f"Field [{field.name}] of type [{field.kind.value}] is not supported for aggregation [date_histogram]"
        )
    rounding = calendar.Rounding.of(definition)
    if definition.HasField("hard_bounds"):
        raise unsupported("date_histogram with hard_bounds")
    read = values_reader(context, field, definition)
    grouped = _grouped(context, documents, lambda ordinal: [rounding.floor(value) for value in read(ordinal)])
    least = definition.min_doc_count if definition.HasField("min_doc_count") else 0
    if not least:
        parser = DateParser(_format(definition), rounding.zone, context.now_millis)
        ends = [rounding.floor(bound) for bound in _date_bounds(parser, definition.extended_bounds)]
        _fill(grouped, ends, rounding.next)
    made = [_TermBucket(key, inner(own)) for key, own in grouped.items() if len(own) >= least]
    shown = [
        {
            "key_as_string": format_millis(bucket.key, _format(definition), rounding.zone),
            "key": bucket.key,
            **bucket.content,
        }
        for bucket in sorted_buckets(made, definition.order, inner.empty_figure, by_default="_key")
    ]
    return {"buckets": {bucket["key_as_string"]: bucket for bucket in shown} if definition.keyed else shown}


def ranges(context: Context, definition: RangeAggregation, documents: Sequence[int], inner: Inner) -> dict[str, Any]:
    """A bucket for each range of numbers, in order of their limits."""
    field = field_to_aggregate(context, definition.field)
    if field is not None and field.kind not in NUMERIC:
        raise unsupported(f"a range aggregation over the field {field.name} of type {field.kind.value}")

    def limit(value: JsonValue) -> float:
        name = definition.field
        return float(number_of(field or Field(name, Kind.DOUBLE, (name,)), value))

    return _ranges(context, field, definition, documents, inner, limit, java_double, with_text=False)


def date_range(
    context: Context, definition: DateRangeAggregation, documents: Sequence[int], inner: Inner
) -> dict[str, Any]:
    """A bucket for each range of dates, in order of their limits."""
    field = field_to_aggregate(context, definition.field)
    if field is None or field.kind is not Kind.DATE:
        raise unsupported(f"a date_range aggregation over {definition.field}, which is not mapped as a date")
    zone = find_zone(definition.time_zone) if definition.HasField("time_zone") else _UTC
    parser = DateParser(_format(definition), zone, context.now_millis)

    def limit(value: JsonValue) -> float:
        return float(_date(parser, value))

    def text(value: float) -> str:
        return format_millis(int(value), _format(definition), zone)

    return _ranges(context, field, definition, documents, inner, limit, text, with_text=True)


def _ranges(  # Two kinds of range that differ in how limits are read and written.
    context: Context,
    field: Field | None,
    definition: RangeAggregation | DateRangeAggregation,
    documents: Sequence[int],
    inner: Inner,
    limit: Callable[[Any], float],
    text: Callable[[float], str],
    *,
    with_text: bool,
) -> dict[str, Any]:
    read: Callable[[int], Sequence[Any]] = (
        (lambda _: ()) if field is None else values_reader(context, field, definition)
    )
    found: list[tuple[float, float, dict[str, Any]]] = []
    for bucket in definition.ranges:
        low = _limit(bucket, "from_value", limit, -math.inf)
        high = _limit(bucket, "to_value", limit, math.inf)
        inside = [ordinal for ordinal in documents if any(low <= value < high for value in read(ordinal))]
        ends = {name: value for name, value in (("from", low), ("to", high)) if math.isfinite(value)}
        shown: dict[str, Any] = {}
        for name, value in ends.items():
            shown[name] = value
            if with_text:
                shown[f"{name}_as_string"] = text(value)
        name = bucket.key or "-".join(text(ends[end]) if end in ends else "*" for end in ("from", "to"))
        found.append((low, high, {"key": name, **shown, **inner(inside)}))
    found.sort(key=lambda entry: entry[:2])
    buckets = [bucket for _, _, bucket in found]
    return {"buckets": {bucket.pop("key"): bucket for bucket in buckets} if definition.keyed else buckets}


def _limit(bucket: Message, name: str, read: Callable[[Any], float], without: float) -> float:
    value = scalar_value(getattr(bucket, name)) if bucket.HasField(name) else None
    return without if value is None else read(value)


def filtered(context: Context, definition: Query, documents: Sequence[int], inner: Inner) -> dict[str, Any]:
    """The documents that a query matches."""
    matched = matching.match_once(context, definition)
    return inner([ordinal for ordinal in documents if ordinal in matched])


def filters(context: Context, definition: FiltersAggregation, documents: Sequence[int], inner: Inner) -> dict[str, Any]:
    """A bucket for each of several queries, and one for what none of them matches if that is asked for."""
    matched = {name: matching.match_once(context, definition.filters[name]) for name in sorted(definition.filters)}
    made = {name: inner([ordinal for ordinal in documents if ordinal in scores]) for name, scores in matched.items()}
    if definition.HasField("other_bucket_key") or definition.other_bucket:
        name = definition.other_bucket_key or "_other_"
        made[name] = inner([o for o in documents if not any(o in scores for scores in matched.values())])
    return {"buckets": made}


def missing(context: Context, definition: MissingAggregation, documents: Sequence[int], inner: Inner) -> dict[str, Any]:
    """The documents without a value."""
    field = field_to_aggregate(context, definition.field)
    if field is None:
        return inner(documents)
    values = context.index.column(field).values
    return inner([ordinal for ordinal in documents if not values[ordinal]])


def _grouped(
    context: Context, documents: Sequence[int], keys_of: Callable[[int], Iterable[Any]]
) -> dict[Any, list[int]]:
    """The documents by key; each counts once for a key, however many of its values lead there."""
    grouped: dict[Any, list[int]] = defaultdict(list)
    for number, ordinal in enumerate(documents):
        if number % 4096 == 0:
            context.check_deadline()
        previous = None
        # Values are sorted, so those with the same key stand beside each other.
        for key in keys_of(ordinal):
            if key != previous:
                grouped[key].append(ordinal)
            previous = key
    return dict(grouped)


def _fill(grouped: dict[Any, list[int]], ends: Sequence[Any], following: Callable[[Any], Any]) -> None:
    """Adds the empty buckets between the outermost ones."""
    known = [*grouped, *ends]
    if not known:
        return
    key, last = min(known), max(known)
    while key <= last:
        grouped.setdefault(key, [])
        if len(grouped) > MAX_BUCKETS:
            raise refused(f"Trying to create too many buckets. Must be less than or equal to: [{MAX_BUCKETS}]")
        key = following(key)


def _number_bounds(field: Field, bounds: Bounds) -> tuple[float, float]:
    low, high = (scalar_value(getattr(bounds, name)) if bounds.HasField(name) else None for name in ("min", "max"))
    return (
        -math.inf if low is None else float(number_of(field, low)),
        math.inf if high is None else float(number_of(field, high)),
    )


def _date_bounds(parser: DateParser, bounds: Bounds) -> list[int]:
    values = [scalar_value(getattr(bounds, name)) for name in ("min", "max") if bounds.HasField(name)]
    return [_date(parser, value) for value in values if value is not None]


def _date(parser: DateParser, value: JsonValue) -> int:
    if not isinstance(value, str):
        parser = parser.of_numbers()
    return parser.bound(plain_text(value), round_up=False)


def _format(definition: DateHistogramAggregation | DateRangeAggregation) -> str:
    return definition.format if definition.HasField("format") else DEFAULT_FORMAT
