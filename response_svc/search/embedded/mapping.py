"""The fields of an index, from an Elasticsearch mapping, and how a document's values become column values."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from response_svc.search.embedded.dates import DEFAULT_FORMAT, UTC_ZONE, DateParser
from response_svc.search.embedded.doubles import to_sortable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from response_svc.search.embedded.loose import JsonValue

Value: TypeAlias = str | int | float


class Kind(Enum):
    """The types of fields, by their names in a mapping."""

    TEXT = "text"
    KEYWORD = "keyword"
    LONG = "long"
    INTEGER = "integer"
    SHORT = "short"
    BYTE = "byte"
    DOUBLE = "double"
    BOOLEAN = "boolean"
    DATE = "date"


WHOLE_NUMBER_BITS: Final = {Kind.LONG: 64, Kind.INTEGER: 32, Kind.SHORT: 16, Kind.BYTE: 8}
NUMERIC: Final = frozenset({*WHOLE_NUMBER_BITS, Kind.DOUBLE})

_OPTIONS: Final = {Kind.TEXT: {"type", "fields"}, Kind.KEYWORD: {"type", "fields", "ignore_above"}}


@dataclass(frozen=True, slots=True)
class Field:
    """One field as a query names it. `path` is where its values stand in a document; multi-fields share it."""

    name: str
    kind: Kind
    path: tuple[str, ...]
    ignore_above: int | None = None

    def values(self, document: Mapping[str, Any]) -> list[Value]:
        """The document's values, sorted as doc values are, a keyword's without repeats. No null counts."""
        if self.kind is Kind.TEXT:
            return [_as_text(value) for value in _at(document, self.path)]
        if self.kind is Kind.KEYWORD:
            texts = {_as_text(value) for value in _at(document, self.path)}
            return sorted(text for text in texts if not self._too_long(text))
        numbers = [self._number(value) for value in _at(document, self.path)]
        return [*sorted(numbers, key=to_sortable if self.kind is Kind.DOUBLE else None)]

    def ignores(self, document: Mapping[str, Any]) -> bool:
        """Whether the document has a value that is too long for this keyword field."""
        return any(self._too_long(_as_text(value)) for value in _at(document, self.path))

    def _too_long(self, text: str) -> bool:
        """Java counts characters beyond the 16-bit plane twice."""
        if self.ignore_above is None:
            return False
        return len(text) + sum(character > "\uffff" for character in text) > self.ignore_above

    def _number(self, value: JsonValue) -> int | float:
        if self.kind is Kind.BOOLEAN:
            return int(_as_bool(self, value))
        if self.kind is Kind.DATE:
            return DateParser(DEFAULT_FORMAT, UTC_ZONE).document_value(value)
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError(f"the field {self.name} cannot hold {value!r}")  # noqa: TRY004 # A fault of the data.
        if self.kind is Kind.DOUBLE:
            return _finite(self, float(value))
        number = int(value)
        bits = WHOLE_NUMBER_BITS[self.kind]
        if (number != float(value) and not isinstance(value, int)) or not -(2 ** (bits - 1)) <= number < 2 ** (
            bits - 1
        ):
            raise ValueError(f"the field {self.name} cannot hold {value!r}")
        return number


def parse_mapping(mapping: Mapping[str, Any]) -> dict[str, Field]:
    """The fields of `{"properties": …}` by name, multi-fields such as `name.keyword` included.

    Raises ValueError for a type or an option that would change answers and is not known here, such as an analyzer.
    """
    unknown = set(mapping) - {"properties", "dynamic", "_meta"}
    if unknown:
        raise ValueError(f"the mapping has {sorted(unknown)}, which the built-in search engine does not know")
    return {field.name: field for field in _fields(mapping.get("properties", {}), ())}


def _fields(properties: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Field]:
    for name, definition in properties.items():
        here = (*path, name)
        if "properties" in definition and definition.get("type", "object") == "object":
            yield from _fields(definition["properties"], here)
            continue
        field = _field(".".join(here), here, definition)
        yield field
        for suffix, inner in definition.get("fields", {}).items():
            yield _field(f"{field.name}.{suffix}", here, inner)


def _field(name: str, path: tuple[str, ...], definition: Mapping[str, Any]) -> Field:
    try:
        kind = Kind(definition.get("type"))
    except ValueError:
        raise ValueError(
            f"the field {name} is of type {definition.get('type')}; known are {', '.join(kind.value for kind in Kind)}"
        ) from None
    unknown = set(definition) - _OPTIONS.get(kind, {"type", "fields"})
    if unknown:
        raise ValueError(f"the field {name} has {sorted(unknown)}, which the built-in search engine does not know")
    return Field(name, kind, path, definition.get("ignore_above"))


def _at(value: JsonValue, path: tuple[str, ...]) -> list[Any]:
    """Every value at a path, through lists on the way; nulls are left out."""
    found = [value]
    for step in path:
        found = [inner[step] for inner in _flat(found) if isinstance(inner, dict) and step in inner]
    return [inner for inner in _flat(found) if inner is not None]


def _flat(values: list[Any]) -> list[Any]:
    """The values, and in place of each list what it holds."""
    if not any(isinstance(value, list) for value in values):
        return values
    return [inner for value in values for inner in (_flat(value) if isinstance(value, list) else (value,))]


def _as_text(value: JsonValue) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    raise ValueError(f"a text cannot hold {value!r}")


def _as_bool(field: Field, value: JsonValue) -> bool:
    words = {True: True, False: False, "true": True, "false": False, "": False}
    if isinstance(value, (bool, str)) and value in words:
        return words[value]
    raise ValueError(f"the field {field.name} cannot hold {value!r}")


def _finite(field: Field, value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"the field {field.name} cannot hold {value!r}")
    return value
