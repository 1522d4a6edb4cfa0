"""Buckets of equal intervals: over numbers, and over time."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from common.search.scalars import scalar_value
from response_svc.search.embedded import calendar
from response_svc.search.embedded.bucket_order import sorted_buckets
from response_svc.search.embedded.context import MAX_BUCKETS, too_many_buckets
from response_svc.search.embedded.dates import DateParser, format_millis
from response_svc.search.embedded.grouping import Bucket, Inner, date_format, date_of, grouped_by
from response_svc.search.embedded.mapping import NUMERIC, Field, Kind
from response_svc.search.embedded.metrics import field_to_aggregate, values_reader
from response_svc.search.embedded.refusals import refused, unsupported
from response_svc.search.embedded.values import java_double, number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airlock.search.v1.aggregation_pb2 import (
        Bounds,
        DateHistogramAggregation,
        HistogramAggregation,
    )

    from response_svc.search.answers import EngineRefusedError
    from response_svc.search.embedded.context import Context


def histogram(
    context: Context, definition: HistogramAggregation, documents: Sequence[int], inner: Inner
) -> dict[str, Any]:
    """Buckets of equal width."""
    field = field_to_aggregate(context, definition.field)
    if field is None:
        return {"buckets": {} if definition.keyed else []}
    if field.kind in {Kind.DATE, Kind.BOOLEAN}:
        raise unsupported(f"a histogram over the field {field.name} of type {field.kind.value}")
    if field.kind not in NUMERIC:
        raise refused(f"Field [{field.name}] of type [{field.kind.value}] is not supported for aggregation [histogram]")
    if definition.HasField("hard_bounds") and definition.offset:
        raise unsupported("a histogram with hard_bounds and an offset")
    width, offset = definition.interval, definition.offset

    def step_of(value: float) -> int:
        steps = (value - offset) / width
        if not math.isfinite(steps) or not math.isfinite(math.floor(steps) * width + offset):
            raise unsupported("a histogram with steps too small for its values")
        if steps == 0 and math.copysign(1, steps) < 0:
            raise unsupported("a histogram over minus zero")
        return math.floor(steps)

    read = values_reader(context, field, definition)
    low, high = _number_bounds(field, definition.hard_bounds)

    def steps(ordinal: int) -> list[int]:
        found = (step_of(value) for value in read(ordinal))
        return [step for step in found if low <= step * width + offset <= high]

    grouped = grouped_by(context, documents, steps)
    least = definition.min_doc_count if definition.HasField("min_doc_count") else 0
    if not least:
        first, last = _number_bounds(field, definition.extended_bounds)
        extended = [bound for bound in (first, last) if math.isfinite(bound)]
        if any(not low <= bound <= high for bound in extended):
            raise refused("Extended bounds have to be inside hard bounds")
        ends = [step_of(bound) for bound in extended]
        _fill(context, grouped, ends, lambda step: step + 1)
    made = [Bucket(step * width + offset, inner(own)) for step, own in grouped.items() if len(own) >= least]
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
    if field.kind in NUMERIC or field.kind is Kind.BOOLEAN:
        raise unsupported(f"a date_histogram over the field {field.name} of type {field.kind.value}")
    if field.kind is not Kind.DATE:
        raise refused(
            f"Field [{field.name}] of type [{field.kind.value}] is not supported for aggregation [date_histogram]"
        )
    rounding = calendar.Rounding.of(definition)
    if definition.HasField("hard_bounds"):
        raise unsupported("date_histogram with hard_bounds")
    if definition.HasField("missing") and definition.HasField("format"):
        raise unsupported("date_histogram with a missing value and a format")
    parser = DateParser(date_format(definition), rounding.zone, context.now_millis)
    read = values_reader(context, field, definition, parser)
    grouped = grouped_by(context, documents, lambda ordinal: [rounding.floor(value) for value in read(ordinal)])
    least = definition.min_doc_count if definition.HasField("min_doc_count") else 0
    if not least:
        # The bounds are rounded as if there were no offset, and moved by it afterwards.
        plain = replace(rounding, offset=0)
        bounds = _date_bounds(parser, definition.extended_bounds)
        ends = [plain.floor(bound) + rounding.offset for bound in bounds]
        _fill(context, grouped, ends, rounding.next)
    made = [Bucket(key, inner(own)) for key, own in grouped.items() if len(own) >= least]
    shown = [
        {
            "key_as_string": format_millis(bucket.key, date_format(definition), rounding.zone),
            "key": bucket.key,
            **bucket.content,
        }
        for bucket in sorted_buckets(made, definition.order, inner.empty_figure, by_default="_key")
    ]
    return {"buckets": {bucket["key_as_string"]: bucket for bucket in shown} if definition.keyed else shown}


def _fill(
    context: Context, grouped: dict[Any, list[int]], ends: Sequence[Any], following: Callable[[Any], Any]
) -> None:
    """Adds the empty buckets between the outermost ones."""
    known = [*grouped, *ends]
    # One bound alone reaches from there to the first or last bucket; without buckets it reaches nowhere.
    if not grouped and len(ends) < 2:
        return
    key, last = min(known), max(known)
    while key <= last:
        grouped.setdefault(key, [])
        if len(grouped) % 1024 == 0:
            context.check_running()
        if len(grouped) > MAX_BUCKETS:
            raise too_many_buckets()
        key = following(key)


def _number_bounds(field: Field, bounds: Bounds) -> tuple[float, float]:
    low, high = (scalar_value(getattr(bounds, name)) if bounds.HasField(name) else None for name in ("min", "max"))
    found = (
        -math.inf if low is None else float(number_of(field, low)),
        math.inf if high is None else float(number_of(field, high)),
    )
    if found[0] > found[1]:
        raise _turned_round(low, high)
    return found


def _date_bounds(parser: DateParser, bounds: Bounds) -> list[int]:
    values = [scalar_value(getattr(bounds, name)) for name in ("min", "max") if bounds.HasField(name)]
    found = [date_of(parser, value) for value in values if value is not None]
    if found != sorted(found):
        raise _turned_round(*values)
    return found


def _turned_round(low: object, high: object) -> EngineRefusedError:
    return refused(f"[min][{low}] of the bounds cannot be greater than [max][{high}]")
