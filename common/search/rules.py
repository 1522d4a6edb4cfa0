"""What makes a typed search valid whoever asks: the protos' own rules, and those that a proto cannot say."""

from __future__ import annotations

import math
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import protovalidate

from common.search.aggregation_rules import AGGREGATION_RULES
from common.search.clause_rules import CLAUSE_RULES
from common.search.highlight_rules import HIGHLIGHT_RULES
from common.search.rule_words import broken_rule
from common.search.shapes import shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airlock.search.v1.search_pb2 import Search

    from common.search.shapes import EnumShape, FieldShape
    from common.search.violations import Path, Violations
    from common.search.walk import Visited

    Broken = Iterator[tuple[Path, str]]
    Rule = Callable[[Visited], Broken]
    FieldRule = Callable[[Any], str | None]

MAX_NAME: Final = 256
"""Characters of a field's or an aggregation's name."""
MAX_FLOAT: Final = 3.4028234663852886e38
MAX_INT: Final = 2**31 - 1
_AUTO: Final = re.compile(r"AUTO:(\d{1,9}),(\d{1,9})", re.ASCII)
_RULES: Final[Mapping[str, Rule]] = {**CLAUSE_RULES, **AGGREGATION_RULES, **HIGHLIGHT_RULES}
_ZERO: Final = "holds a zero character, which the database cannot keep"


def broken_together(visited: Visited) -> Broken:
    """The rules of our own that a message breaks by several of its fields, or by what they mean."""
    rule = _RULES.get(visited.shape.name)
    return rule(visited) if rule is not None else iter(())


def field_rule(field: FieldShape) -> FieldRule | None:
    """What tells how the value of one field is broken by itself, if anything does; texts are looked at elsewhere."""
    if field.enum is not None:
        return partial(_unknown_word, field.enum)
    return _broken_name if field.is_map else _FIELD_RULES.get(field.name)


def _unknown_word(enum: EnumShape, value: int) -> str | None:
    return None if value in enum.by_number else f"must be one of {', '.join(enum.by_word)}"


def _broken_name(entries: Mapping[str, Any]) -> str | None:
    for name in entries:
        if not 0 < len(name) <= MAX_NAME or "\0" in name:
            return f"has a name that is empty, longer than {MAX_NAME} characters, or holds a zero character"
    return None


def _broken_boost(value: float) -> str | None:
    if value > MAX_FLOAT:
        return "is beyond what a float holds"
    return "is negative; a boost between 0 and 1 lowers a score" if math.copysign(1, value) < 0 else None


def _broken_count(value: int) -> str | None:
    return f"must be at most {MAX_INT}" if value > MAX_INT else None


def _broken_fuzziness(value: str) -> str | None:
    bounds = _AUTO.fullmatch(value)
    return "must name the smaller length first" if bounds and int(bounds[1]) > int(bounds[2]) else None


_FIELD_RULES: Final[Mapping[str, FieldRule]] = {
    "boost": _broken_boost,
    "fuzziness": _broken_fuzziness,
    "prefix_length": _broken_count,
}


def broken_text(text: str) -> str | None:
    """What no text may hold."""
    return _ZERO if "\0" in text else None


def check_messages(search: Search, violations: Violations) -> None:
    """Adds every broken rule of the protos. The search's depth has been checked, since this recurses."""
    for broken in protovalidate.collect_violations(search):
        field_path: Any = broken.proto.field
        field = field_path.elements[-1].field_name if field_path.elements else ""
        reason = broken_rule(field, broken.proto.rule_id, broken.proto.message)
        violations.add(_json_path(search, field_path), reason)


def _json_path(search: Search, field_path: Any) -> Path:  # noqa: ANN401 # Its type is a private one of protovalidate's.
    """A path of protovalidate's in the names that JSON has."""
    path: list[str | int] = []
    shape = shape_of(search.DESCRIPTOR.name)
    for element in field_path.elements:
        field = shape.by_name.get(element.field_name)
        path.extend(field.place if field is not None else (element.field_name,))
        if element.subscript is not None:
            path.append(element.subscript.value)
        if field is not None and field.message:
            shape = shape_of(field.message)
    return tuple(path)
