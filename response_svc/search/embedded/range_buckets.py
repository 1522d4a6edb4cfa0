"""Buckets between limits that the search names: of numbers, and of dates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from common.search.scalars import scalar_value
from response_svc.search.embedded.dates import DateParser, find_zone, format_millis
from response_svc.search.embedded.grouping import Inner, date_format, date_of
from response_svc.search.embedded.mapping import NUMERIC, Field, Kind
from response_svc.search.embedded.metrics import field_to_aggregate, values_reader
from response_svc.search.embedded.refusals import unsupported
from response_svc.search.embedded.values import java_double, number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airlock.search.v1.aggregation_pb2 import (
        DateRangeAggregation,
        RangeAggregation,
    )

    from response_svc.search.embedded.context import Context
    from response_svc.search.embedded.loose import JsonValue, Message


_UTC: Final = find_zone("UTC")


def ranges(context: Context, definition: RangeAggregation, documents: Sequence[int], inner: Inner) -> dict[str, Any]:
    """A bucket for each range of numbers, in order of their limits."""
    field = field_to_aggregate(context, definition.field)
    if field is not None and field.kind not in NUMERIC:
        raise unsupported(f"a range aggregation over the field {field.name} of type {field.kind.value}")

    def limit(value: JsonValue) -> float:
        name = definition.field
        return float(number_of(field or Field(name, Kind.DOUBLE, (name,)), value))

    if field is None and definition.HasField("missing"):
        raise unsupported(f"a missing value for the unmapped field {definition.field}")
    read = None if field is None else values_reader(context, field, definition)
    return _ranges(read, definition, documents, inner, limit, java_double, with_text=False)


def date_range(
    context: Context, definition: DateRangeAggregation, documents: Sequence[int], inner: Inner
) -> dict[str, Any]:
    """A bucket for each range of dates, in order of their limits."""
    field = field_to_aggregate(context, definition.field)
    if field is None or field.kind is not Kind.DATE:
        raise unsupported(f"a date_range aggregation over {definition.field}, which is not mapped as a date")
    zone = find_zone(definition.time_zone) if definition.HasField("time_zone") else _UTC
    parser = DateParser(date_format(definition), zone, context.now_millis)

    def limit(value: JsonValue) -> float:
        return float(date_of(parser, value))

    def text(value: float) -> str:
        return format_millis(int(value), date_format(definition), zone)

    read = values_reader(context, field, definition, parser)
    return _ranges(read, definition, documents, inner, limit, text, with_text=True)


def _ranges(  # Two kinds of range that differ in how limits are read and written.
    read: Callable[[int], Sequence[Any]] | None,
    definition: RangeAggregation | DateRangeAggregation,
    documents: Sequence[int],
    inner: Inner,
    limit: Callable[[Any], float],
    text: Callable[[float], str],
    *,
    with_text: bool,
) -> dict[str, Any]:
    values = read or (lambda _: ())
    found: list[tuple[float, float, dict[str, Any]]] = []
    for bucket in definition.ranges:
        low = _limit(bucket, "from_value", limit, -math.inf)
        high = _limit(bucket, "to_value", limit, math.inf)
        inside = [ordinal for ordinal in documents if any(low <= float(value) < high for value in values(ordinal))]
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
