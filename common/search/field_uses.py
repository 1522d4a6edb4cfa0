"""Every place in a search that names a field of the index, with what is asked of it there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from airlock.search.v1 import query_pb2, search_pb2

from common.search.field_values import Way
from common.search.scalars import scalar_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from common.search.field_values import Value
    from common.search.violations import Path
    from common.search.walk import Visited

Fields: TypeAlias = Any
"""A message whose fields are named by the tables, beyond what the type checker can follow."""
Asked: TypeAlias = "tuple[Path, Value, Way]"

QUERY: Final = "query"
AGGREGATION: Final = "aggregation"
SORT: Final = "sort"
HIGHLIGHT: Final = "highlight"

_BOUNDS: Final = ("gt", "gte", "lt", "lte")
# The other ways to combine fields treat values of other types in ways of their own.
_EACH_FIELD_BY_ITSELF: Final = frozenset(
    {
        query_pb2.MULTI_MATCH_TYPE_UNSPECIFIED,
        query_pb2.MULTI_MATCH_TYPE_BEST_FIELDS,
        query_pb2.MULTI_MATCH_TYPE_MOST_FIELDS,
    }
)
_MODES_OF_NUMBERS: Final = frozenset({search_pb2.SORT_MODE_AVG, search_pb2.SORT_MODE_MEDIAN, search_pb2.SORT_MODE_SUM})


@dataclass(frozen=True, slots=True)
class FieldUse:
    """One field, named at `path`. `kind` is the clause or aggregation, such as `range`."""

    path: Path
    name: str
    place: str
    kind: str
    values: Sequence[Asked] = ()
    """The values that must be of the field's type, and how."""
    options: Sequence[str] = ()
    """Options that fields of some types do not take; see `field_types.REFUSED_BY_OPTION`."""
    may_be_unknown: bool = False


def field_uses(messages: Iterable[Visited]) -> Iterator[FieldUse]:
    """All of them, as whoever wrote the search reads it. Patterns in `_source` name no field."""
    for visited in messages:
        uses = _USES.get(visited.shape.name)
        if uses is not None:
            yield from uses(visited)


def _of_query(visited: Visited) -> Iterator[FieldUse]:
    for field, value in visited.fields:
        if not field.is_map:
            continue
        for name in value:
            path = (*visited.path, field.json_name, name)
            clause = value[name]
            options = _clause_options(field.name, clause)
            yield FieldUse(path, name, QUERY, field.json_name, _values(field.name, clause, path), options)


def _values(kind: str, clause: Fields, path: Path) -> list[Asked]:
    if kind == "terms":
        return [((*path, place), scalar_value(value), Way.BOUND) for place, value in enumerate(clause.values)]
    if kind == "range":
        return _bounds(clause, path)
    if kind == "term":
        return [(path, scalar_value(clause.value), Way.VALUE)]
    if kind == "match_phrase" or (kind == "match" and not clause.lenient):
        return [(path, scalar_value(clause.query), Way.VALUE)]
    return []


def _bounds(clause: Fields, path: Path) -> list[Asked]:
    """A text is written as the format says, and without one as the field's; what is no text never is."""
    bounds = [(name, scalar_value(getattr(clause, name))) for name in _BOUNDS if clause.HasField(name)]
    beside = any(isinstance(value, (int, float)) and not isinstance(value, bool) for _, value in bounds)
    way = Way.BESIDE_NUMBER if beside and not clause.format else Way.BOUND
    return [((*path, name), value, way) for name, value in bounds if not (clause.format and isinstance(value, str))]


def _clause_options(kind: str, clause: Fields) -> tuple[str, ...]:
    if kind == "match" and clause.HasField("fuzziness") and not clause.lenient:
        return ("fuzziness",)
    return ("case_insensitive",) if kind == "term" and clause.case_insensitive else ()


def _of_multi_match(visited: Visited) -> Iterator[FieldUse]:
    message = visited.message
    checked = message.type in _EACH_FIELD_BY_ITSELF and not message.lenient
    values: list[Asked] = [((*visited.path, "query"), scalar_value(message.query), Way.VALUE)] if checked else []
    options = []
    if message.HasField("fuzziness") and not message.lenient:
        options.append("fuzziness")
    if message.type == query_pb2.MULTI_MATCH_TYPE_PHRASE_PREFIX and not message.lenient:
        options.append("phrase_prefix")
    for position, field in enumerate(message.fields):
        path = (*visited.path, "fields", position)
        yield FieldUse(path, field.split("^")[0], QUERY, "multi_match", values, options)


def _of_exists(visited: Visited) -> Iterator[FieldUse]:
    yield FieldUse((*visited.path, "field"), visited.message.field, QUERY, "exists")


def _of_aggregation(visited: Visited) -> Iterator[FieldUse]:
    for field, definition in visited.fields:
        if field.is_map or not field.message or "field" not in definition.DESCRIPTOR.fields_by_name:
            continue
        path = (*visited.path, field.json_name)
        formatted = "format" in definition.DESCRIPTOR.fields_by_name and bool(definition.format)
        # Only a date's format is for reading values too.
        values = [asked for asked in _aggregated(definition, path) if not (formatted and isinstance(asked[1], str))]
        options = ("format",) if formatted else ()
        yield FieldUse((*path, "field"), definition.field, AGGREGATION, field.json_name, values, options)


def _aggregated(definition: Fields, path: Path) -> Iterator[Asked]:
    """The values that an aggregation is asked with."""
    for descriptor, value in definition.ListFields():
        name = descriptor.name
        if name == "missing":
            yield (*path, name), scalar_value(value), Way.FILL
        elif name in {"include", "exclude"}:
            for place, one in enumerate(value):
                yield (*path, name, place), scalar_value(one), Way.LISTED
        elif name == "ranges":
            way = Way.NUMBER if definition.DESCRIPTOR.name == "RangeAggregation" else Way.VALUE
            for place, bucket in enumerate(value):
                yield (*path, name, place, "from"), scalar_value(bucket.from_value), way
                yield (*path, name, place, "to"), scalar_value(bucket.to_value), way


def _of_sort(visited: Visited) -> Iterator[FieldUse]:
    sort = visited.message
    options = []
    if sort.format:
        options.append("sort format")
    if sort.numeric_type:
        dated = sort.numeric_type == search_pb2.SORT_NUMERIC_TYPE_DATE_NANOS
        options.append("numeric_type date_nanos" if dated else "numeric_type")
    if sort.mode in _MODES_OF_NUMBERS:
        options.append("mode")
    values: list[Asked] = [((*visited.path, "missing"), scalar_value(sort.missing), Way.SORT_FILL)]
    yield FieldUse(visited.path, sort.field, SORT, SORT, values, options, may_be_unknown=bool(sort.unmapped_type))


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
