"""JSON from strangers: bounded in size and depth, without repeated keys, every whole number exact or refused."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from transfer.nesting import is_nested_deeper

if TYPE_CHECKING:
    from common.search.violations import Path, Violations

MAX_DEPTH = 64
"""Nesting of objects and lists. The message that is made of it stays far below protobuf's limit of 100."""

_INT64_MIN = -(2**63)
_UINT64_MAX = 2**64 - 1
_LONGEST_INTEGER = len(str(_INT64_MIN))


@dataclass(frozen=True, slots=True)
class UnusableNumber:
    """A number that 64 bits do not hold, kept as written so that it can be refused where it stands."""

    text: str


class ObjectWithRepeats(dict[str, "Json"]):
    """A JSON object in which some keys stand twice."""

    repeated: tuple[str, ...] = ()


Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | UnusableNumber | None"


def parse(body: bytes, max_bytes: int, violations: Violations) -> Json:
    """The value that `body` holds. What is wrong with it is added to `violations`; without a value it is None."""
    if len(body) > max_bytes:
        violations.add((), f"is {len(body)} bytes long; at most {max_bytes} are allowed")
        return None
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        violations.add((), f"is not UTF-8: byte {error.start} does not belong there")
        return None
    if text.startswith("\ufeff"):
        violations.add((), "is not JSON: it begins with a byte order mark; send it as UTF-8 without one")
        return None
    if is_nested_deeper(body, MAX_DEPTH):
        violations.add((), f"is nested deeper than {MAX_DEPTH} levels of objects and lists")
        return None
    return _load(text, violations)


def _load(text: str, violations: Violations) -> Json:
    repeats_found = False

    def make_object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        nonlocal repeats_found
        made = dict(pairs)
        if len(made) == len(pairs):
            return made
        repeats_found = True
        marked = ObjectWithRepeats(made)
        marked.repeated = tuple(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        return marked

    try:
        value: Json = json.loads(
            text,
            object_pairs_hook=make_object,
            parse_int=_integer,
            parse_float=_double,
            parse_constant=UnusableNumber,
        )
    except json.JSONDecodeError as error:
        violations.add((), f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}")
        return None
    # Both faults are rare, so a body without a trace of them is not walked.
    if repeats_found or "\\u" in text:
        _report_repeats_and_halves(value, violations)
    return value


def _integer(text: str) -> int | UnusableNumber:
    if len(text) > _LONGEST_INTEGER:
        return UnusableNumber(text[:32])
    value = int(text)
    return value if _INT64_MIN <= value <= _UINT64_MAX else UnusableNumber(text)


def _double(text: str) -> float | UnusableNumber:
    value = float(text)
    return value if math.isfinite(value) else UnusableNumber(text[:32])


def _report_repeats_and_halves(root: Json, violations: Violations) -> None:
    """Adds each repeated key, and each string with half a surrogate pair, which no encoding can carry."""
    waiting: list[tuple[Json, Path]] = [(root, ())]
    while waiting:
        value, path = waiting.pop()
        if isinstance(value, str):
            if not _encodable(value):
                violations.add(path, "holds half of a surrogate pair (\\ud800 to \\udfff alone)")
        elif isinstance(value, list):
            waiting.extend((inner, (*path, position)) for position, inner in enumerate(value))
        elif isinstance(value, dict):
            for key in value.repeated if isinstance(value, ObjectWithRepeats) else ():
                violations.add((*path, key), "stands twice in the same object; keep one")
            for key, inner in value.items():
                waiting.append((inner, (*path, key)))
                if not _encodable(key):
                    violations.add(path, "has a key with half of a surrogate pair")


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
