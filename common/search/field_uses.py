"""Every place in a search that names a field of the index, with what is asked of it there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from airlock.search.v1.query_pb2 import (
    MULTI_MATCH_TYPE_BEST_FIELDS,
    MULTI_MATCH_TYPE_MOST_FIELDS,
    MULTI_MATCH_TYPE_UNSPECIFIED,
)

from common.search.scalars import scalar_value
from common.search.walk import walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airlock.search.v1.search_pb2 import Search

    from common.search.field_values import Value
    from common.search.violations import Path
    from common.search.walk import Visited

Fields: TypeAlias = Any
"""A message whose fields are named by the tables, beyond what the type checker can follow."""

QUERY: Final = "query"
AGGREGATION: Final = "aggregation"
SORT: Final = "sort"
HIGHLIGHT: Final = "highlight"

_BOUNDS: Final = ("gt", "gte", "lt", "lte")
# The other ways to combine fields treat values of other types in ways of their own.
_EACH_FIELD_BY_ITSELF: Final = frozenset(
    {MULTI_MATCH_TYPE_UNSPECIFIED, MULTI_MATCH_TYPE_BEST_FIELDS, MULTI_MATCH_TYPE_MOST_FIELDS}
)


@dataclass(frozen=True, slots=True)
class FieldUse:
    """One field, named at `path`. `kind` is the clause or aggregation, such as `range`."""

    path: Path
    name: str
    place: str
    kind: str
    values: Sequence[tuple[Path, Value]] = ()
    """The values that must be of the field's type."""
    may_be_unknown: bool = False


def field_uses(search: Search) -> Iterator[FieldUse]:
    """All of them, as whoever wrote the search reads it. Patterns in `_source` name no field."""
    for visited in walk(search):
        uses = _USES.get(visited.shape.name)
        if uses is not None:
            yield from uses(visited)


def _of_query(visited: Visited) -> Iterator[FieldUse]:
    for descriptor, value in visited.message.ListFields():
        field = visited.shape.by_name[descriptor.name]
        if not field.is_map:
            continue
        for name in value:
            path = (*visited.path, field.json_name, name)
            yield FieldUse(path, name, QUERY, field.json_name, _values(field.json_name, value[name], path))


def _values(kind: str, clause: Fields, path: Path) -> list[tuple[Path, Value]]:
    if kind == "terms":
        return [((*path, position), scalar_value(value)) for position, value in enumerate(clause.values)]
    if kind == "range":
        # A text is written as the format says; what is no text never is.
        bounds = [(name, scalar_value(getattr(clause, name))) for name in _BOUNDS if clause.HasField(name)]
        return [((*path, name), value) for name, value in bounds if not (clause.format and isinstance(value, str))]
    if kind == "term":
        return [(path, scalar_value(clause.value))]
    if kind == "match_phrase" or (kind == "match" and not clause.lenient):
        return [(path, scalar_value(clause.query))]
    return []


def _of_multi_match(visited: Visited) -> Iterator[FieldUse]:
    message = visited.message
    checked = message.type in _EACH_FIELD_BY_ITSELF and not message.lenient
    values = [((*visited.path, "query"), scalar_value(message.query))] if checked else []
    for position, field in enumerate(message.fields):
        yield FieldUse((*visited.path, "fields", position), field.split("^")[0], QUERY, "multi_match", values)


def _of_exists(visited: Visited) -> Iterator[FieldUse]:
    yield FieldUse((*visited.path, "field"), visited.message.field, QUERY, "exists")


def _of_aggregation(visited: Visited) -> Iterator[FieldUse]:
    for descriptor, value in visited.message.ListFields():
        kind = visited.shape.by_name[descriptor.name].json_name
        if not descriptor.is_repeated and "field" in value.DESCRIPTOR.fields_by_name:
            yield FieldUse((*visited.path, kind, "field"), value.field, AGGREGATION, kind)


def _of_sort(visited: Visited) -> Iterator[FieldUse]:
    sort = visited.message
    yield FieldUse(visited.path, sort.field, SORT, SORT, may_be_unknown=bool(sort.unmapped_type))


def _of_highlight(visited: Visited) -> Iterator[FieldUse]:
    for name in visited.message.fields:
        yield FieldUse((*visited.path, "fields", name), name, HIGHLIGHT, HIGHLIGHT, may_be_unknown="*" in name)


_USES: Final = {
    "Aggregation": _of_aggregation,
    "ExistsQuery": _of_exists,
    "Highlight": _of_highlight,
    "MultiMatchQuery": _of_multi_match,
    "Query": _of_query,
    "Sort": _of_sort,
}
