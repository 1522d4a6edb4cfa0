"""Where Elasticsearch's JSON is not shaped like the message: bare values, lists of objects, keys that are names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

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
    """`{"field": [values], "boost": 2}`: the boost stands beside the field's name."""
    if not isinstance(value, dict):
        raise WrongValueError(f"must be an object keyed by the field's name, not {kind_of(value)}")
    fields = [key for key, inner in value.items() if key != "boost" or isinstance(inner, list)]
    if len(fields) != 1:
        raise WrongValueError(f"must name exactly one field, not {len(fields)}")
    shape = shape_of(field.message)
    values = value[fields[0]]
    if not isinstance(values, list):
        reader.violations.add((*path, fields[0]), f"must be a list of values, not {kind_of(values)}")
        return
    terms = getattr(message, field.name)[fields[0]]
    reader.read_field(terms, shape.by_name["values"], values, (*path, fields[0]))
    if "boost" in value and fields[0] != "boost":
        reader.read_field(terms, shape.by_name["boost"], value["boost"], (*path, "boost"))


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
                if isinstance(options, str):
                    reader.read_field(sort, shape.by_name["order"], options, name_path)
                elif isinstance(options, dict) and "field" in options:
                    reader.violations.add((*name_path, "field"), "does not belong here: the key is the field's name")
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
    elif isinstance(value, dict) and "enabled" in value:
        reader.violations.add((*path, "enabled"), "does not belong here; write true or false in place of the object")
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
