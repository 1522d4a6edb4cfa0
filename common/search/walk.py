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


class Visited(NamedTuple):
    """A message on the way. Its depth counts queries inside queries, or aggregations inside aggregations."""

    message: Fields
    shape: MessageShape
    path: Path
    query_depth: int
    aggregation_depth: int
    values: list[tuple[FieldShape, Any]]
    """The fields that are set and hold no messages."""
    names: list[tuple[Path, str]]
    """The keys of its maps: names of fields and of aggregations, chosen by whoever asks."""

    def texts(self) -> Iterator[tuple[Path, str]]:
        """Every string that stands directly in this message."""
        for field, value in self.values:
            for text in value if field.repeated else (value,):
                if isinstance(text, str):
                    yield self.path_of(field), text

    def path_of(self, field: FieldShape) -> Path:
        """Where a field of this message stands in JSON, in which wrappers of single values do not show."""
        return self.path if self.shape.is_bare_value else (*self.path, field.json_name)


def walk(root: Message) -> Iterator[Visited]:
    """Every message below `root`, and `root` itself first. Whoever consumes this can stop at any depth."""
    waiting: list[Inner] = [(root, shape_of(root.DESCRIPTOR.name), (), 0, 0)]
    while waiting:
        message, shape, path, queries, aggregations = waiting.pop()
        below: list[Inner] = []
        values: list[tuple[FieldShape, Any]] = []
        names: list[tuple[Path, str]] = []
        for descriptor, value in message.ListFields():
            field = shape.by_name[descriptor.name]
            if not field.message:
                values.append((field, value))
                continue
            query_depth = queries + (field.message == "Query")
            aggregation_depth = aggregations + (field.message == "Aggregation")
            if field.is_map:
                names.extend(((*path, field.json_name), key) for key in value)
            inner = shape_of(field.message)
            for inner_path, inner_message in _inner(field, value, (*path, field.json_name)):
                below.append((inner_message, inner, inner_path, query_depth, aggregation_depth))
        # The first comes first, as whoever wrote the search reads it.
        waiting.extend(reversed(below))
        yield Visited(message, shape, path, queries, aggregations, values, names)


def _inner(field: FieldShape, value: Any, path: Path) -> list[tuple[Path, Fields]]:  # noqa: ANN401 # A field of any kind.
    if field.is_map:
        return [((*path, key), value[key]) for key in value]
    if field.repeated:
        return [((*path, position), message) for position, message in enumerate(value)]
    return [(path, value)]
