"""The order of the hits, by score or by values of fields, and what is reported as each hit's sort values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airlock.search.v1 import search_pb2

from common.search.scalars import scalar_value
from response_svc.search.embedded.dates import DEFAULT_FORMAT, UTC_ZONE, DateParser, format_millis
from response_svc.search.embedded.doubles import to_sortable
from response_svc.search.embedded.mapping import NUMERIC, WHOLE_NUMBER_BITS, Field, Kind
from response_svc.search.embedded.refusals import refused, unsupported
from response_svc.search.embedded.values import number_of, plain_text, single_precision

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airlock.search.v1.search_pb2 import Sort

    from response_svc.search.embedded.context import Context
    from response_svc.search.embedded.loose import JsonValue
    from response_svc.search.embedded.texts import Scores

_SCORE: Final = "_score"
_DOC: Final = "_doc"
_INFINITY: Final = float("inf")
_LONG_SPAN: Final = 1 << 64
# Doubles beyond are whole numbers.
_EXACT: Final = 1 << 52
_MODES: Final = {
    search_pb2.SORT_MODE_MIN: "min",
    search_pb2.SORT_MODE_MAX: "max",
    search_pb2.SORT_MODE_SUM: "sum",
    search_pb2.SORT_MODE_AVG: "avg",
    search_pb2.SORT_MODE_MEDIAN: "median",
}


@dataclass(frozen=True, slots=True)
class Ordered:
    """The hits in order, each with its sort values; None where the order is that of the scores alone."""

    ordinals: Sequence[int]
    values: Callable[[int], list[Any]] | None
    scored: bool


@dataclass(frozen=True, slots=True)
class _Key:
    """One sort key: what to compare and what to show for a document."""

    compared: Callable[[int], Any]
    shown: Callable[[int], Any]
    descending: bool


def order(context: Context, sorts: Sequence[Sort], scores: Scores) -> Ordered:
    """The matching documents in order; equal ones stand in the order in which they were loaded."""
    keys = [_key(context, sort, scores) for sort in sorts]
    if not sorts or (len(sorts) == 1 and sorts[0].field == _SCORE and _descending(sorts[0])):
        by_score = sorted(scores, key=lambda ordinal: (-single_precision(scores[ordinal]), ordinal))
        return Ordered(by_score, None, scored=True)
    ordinals = sorted(scores)
    # Sorting is stable: the last key first, and the first key decides.
    for key in reversed(keys):
        context.check_running()
        ordinals.sort(key=key.compared, reverse=key.descending)
    scored = any(sort.field == _SCORE for sort in sorts)
    return Ordered(ordinals, lambda ordinal: [key.shown(ordinal) for key in keys], scored)


def _descending(sort: Sort) -> bool:
    return sort.order == search_pb2.SORT_ORDER_DESC if sort.HasField("order") else sort.field == _SCORE


def _key(context: Context, sort: Sort, scores: Scores) -> _Key:
    descending = _descending(sort)
    if sort.field in {_SCORE, _DOC}:
        if sort.HasField("mode") or sort.HasField("missing") or sort.HasField("format"):
            raise refused(f"sorting by {sort.field} takes an order only")
        if sort.field == _DOC:
            return _Key(lambda ordinal: ordinal, lambda ordinal: ordinal, descending)
        return _Key(scores.__getitem__, lambda ordinal: single_precision(scores[ordinal]), descending)
    if sort.field == "_id":
        raise refused("Fielddata access on the _id field is disallowed")
    field = context.field(sort.field)
    if field is None:
        return _unmapped(sort, descending)
    if field.kind is Kind.TEXT:
        raise refused(f"Fielddata is disabled on [{field.name}]: a text field cannot be sorted by; use a keyword field")
    if field.kind is Kind.KEYWORD:
        return _keyword_key(context, sort, field, descending)
    return _number_key(context, sort, field, descending)


def _unmapped(sort: Sort, descending: bool) -> _Key:
    if not sort.HasField("unmapped_type"):
        raise refused(f"No mapping found for [{sort.field}] in order to sort on")
    if sort.unmapped_type != "long" or sort.HasField("missing"):
        raise unsupported(f"sorting by the unmapped field {sort.field} as {sort.unmapped_type}")
    shown = _extreme(Kind.LONG, largest=not descending)
    return _Key(lambda _: 0, lambda _: shown, descending)


def _keyword_key(context: Context, sort: Sort, field: Field, descending: bool) -> _Key:
    mode = _MODES.get(sort.mode, "max" if descending else "min")
    if mode not in {"min", "max"}:
        raise refused("we only support AVG, MEDIAN and SUM on number based fields")
    if sort.HasField("format"):
        raise unsupported("a sort format on a keyword field")
    place = -1 if mode == "max" else 0
    missing = _missing(sort)
    values = context.index.column(field).values
    if missing in {"_first", "_last"}:
        # False sorts before True, and a descending order turns both round.
        after = (missing == "_last") != descending

        def compared(ordinal: int) -> tuple[bool, str]:
            own = values[ordinal]
            return (not after, own[place]) if own else (after, "")

        return _Key(compared, lambda ordinal: values[ordinal][place] if values[ordinal] else None, descending)
    fill = plain_text(missing)

    def value(ordinal: int) -> str:
        own: Sequence[str] = values[ordinal]
        return own[place] if own else fill

    return _Key(value, value, descending)


def _number_key(context: Context, sort: Sort, field: Field, descending: bool) -> _Key:
    mode = _MODES.get(sort.mode, "max" if descending else "min")
    missing = _missing(sort)
    if missing in {"_first", "_last"}:
        fill = _extreme(field.kind, largest=(missing == "_last") != descending)
        shown_fill: Any = None if sort.HasField("format") else _shown_extreme(fill)
    else:
        fill = _fill(context, field, missing)
        shown_fill = _shown(field, sort, fill)
    column = context.index.column(field)
    values = column.values
    if field.kind is Kind.DOUBLE and mode in {"sum", "avg"} and not column.is_single:
        # Where any document has several values, those of all are added up from zero, which minus zero does not survive.
        values = [[value + 0.0 for value in own] for own in values]

    def compared(ordinal: int) -> int | float:
        own = values[ordinal]
        value = _combined(field, mode, own) if own else fill
        return to_sortable(value) if field.kind is Kind.DOUBLE else value

    def shown(ordinal: int) -> JsonValue:
        own = values[ordinal]
        return _shown(field, sort, _combined(field, mode, own)) if own else shown_fill

    return _Key(compared, shown, descending)


def _missing(sort: Sort) -> JsonValue:
    return scalar_value(sort.missing) if sort.HasField("missing") else "_last"


def _fill(context: Context, field: Field, missing: JsonValue) -> int | float:
    if field.kind is Kind.DATE and isinstance(missing, str) and not missing.lstrip("-").isdecimal():
        raise refused(f"the missing value [{missing}] of a date is no number of milliseconds")
    if field.kind is Kind.DATE:
        return DateParser(DEFAULT_FORMAT, UTC_ZONE, context.now_millis).bound(plain_text(missing), round_up=False)
    if field.kind not in NUMERIC:
        raise unsupported(f"a missing value on the field {field.name} of type {field.kind.value}")
    number = number_of(field, missing)
    return float(number) if field.kind is Kind.DOUBLE else int(number)


def _extreme(kind: Kind, *, largest: bool) -> int | float:
    if kind is Kind.DOUBLE:
        return _INFINITY if largest else -_INFINITY
    bits = 32 if WHOLE_NUMBER_BITS.get(kind, 64) <= 32 else 64  # Short and byte are sorted as integers.
    top = 1 << (bits - 1)
    return top - 1 if largest else -top


def _shown_extreme(value: JsonValue) -> JsonValue:
    if isinstance(value, float):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _shown(field: Field, sort: Sort, value: float) -> JsonValue:
    if not sort.HasField("format"):
        return value
    if field.kind is not Kind.DATE:
        raise unsupported(f"a sort format on the field {field.name} of type {field.kind.value}")
    return format_millis(int(value), sort.format)


def _combined(field: Field, mode: str, own: Sequence[int | float]) -> int | float:
    """One value of several; they are sorted."""
    if mode == "min" or len(own) == 1:
        return own[0]
    if mode == "max":
        return own[-1]
    if mode == "median":
        middle = len(own) // 2
        if len(own) % 2:
            return own[middle]
        return _rounded(field, (float(own[middle - 1]) + float(own[middle])) / 2)
    total = sum(own) if field.kind is Kind.DOUBLE else _wrapped(int(sum(own)))
    return total if mode == "sum" else _rounded(field, float(total) / len(own))


def _wrapped(total: int) -> int:
    """A sum in 64 bits, as Java adds."""
    return (total + _LONG_SPAN // 2) % _LONG_SPAN - _LONG_SPAN // 2


def _rounded(field: Field, mean: float) -> int | float:
    """A mean; of whole numbers it is rounded as Java's `Math.round` does."""
    if field.kind is Kind.DOUBLE:
        return mean
    return max(-_LONG_SPAN // 2, min(math.floor(mean + 0.5) if abs(mean) < _EXACT else int(mean), _LONG_SPAN // 2 - 1))
