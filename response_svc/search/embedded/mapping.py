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

_TRUTHS: Final[Mapping[bool | str, int]] = {True: 1, False: 0, "true": 1, "false": 0, "": 0}
_MOST_SHOWN: Final = 100
"""Characters of a value that is refused."""
_OPTIONS: Final = {Kind.TEXT: {"type", "fields"}, Kind.KEYWORD: {"type", "fields", "ignore_above"}}


@dataclass(frozen=True, slots=True)
class Field:
    """One field as a query names it. `path` is where its values stand in a document; multi-fields share it."""

    name: str
    kind: Kind
    path: tuple[str, ...]
    ignore_above: int | None = None

    def values(self, document: Mapping[str, Any]) -> list[Value]:
        """The document's values, sorted as doc values are, a keyword's without repeats. No null counts.

        Raises ValueError, which names the field, for a value that is not of its type.
        """
        if self.kind is Kind.TEXT:
            return [self._text(value) for value in _at(document, self.path)]
        if self.kind is Kind.KEYWORD:
            texts = {self._text(value) for value in _at(document, self.path)}
            return sorted(text for text in texts if not self._too_long(text))
        numbers = [self._number(value) for value in _at(document, self.path)]
        return [*sorted(numbers, key=to_sortable if self.kind is Kind.DOUBLE else None)]

    def ignores(self, document: Mapping[str, Any]) -> bool:
        """Whether the document has a value that is too long for this keyword field."""
        return any(self._too_long(self._text(value)) for value in _at(document, self.path))

    def _too_long(self, text: str) -> bool:
        """Java counts characters beyond the 16-bit plane twice."""
        if self.ignore_above is None:
            return False
        return len(text) + sum(character > "\uffff" for character in text) > self.ignore_above

    def _text(self, value: JsonValue) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, (bool, int, float)):
            return json.dumps(value)
        raise self._refusal(value)

    def _number(self, value: JsonValue) -> int | float:
        try:
            number = self._as_number(value)
        except (ValueError, OverflowError):
            number = None
        if number is None:
            raise self._refusal(value)
        return number

    def _as_number(self, value: JsonValue) -> int | float | None:
        """None, or a ValueError, for what is none of this type."""
        if self.kind is Kind.BOOLEAN:
            return _TRUTHS.get(value) if isinstance(value, (bool, str)) else None
        if self.kind is Kind.DATE:
            return DateParser(DEFAULT_FORMAT, UTC_ZONE).document_value(value)
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            return None
        if self.kind is Kind.DOUBLE:
            double = float(value)
            return double if math.isfinite(double) else None
        number = int(value)
        is_whole = isinstance(value, int) or number == float(value)
        highest = 2 ** (WHOLE_NUMBER_BITS[self.kind] - 1)
        return number if is_whole and -highest <= number < highest else None

    def _refusal(self, value: JsonValue) -> ValueError:
        shown = repr(value)[:_MOST_SHOWN]
        return ValueError(f"the field {self.name} of the type {self.kind.value} cannot hold {shown}")


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
