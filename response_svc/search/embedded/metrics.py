"""Figures of one field over some documents: count, sum, mean, extremes, different values, percentiles."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from common.search.scalars import scalar_value
from response_svc.search.embedded.dates import DEFAULT_FORMAT, UTC_ZONE, DateParser, format_millis
from response_svc.search.embedded.distinct import DEFAULT_THRESHOLD, count_distinct
from response_svc.search.embedded.doubles import to_sortable
from response_svc.search.embedded.mapping import NUMERIC, Field, Kind
from response_svc.search.embedded.refusals import refused, unsupported
from response_svc.search.embedded.tdigest import quantiles
from response_svc.search.embedded.values import bool_of, java_double, number_of, plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airlock.search.v1.aggregation_pb2 import CardinalityAggregation, MetricAggregation, PercentilesAggregation
    from airlock.search.v1.scalar_pb2 import Scalar

    from response_svc.search.embedded.context import Context
    from response_svc.search.embedded.loose import JsonValue, Message

_PERCENTS: Final = (1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0)


def field_to_aggregate(context: Context, name: str) -> Field | None:
    """The field, None where it is not mapped; a text field is refused as Elasticsearch refuses it."""
    if name.startswith("_"):
        raise unsupported(f"an aggregation over the field {name}")
    field = context.field(name)
    if field is not None and field.kind is Kind.TEXT:
        raise refused(f"Fielddata is disabled on [{name}]: a text field cannot be aggregated; use a keyword field")
    return field


def missing_value(context: Context, field: Field, missing: Scalar, dates: DateParser | None = None) -> JsonValue:
    """The value that stands for none, in the field's type. A date is read by `dates`, else in the default format."""
    value = scalar_value(missing)
    if value is None:
        raise refused(f"the missing value for [{field.name}] is null")
    if field.kind is Kind.KEYWORD:
        return plain_text(value)
    if field.kind is Kind.BOOLEAN:
        if not isinstance(value, bool):
            raise unsupported(f"a missing value for [{field.name}] that is neither true nor false")
        return bool_of(field, value)
    if field.kind is Kind.DATE:
        parser = dates or DateParser(DEFAULT_FORMAT, UTC_ZONE, context.now_millis)
        return parser.bound(plain_text(value), round_up=False)
    number = number_of(field, value)
    if field.kind is Kind.DOUBLE:
        return float(number)
    if number != int(number):
        raise unsupported(f"a missing value with a fraction for [{field.name}] of type {field.kind.value}")
    return int(number)


def values_reader(
    context: Context, field: Field, definition: Message, dates: DateParser | None = None
) -> Callable[[int], Sequence[Any]]:
    """A document's values, or the missing value, read by `dates` if it is one, where it has none."""
    values = context.index.column(field).values
    if not definition.HasField("missing"):
        return values.__getitem__
    fill = (missing_value(context, field, definition.missing, dates),)
    return lambda ordinal: values[ordinal] or fill


def keys_reader(context: Context, field: Field, definition: Message) -> Callable[[int], Sequence[Any]]:
    """As `values_reader`, with the values as the terms of their column."""
    keys = context.index.column(field).keys
    if not definition.HasField("missing"):
        return keys.__getitem__
    value = missing_value(context, field, definition.missing)
    fill = (to_sortable(value) if field.kind is Kind.DOUBLE else value,)
    return lambda ordinal: keys[ordinal] or fill


def avg(context: Context, definition: MetricAggregation, documents: Sequence[int]) -> dict[str, Any]:
    """The mean; null without values."""
    field, values = _numbers(context, definition, documents, "avg")
    return _figure(field, definition, _added(values) / len(values) if values else None)


def total(context: Context, definition: MetricAggregation, documents: Sequence[int]) -> dict[str, Any]:
    """The sum."""
    field, values = _numbers(context, definition, documents, "sum")
    return _figure(field, definition, _added(values))


def minimum(context: Context, definition: MetricAggregation, documents: Sequence[int]) -> dict[str, Any]:
    """The smallest value."""
    field, values = _numbers(context, definition, documents, "min")
    return _figure(field, definition, _least(values))


def maximum(context: Context, definition: MetricAggregation, documents: Sequence[int]) -> dict[str, Any]:
    """The largest value."""
    field, values = _numbers(context, definition, documents, "max")
    return _figure(field, definition, _largest(values))


def stats(context: Context, definition: MetricAggregation, documents: Sequence[int]) -> dict[str, Any]:
    """Count, extremes, mean and sum at once."""
    field, values = _numbers(context, definition, documents, "stats")
    added = _added(values)
    figures: dict[str, float | None] = {
        "min": _least(values),
        "max": _largest(values),
        "avg": added / len(values) if values else None,
        "sum": added,
    }
    texts: dict[str, Any] = {}
    if values and field is not None and _has_text(field, definition):
        for name, figure in figures.items():
            text = _as_text(field, definition, figure or 0.0)
            # Elasticsearch writes these as booleans here, and as strings in the single figures.
            texts[f"{name}_as_string"] = text == "true" if field.kind is Kind.BOOLEAN else text
    return {"count": len(values), **figures, **texts}


