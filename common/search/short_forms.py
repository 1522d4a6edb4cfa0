"""Where Elasticsearch's JSON is not shaped like the message: bare values, lists of objects, keys that are names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from common.search.expected import fields_at_once
from common.search.not_carried import NOT_FIELDS
from common.search.scalars import WrongValueError, check_count, kind_of, read_field_value, read_scalar
from common.search.shapes import FieldShape, MessageShape, shape_of

if TYPE_CHECKING:
    from airlock.search.v1.search_pb2 import SourceFilter
    from google.protobuf.message import Message

    from common.search.strict_json import Json
    from common.search.violations import Path, Violations


class Reader(Protocol):
    """What a short form needs of the body's reader."""

    violations: Violations

    def read_message(self, message: Message, shape: MessageShape, value: Json, path: Path) -> None:
        """Fills a message from an object."""

    def read_field(self, message: Message, field: FieldShape, value: Json, path: Path) -> None:
        """Sets one field of a message."""

    def read_regular(self, message: Message, field: FieldShape, value: Json, path: Path) -> None:
        """Sets one field of a message whose JSON is shaped like it."""


Fields: TypeAlias = Any
"""A message whose fields are named by the tables, beyond what the type checker can follow."""

FieldReader: TypeAlias = Callable[[Reader, Fields, FieldShape, "Json", "Path"], None]


def read_scalars(reader: Reader, message: Fields, field: FieldShape, value: Json, path: Path) -> None:
    """A Scalar, or a list of them."""
    if not field.repeated:
        read_scalar(value, getattr(message, field.name))
        return
    if not isinstance(value, list):
        raise WrongValueError(f"must be a list, not {kind_of(value)}")
    for position, inner in enumerate(value):
        try:
            read_scalar(inner, getattr(message, field.name).add())
        except WrongValueError as wrong:
            reader.violations.add((*path, position), str(wrong))


def read_terms(reader: Reader, message: Fields, field: FieldShape, value: Json, path: Path) -> None:
    """`{"field": [values], "boost": 2}`: the options stand beside the field's name."""
    if not isinstance(value, dict):
        raise WrongValueError(f"must be an object keyed by the field's name, not {kind_of(value)}")
    shape = shape_of(field.message)
    fields = [key for key, inner in value.items() if key not in shape.by_key or isinstance(inner, list)]
    if len(fields) != 1:
        raise WrongValueError(fields_at_once(shape, fields))
    [name] = fields
    values = value[name]
    if not isinstance(values, list):
        reader.violations.add((*path, name), f"must be a list of values, not {kind_of(values)}{_lookup(values)}")
        return
    terms = getattr(message, field.name)[name]
    reader.read_field(terms, shape.by_name["values"], values, (*path, name))
    for key, option in shape.by_key.items():
        if key in value and key != name:
            reader.read_field(terms, option, value[key], (*path, key))


def _lookup(values: Json) -> str:
    if not isinstance(values, dict):
        return "; for a single one, term"
    return "; values out of another document are not looked up, write them here"


def read_filters(reader: Reader, message: Fields, field: FieldShape, value: Json, path: Path) -> None:
    """Named filters, or a list of them without names."""
    if isinstance(value, list):
        reader.read_field(message, shape_of("FiltersAggregation").by_name["anonymous"], value, path)
    else:
        reader.read_regular(message, field, value, path)


def read_exact_values(reader: Reader, message: Fields, field: FieldShape, value: Json, path: Path) -> None:
    """The values of a terms aggregation's `include` or `exclude`: neither a pattern nor a partition."""
    if isinstance(value, str):
        reason = "is a pattern, which is not carried here; list the values, or use wildcard or prefix in a filter"
        raise WrongValueError(reason)
    if isinstance(value, dict):
        raise WrongValueError("is a part of all values, which is not carried; list them, or filter by a range")
    reader.read_regular(message, field, value, path)


