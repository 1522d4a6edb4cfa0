"""Goes through a search from the outside in without recursion, however deep a client has nested it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from common.search.shapes import FieldShape, MessageShape, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from common.search.violations import Path

Fields: TypeAlias = Any
"""A message whose fields are named by the tables, beyond what the type checker can follow."""

Inner: TypeAlias = "tuple[Fields, MessageShape, Path, int, int]"

SCALAR = "Scalar"
"""The message that is a value; nothing goes into it."""


class Visited(NamedTuple):
    """A message on the way. Its depth counts queries inside queries, or aggregations inside aggregations."""

    message: Fields
    shape: MessageShape
    path: Path
    query_depth: int
    aggregation_depth: int
    fields: list[tuple[FieldShape, Any]]
    """The fields that are set. A Scalar is a value and not a message of its own here."""

    def texts(self) -> Iterator[tuple[Path, str]]:
        """Every string that stands directly in this message; the keys of its maps are none."""
        for field, value in self.fields:
            for place, text in texts_of(field, value):
                yield (*self.path, *place), text

    def path_of(self, field: FieldShape) -> Path:
        """Where a field of this message stands in JSON."""
        return (*self.path, *field.place)


def texts_of(field: FieldShape, value: Any) -> Iterator[tuple[Path, str]]:  # noqa: ANN401 # Whatever a field can hold.
    """The strings of one field, each with the steps that lead to it from its message."""
    if field.message == SCALAR:
        if not field.repeated:
            yield field.place, value.string_value
            return
        for position, scalar in enumerate(value):
            yield (*field.place, position), scalar.string_value
    elif field.is_text and not field.message:
        if not field.repeated:
            yield field.place, value
            return
        for position, text in enumerate(value):
            yield (*field.place, position), text


def walk(root: Message) -> Iterator[Visited]:
    """Every message below `root`, and `root` itself first. Whoever consumes this can stop at any depth."""
    waiting: list[Inner] = [(root, shape_of(root.DESCRIPTOR.name), (), 0, 0)]
    while waiting:
        message, shape, path, queries, aggregations = waiting.pop()
        by_name = shape.by_name
        fields = [(by_name[descriptor.name], value) for descriptor, value in message.ListFields()]
        below: list[Inner] = []
        for field, value in fields:
            if field.message and field.message != SCALAR:
                inner = shape_of(field.message)
                depths = (queries + (field.message == "Query"), aggregations + (field.message == "Aggregation"))
                below.extend((part, inner, place, *depths) for place, part in _inner(field, value, path))
        # The first comes first, as whoever wrote the search reads it.
        below.reverse()
        waiting += below
        yield Visited(message, shape, path, queries, aggregations, fields)


def _inner(field: FieldShape, value: Any, path: Path) -> list[tuple[Path, Fields]]:  # noqa: ANN401 # A field of any kind.
    place = (*path, *field.place)
    if field.is_map:
        return [((*place, key), value[key]) for key in value]
    if field.repeated:
        return [((*place, position), message) for position, message in enumerate(value)]
    return [(place, value)]
