"""A mapping for documents that come without one, as Elasticsearch would guess it, but from all of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from response_svc.search.embedded.loose import JsonValue

_TEXT: Final[Mapping[str, Any]] = {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)
_LARGEST: Final = 1 << 63


def guess_mapping(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The mapping of all fields that hold a value somewhere.

    Whole numbers are long, and double where others are among them; texts are text with a keyword beside it, and date
    where all of them are dates. Raises ValueError where the values of a field have no type in common.
    """
    properties: dict[str, Any] = {}
    for document in documents:
        _note(properties, {key: value for key, value in document.items() if key != "_id"}, "")
    return {"properties": _told(properties)}


def _note(properties: dict[str, Any], source: Mapping[str, Any], before: str) -> None:
    for name, value in source.items():
        for one in _flat(value):
            known = properties.get(name)
            kind: Any = {} if isinstance(one, dict) else _kind(one)
            if known is not None and isinstance(kind, dict) != isinstance(known, dict):
                raise ValueError(f"the field {before}{name} holds objects and values; write a mapping and name it")
            if isinstance(one, dict):
                _note(properties.setdefault(name, {}), one, f"{before}{name}.")
            else:
                properties[name] = kind if known is None else _common(known, kind, f"{before}{name}")


def _flat(value: JsonValue) -> list[Any]:
    if isinstance(value, list):
        return [inner for one in value for inner in _flat(one)]
    return [] if value is None else [value]


def _kind(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "long" if -_LARGEST <= value < _LARGEST else "double"
    if isinstance(value, float):
        return "double"
    return "date" if _DATE.fullmatch(value) else "text"


def _common(known: str, kind: str, name: str) -> str:
    if known == kind:
        return known
    for pair, common in (({"long", "double"}, "double"), ({"date", "text"}, "text")):
        if {known, kind} == pair:
            return common
    raise ValueError(f"the field {name} holds values of the types {known} and {kind}; write a mapping and name it")


def _told(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {"properties": _told(kind)}
        if isinstance(kind, dict)
        else dict(_TEXT)
        if kind == "text"
        else {"type": kind}
        for name, kind in properties.items()
    }