def read_sorts(reader: Reader, message: Fields, field: FieldShape, value: Json, path: Path) -> None:
    """`"field"`, `{"field": "desc"}`, `{"field": {…}}`, or a list of these; an object may hold several keys."""
    shape = shape_of(field.message)
    for inner, inner_path in _each(value, path):
        if isinstance(inner, str):
            message.sort.add(field=inner)
        elif isinstance(inner, dict) and inner:
            check_count(field, len(message.sort) + len(inner))
            for name, options in inner.items():
                sort = message.sort.add(field=name)
                name_path = (*inner_path, name)
                if name in NOT_FIELDS:
                    reader.violations.add(name_path, NOT_FIELDS[name])
                elif isinstance(options, str):
                    reader.read_field(sort, shape.by_name["order"], options, name_path)
                else:
                    reader.read_message(sort, shape, options, name_path)
        else:
            reader.violations.add(inner_path, f"must be a field's name or an object, not {kind_of(inner)}")


def read_source(reader: Reader, message: Fields, field: FieldShape, value: Json, path: Path) -> None:
    """`false`, `true`, `"field"`, `["field", …]` or `{"includes": […], "excludes": […]}`."""
    source: SourceFilter = getattr(message, field.name)
    source.SetInParent()
    shape = shape_of(field.message)
    if isinstance(value, bool):
        source.enabled = value
    elif isinstance(value, (str, list)):
        reader.read_field(source, shape.by_name["includes"], value, path)
    else:
        reader.read_message(source, shape, value, path)


def read_total(_reader: Reader, message: Fields, field: FieldShape, value: Json, _path: Path) -> None:
    """`true`, `false`, or the number up to which hits are counted."""
    total = getattr(message, field.name)
    if isinstance(value, bool):
        total.enabled = value
    elif isinstance(value, int):
        total.up_to = read_field_value(shape_of(field.message).by_name["up_to"], value)
    else:
        raise WrongValueError(f"must be true, false or a whole number, not {kind_of(value)}")


def read_orders(reader: Reader, message: Fields, field: FieldShape, value: Json, path: Path) -> None:
    """`{"_count": "desc"}`, or a list of these."""
    for inner, inner_path in _each(value, path):
        if not isinstance(inner, dict) or len(inner) != 1:
            found = f"one with {len(inner)} keys" if isinstance(inner, dict) else kind_of(inner)
            reader.violations.add(inner_path, f'must be an object such as {{"_count": "desc"}}, not {found}')
            continue
        ((key, direction),) = inner.items()
        if not isinstance(direction, str) or direction.lower() not in {"asc", "desc"}:
            reader.violations.add((*inner_path, key), "must be asc or desc")
            continue
        getattr(message, field.name).add(key=key, descending=direction.lower() == "desc")


def read_highlight_fields(reader: Reader, message: Fields, field: FieldShape, value: Json, path: Path) -> None:
    """`{"title": {}}`, or a list of objects with one key each."""
    shape = shape_of(field.message)
    fields = getattr(message, field.name)
    for inner, inner_path in _each(value, path):
        if not isinstance(inner, dict):
            reader.violations.add(inner_path, f"must be an object keyed by the field's name, not {kind_of(inner)}")
            continue
        for name, options in inner.items():
            if name in fields:
                reader.violations.add((*inner_path, name), "stands twice; keep one")
            else:
                fields[name].SetInParent()
                reader.read_message(fields[name], shape, options, (*inner_path, name))


def _each(value: Json, path: Path) -> Iterator[tuple[Json, Path]]:
    if isinstance(value, list):
        yield from ((inner, (*path, position)) for position, inner in enumerate(value))
    else:
        yield value, path


IRREGULAR: Final[dict[str, FieldReader]] = {
    "BucketOrder": read_orders,
    "HighlightField": read_highlight_fields,
    "Scalar": read_scalars,
    "Sort": read_sorts,
    "SourceFilter": read_source,
    "TermsQuery": read_terms,
    "TrackTotalHits": read_total,
}
"""Readers for the fields whose values are these messages."""
IRREGULAR_FIELDS: Final[dict[tuple[str, str], FieldReader]] = {
    ("FiltersAggregation", "filters"): read_filters,
    ("TermsAggregation", "exclude"): read_exact_values,
    ("TermsAggregation", "include"): read_exact_values,
}
"""Readers for single fields, by message and name."""


def irregular(field: FieldShape) -> FieldReader | None:
    """The reader of a field that is not shaped like its message."""
    try:
        return _readers[field]
    except KeyError:
        found = IRREGULAR_FIELDS.get((field.owner, field.name)) or IRREGULAR.get(field.message)
        return _readers.setdefault(field, found)


_readers: Final[dict[FieldShape, FieldReader | None]] = {}
