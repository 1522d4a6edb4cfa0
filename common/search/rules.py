"""What makes a typed search valid whoever asks: the protos' own rules, and those that a proto cannot say."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

import protovalidate

from common.search.aggregation_rules import AGGREGATION_RULES
from common.search.clause_rules import CLAUSE_RULES
from common.search.highlight_rules import HIGHLIGHT_RULES
from common.search.shapes import shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airlock.search.v1.search_pb2 import Search

    from common.search.shapes import FieldShape
    from common.search.violations import Path, Violations
    from common.search.walk import Visited

    Broken = Iterator[tuple[Path, str]]
    Rule = Callable[[Visited], Broken]

MAX_NAME: Final = 256
"""Characters of a field's or an aggregation's name."""
MAX_FLOAT: Final = 3.4028234663852886e38
MAX_INT: Final = 2**31 - 1
_INTS: Final = frozenset({"prefix_length", "slop"})
_AUTO: Final = re.compile(r"AUTO:(\d{1,9}),(\d{1,9})", re.ASCII)
_RULES: Final[Mapping[str, Rule]] = {**CLAUSE_RULES, **AGGREGATION_RULES, **HIGHLIGHT_RULES}
_ZERO: Final = "holds a zero character, which the database cannot keep"


def broken_rules(visited: Visited) -> Broken:
    """The rules of our own that one message breaks."""
    for field, value in visited.fields:
        yield from broken_field(visited, field, value)
    rule = _RULES.get(visited.shape.name)
    if rule is not None:
        yield from rule(visited)


def broken_field(visited: Visited, field: FieldShape, value: Any) -> Broken:  # noqa: ANN401 # Whatever a field can hold.
    """What a field breaks by itself, whatever its message says besides; its texts are looked at elsewhere."""
    if field.enum is not None:
        if value not in field.enum.by_number:
            yield visited.path_of(field), f"must be one of {', '.join(field.enum.by_word)}"
    elif field.is_map:
        for name in value:
            if not 0 < len(name) <= MAX_NAME or "\0" in name:
                reason = f"has a name that is empty, longer than {MAX_NAME} characters, or holds a zero character"
                yield visited.path_of(field), reason
    elif field.name == "boost":
        if value > MAX_FLOAT:
            yield visited.path_of(field), "is beyond what a float holds"
        elif math.copysign(1, value) < 0:
            yield visited.path_of(field), "is negative; a boost between 0 and 1 lowers a score"
    elif field.name in _INTS:
        if value > MAX_INT:
            yield visited.path_of(field), f"must be at most {MAX_INT}"
    elif field.name == "fuzziness" and (bounds := _AUTO.fullmatch(value)) and int(bounds[1]) > int(bounds[2]):
        yield visited.path_of(field), "must name the smaller length first"


def broken_text(text: str) -> str | None:
    """What no text may hold."""
    return _ZERO if "\0" in text else None


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
        path.extend(field.place if field is not None else (element.field_name,))
        if element.subscript is not None:
            path.append(element.subscript.value)
        if field is not None and field.message:
            shape = shape_of(field.message)
    return tuple(path)
