"""Clauses that compare whole values: term, terms, range, exists, ids, prefix, wildcard."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final

from common.search.scalars import scalar_value
from response_svc.search.embedded import patterns
from response_svc.search.embedded.dates import DEFAULT_FORMAT, UTC_ZONE, DateParser, find_zone
from response_svc.search.embedded.doubles import to_sortable
from response_svc.search.embedded.mapping import WHOLE_NUMBER_BITS, Field, Kind, Value
from response_svc.search.embedded.refusals import refused, unsupported
from response_svc.search.embedded.values import Plain, bool_of, is_textual, number_of, plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airlock.search.v1.query_pb2 import (
        ExistsQuery,
        IdsQuery,
        PrefixQuery,
        RangeQuery,
        TermQuery,
        TermsQuery,
        WildcardQuery,
    )

    from response_svc.search.embedded.context import Context
    from response_svc.search.embedded.texts import Scores

_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def term(context: Context, name: str, query: TermQuery) -> Scores:
    """Documents with exactly this value."""
    value = scalar_value(query.value)
    if value is None:
        raise refused(f"the value for the field {name} is null")
    field = context.field(name)
    if field is None:
        return {}
    if query.case_insensitive and value != "":
        return _constant(context, field, _same_letters(field, plain_text(value)))
    return term_scores(context, field, value)


def term_scores(context: Context, field: Field, value: Plain) -> Scores:
    """Documents with exactly this value, scored as a `term` query scores them."""
    if field.kind is Kind.TEXT:
        return context.index.text(field).term(plain_text(value))
    column = context.index.column(field)
    if field.kind is Kind.KEYWORD:
        return column.term(plain_text(value))
    if field.kind is Kind.BOOLEAN:
        return column.term(bool_of(field, value))
    if field.kind is Kind.DATE:
        low, high = _date_bounds(context, value)
        return _documents(context, field, column.between(low, high))
    return dict.fromkeys(column.documents(number_of(field, value)), 1.0)


def terms(context: Context, name: str, query: TermsQuery) -> Scores:
    """Documents with one of these values; each scores 1."""
    field = context.field(name)
    values = [scalar_value(value) for value in query.values]
    if None in values:
        raise refused(f"a value for the field {name} is null")
    if field is None:
        return {}
    _check_size(field, values)
    return {ordinal: 1.0 for value in values for ordinal in term_scores(context, field, value)}


def _check_size(field: Field, values: Iterable[Plain]) -> None:
    """Elasticsearch takes any number for a `term`, but not for `terms` and ranges."""
    if field.kind not in WHOLE_NUMBER_BITS:
        return
    # Short and byte are looked for as integers.
    highest = 1 << (max(32, WHOLE_NUMBER_BITS[field.kind]) - 1)
    for value in values:
        if not -highest <= number_of(field, value) < highest:
            raise refused(f"Value [{plain_text(value)}] is out of range for the field {field.name}")


def exists(context: Context, query: ExistsQuery) -> Scores:
    """Documents with a value in the field, or in one inside the object."""
    if query.field.startswith("_"):
        raise unsupported(f"exists on the field {query.field}")
    field = context.field(query.field)
    fields = [field] if field is not None else context.index.below(query.field)
    return {ordinal: 1.0 for field in fields for ordinal in context.index.present(field)}


def ids(context: Context, query: IdsQuery) -> Scores:
    """Documents with one of these ids."""
    ordinals = context.index.ordinals
    return {ordinals[document_id]: 1.0 for document_id in query.values if document_id in ordinals}


def in_range(context: Context, name: str, query: RangeQuery) -> Scores:
    """Documents with a value between the bounds."""
    field = context.field(name)
    if field is None:
        return {}
    if query.HasField("relation"):
        raise unsupported("a range with a relation")
    if field.kind is not Kind.DATE and (query.HasField("format") or query.HasField("time_zone")):
        raise refused(f"the field {name} is of type {field.kind.value}, which takes no format or time zone in a range")
    if not _bounds(query):
        return dict.fromkeys(context.index.present(field), 1.0)
    inside = _inside(context, field, query)
    if field.kind is Kind.TEXT:
        return _constant(context, field, inside)
    column = context.index.column(field)
    return _documents(context, field, [value for value in column.distinct if inside(value)])


def prefix(context: Context, name: str, query: PrefixQuery) -> Scores:
    """Documents with a term that begins so."""
    field = textual_field(context, name, "prefix")
    if field is None:
        return {}
    if query.case_insensitive:
        folded = _folded(query.value)
        return _constant(context, field, lambda term: _folded(term[: len(folded)]) == folded)
    return _constant(context, field, lambda term: term.startswith(query.value))


def wildcard(context: Context, name: str, query: WildcardQuery) -> Scores:
    """Documents with a term of this pattern."""
    field = textual_field(context, name, "wildcard")
    if query.case_insensitive:
        _folded(query.value)
    matches = patterns.wildcard(query.value, ignore_case=query.case_insensitive)
    return {} if field is None else _constant(context, field, matches)


def textual_field(context: Context, name: str, kind: str) -> Field | None:
    """The field of that name, None where it is not mapped; one without words is refused."""
    field = context.field(name)
    if field is not None and not is_textual(field):
        raise refused(
            f"Can only use {kind} queries on keyword and text fields - not on [{name}] "
            f"which is of type [{field.kind.value}]"
        )
    return field


def terms_of(context: Context, field: Field) -> Iterable[str]:
    """Every word of a text field, or every value of a keyword."""
    return context.index.text(field).terms if field.kind is Kind.TEXT else context.index.column(field).distinct


def _constant(context: Context, field: Field, wanted: Callable[[str], bool]) -> Scores:
    """Documents with a wanted term; each scores 1."""
    found = [term for term in terms_of(context, field) if wanted(term)]
    if field.kind is not Kind.TEXT:
        return _documents(context, field, found)
    text = context.index.text(field)
    scores: Scores = {}
    for number, term in enumerate(found):
        if number % 64 == 0:
            context.check_running()
        scores.update(dict.fromkeys(text.term(term), 1.0))
    return scores


def _documents(context: Context, field: Field, keys: Iterable[Value]) -> Scores:
    column = context.index.column(field)
    return {ordinal: 1.0 for key in keys for ordinal in column.with_key(key)}


def _same_letters(field: Field, value: str) -> Callable[[str], bool]:
    if not is_textual(field):
        raise unsupported(f"case_insensitive on the field {field.name} of type {field.kind.value}")
    folded = _folded(value)
    return lambda term: len(term) == len(value) and _folded(term) == folded


def _folded(text: str) -> str:
    """Without regard to case, for ASCII letters only, as Lucene has it."""
    return "".join(character.lower() if character.isascii() else character for character in text)


def _inside(context: Context, field: Field, query: RangeQuery) -> Callable[[Any], bool]:
    """Whether a term of the field is between the bounds, which are of the field's own type."""
    if field.kind is Kind.DATE:
        low, high = _date_range(context, query)
        return lambda value: (low is None or value >= low) and (high is None or value <= high)
    tests = [(_COMPARISONS[name], _bound(field, value)) for name, value in _bounds(query).items()]
    return lambda value: all(holds(value, bound) for holds, bound in tests)


