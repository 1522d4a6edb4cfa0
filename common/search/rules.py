"""What makes a typed search valid whoever asks: the protos' own rules, and those that a proto cannot say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import protovalidate

from common.search.shapes import shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlock.search.v1.search_pb2 import Search

    from common.search.violations import Path, Violations
    from common.search.walk import Visited

MAX_NAME: Final = 256
"""Characters of a field's or an aggregation's name."""
MAX_FLOAT: Final = 3.4028234663852886e38
MAX_INT: Final = 2**31 - 1
_INTS: Final = frozenset({"max_expansions", "prefix_length", "slop"})
_AUTO: Final = re.compile(r"AUTO:(\d{1,9}),(\d{1,9})", re.ASCII)
_EXACT_FIELD_NAMES: Final = {"ExistsQuery": "field", "MultiMatchQuery": "fields"}
"""Where Elasticsearch would expand a `*` into fields that no one named."""


def broken_rules(visited: Visited) -> Iterator[tuple[Path, str]]:
    """The rules of our own that one message breaks."""
    for field, value in visited.values:
        if field.enum is not None and value not in field.enum.by_number:
            yield visited.path_of(field), f"must be one of {', '.join(field.enum.by_word)}"
    yield from _unkeepable_texts(visited)
    yield from _numbers_beyond_java(visited)
    message, path, kind = visited.message, visited.path, visited.shape.name
    if kind in _EXACT_FIELD_NAMES:
        values = getattr(message, _EXACT_FIELD_NAMES[kind])
        if any("*" in value for value in ([values] if isinstance(values, str) else values)):
            yield (*path, _EXACT_FIELD_NAMES[kind]), "must name fields exactly, without *"
    elif kind == "RangeQuery":
        for one, other in (("gt", "gte"), ("lt", "lte")):
            if message.HasField(one) and message.HasField(other):
                yield path, f"must have either {one} or {other}, not both"
    elif kind == "SourceFilter" and message.HasField("enabled") and (message.includes or message.excludes):
        yield path, "must either be enabled or disabled as a whole, or list fields"
    elif kind == "Query" and "boost" in message.terms and message.terms["boost"].HasField("boost"):
        yield (*path, "terms"), "cannot carry a boost for a field that is itself called boost"


def _numbers_beyond_java(visited: Visited) -> Iterator[tuple[Path, str]]:
    """Elasticsearch reads boosts as floats and these counts as ints, and refuses what is beyond them."""
    for field, value in visited.values:
        if field.name == "boost" and value > MAX_FLOAT:
            yield visited.path_of(field), "is beyond what a float holds"
        elif field.name in _INTS and value > MAX_INT:
            yield visited.path_of(field), f"must be at most {MAX_INT}"
        elif field.name == "fuzziness" and (bounds := _AUTO.fullmatch(value)) and int(bounds[1]) > int(bounds[2]):
            yield visited.path_of(field), "must name the smaller length first"


def _unkeepable_texts(visited: Visited) -> Iterator[tuple[Path, str]]:
    for path, text in visited.texts():
        if "\0" in text:
            yield path, "holds a zero character, which the database cannot keep"
    for path, name in visited.names:
        if not 0 < len(name) <= MAX_NAME or "\0" in name:
            yield path, f"has a name that is empty, longer than {MAX_NAME} characters, or holds a zero character"


def check_messages(search: Search, violations: Violations) -> None:
    """Adds every broken rule of the protos. The search's depth has been checked, since this recurses."""
    for broken in protovalidate.collect_violations(search):
        path = _json_path(search, broken.proto.field)
        violations.add(path, f"breaks its rule: {broken.proto.message or broken.proto.rule_id}")


def _json_path(search: Search, field_path: Any) -> Path:  # noqa: ANN401 # Its type is a private one of protovalidate's.
    """A path of protovalidate's in the names that JSON has."""
    path: list[str | int] = []
    shape = shape_of(search.DESCRIPTOR.name)
    for element in field_path.elements:
        field = shape.by_name.get(element.field_name)
        if not shape.is_bare_value:
            path.append(field.json_name if field is not None else element.field_name)
        if element.subscript is not None:
            path.append(element.subscript.value)
        if field is not None and field.message:
            shape = shape_of(field.message)
    return tuple(path)