def value_count(context: Context, definition: MetricAggregation, documents: Sequence[int]) -> dict[str, Any]:
    """How many values there are."""
    field = field_to_aggregate(context, definition.field)
    return {"value": len(_all_values(context, field, definition, documents))}


def cardinality(context: Context, definition: CardinalityAggregation, documents: Sequence[int]) -> dict[str, Any]:
    """How many different values there are, with Elasticsearch's own estimate where they are many."""
    field = field_to_aggregate(context, definition.field)
    if field is None:
        _no_missing(definition)
        return {"value": 0}
    threshold = definition.precision_threshold if definition.HasField("precision_threshold") else DEFAULT_THRESHOLD
    keys = set(chain.from_iterable(_each(context, keys_reader(context, field, definition), documents)))
    values = map(context.index.column(field).value_of, keys)
    return {"value": count_distinct(values, threshold, check=context.check_running)}


def percentiles(context: Context, definition: PercentilesAggregation, documents: Sequence[int]) -> dict[str, Any]:
    """The values below which shares of all lie, with Elasticsearch's own estimate where they are many."""
    field, values = _numbers(context, definition, documents, "percentiles")
    if field is not None and field.kind is not Kind.DATE and field.kind not in NUMERIC:
        raise unsupported(f"percentiles of the field {field.name} of type {field.kind.value}")
    percents = sorted(definition.percents) or _PERCENTS
    if len(set(percents)) < len(percents):
        raise refused("percents must be unique")
    shares = [percent / 100 for percent in percents]
    found: dict[float, float | None] = dict.fromkeys(percents)
    if values:
        found = dict(zip(percents, quantiles(values, shares, check=context.check_running), strict=True))
    dated = field is not None and field.kind is Kind.DATE
    if definition.HasField("keyed") and not definition.keyed:
        return {"values": [_entry(percent, value, dated=dated) for percent, value in found.items()]}
    shown: dict[str, Any] = {}
    for percent, value in found.items():
        shown[java_double(percent)] = value
        if dated and value is not None:
            shown[f"{java_double(percent)}_as_string"] = format_millis(int(value))
    return {"values": shown}


def _entry(percent: float, value: float | None, *, dated: bool) -> dict[str, Any]:
    text = {"value_as_string": format_millis(int(value))} if dated and value is not None else {}
    return {"key": percent, "value": value, **text}


def _added(values: Sequence[float]) -> float:
    """The sum as Elasticsearch forms it: in the order of the documents, what is rounded away carried along (Kahan)."""
    total = carried = 0.0
    for value in values:
        corrected = value + carried
        updated = total + corrected
        carried = corrected - (updated - total)
        total = updated
    if not math.isfinite(total):
        raise unsupported("a sum that 64 bits do not hold")
    return total


def _least(values: Sequence[float]) -> float | None:
    """The smallest; minus zero is smaller than zero."""
    least = min(values, default=None)
    return least or min((value for value in values if value == 0), key=to_sortable, default=None)


def _largest(values: Sequence[float]) -> float | None:
    largest = max(values, default=None)
    return largest or max((value for value in values if value == 0), key=to_sortable, default=None)


def _numbers(
    context: Context,
    definition: Message,
    documents: Sequence[int],
    kind: str,
) -> tuple[Field | None, list[float]]:
    field = field_to_aggregate(context, definition.field)
    if field is not None and field.kind is Kind.KEYWORD:
        raise refused(f"Field [{field.name}] of type [keyword] is not supported for aggregation [{kind}]")
    return field, [float(value) for value in _all_values(context, field, definition, documents)]


def _all_values(context: Context, field: Field | None, definition: Message, documents: Sequence[int]) -> list[Any]:
    if field is None:
        _no_missing(definition)
        return []
    read = values_reader(context, field, definition)
    return list(chain.from_iterable(_each(context, read, documents)))


def _no_missing(definition: Message) -> None:
    if definition.HasField("missing"):
        raise unsupported(f"a missing value for the unmapped field {definition.field}")


def _each(context: Context, read: Callable[[int], Sequence[Any]], documents: Sequence[int]) -> Iterator[Sequence[Any]]:
    for number, ordinal in enumerate(documents):
        if number % 4096 == 0:
            context.check_running()
        yield read(ordinal)


def _has_text(field: Field, definition: MetricAggregation) -> bool:
    if definition.HasField("format") and field.kind is not Kind.DATE:
        raise unsupported(f"a format for the field {field.name} of type {field.kind.value}")
    return field.kind in {Kind.DATE, Kind.BOOLEAN}


def _as_text(field: Field, definition: MetricAggregation, value: float) -> str:
    if field.kind is Kind.BOOLEAN:
        return "true" if value else "false"
    return format_millis(int(value), definition.format if definition.HasField("format") else DEFAULT_FORMAT)


def _figure(field: Field | None, definition: MetricAggregation, value: float | None) -> dict[str, Any]:
    if value is None or field is None or not _has_text(field, definition):
        return {"value": value}
    return {"value": value, "value_as_string": _as_text(field, definition, value)}