def _bound(field: Field, value: Plain) -> Value:
    if is_textual(field):
        return plain_text(value)
    if field.kind is Kind.BOOLEAN:
        return bool_of(field, value)
    _check_size(field, [value])
    number = number_of(field, value)
    return to_sortable(float(number)) if field.kind is Kind.DOUBLE else number


def _date_bounds(context: Context, value: Plain) -> tuple[int, int]:
    """The first and the last millisecond that a date of some precision means."""
    parser = DateParser(DEFAULT_FORMAT, UTC_ZONE, context.now_millis)
    return _date(parser, value, round_up=False), _date(parser, value, round_up=True)


def _date(parser: DateParser, value: Plain, *, round_up: bool) -> int:
    if isinstance(value, float):
        raise unsupported("a date that is a number with a fraction")
    own = parser if isinstance(value, str) else parser.of_numbers()
    return own.bound(plain_text(value), round_up=round_up)


def _date_range(context: Context, query: RangeQuery) -> tuple[int | None, int | None]:
    zone = find_zone(query.time_zone) if query.HasField("time_zone") else UTC_ZONE
    parser = DateParser(query.format if query.HasField("format") else DEFAULT_FORMAT, zone, context.now_millis)

    said = _bounds(query)

    def bound(name: str, *, round_up: bool, shift: int) -> list[int]:
        return [_date(parser, said[name], round_up=round_up) + shift] if name in said else []

    lows = bound("gte", round_up=False, shift=0) + bound("gt", round_up=True, shift=1)
    highs = bound("lte", round_up=True, shift=0) + bound("lt", round_up=False, shift=-1)
    return max(lows, default=None), min(highs, default=None)


def _bounds(query: RangeQuery) -> dict[str, Plain]:
    """The bounds by name; null is none."""
    fields = ((field.name, value) for field, value in query.ListFields() if field.name in {"gt", "gte", "lt", "lte"})
    values = {name: scalar_value(value) for name, value in fields}
    return {name: value for name, value in values.items() if value is not None}
