"""Values in a query as the field they are compared with has them, and numbers as Java writes them."""

from __future__ import annotations

import math
import re
import struct
from typing import TypeAlias

from response_svc.search.embedded.mapping import Field, Kind
from response_svc.search.embedded.refusals import refused, unsupported

Plain: TypeAlias = "str | int | float | bool | None"

_NUMBER = re.compile(r"(?P<whole>[+-]?\d+)|[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_LONGEST_WHOLE = 32
_LEAST_PLAIN = 1e-3
_LEAST_SCIENTIFIC = 1e7


def plain_text(value: Plain) -> str:
    """A JSON value as Java's `toString` gives it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        raise refused("a value is null")
    return java_double(value) if isinstance(value, float) else str(value)


def number_of(field: Field, value: Plain) -> int | float:
    """A number for a numeric field; texts are read, and what is no number is refused."""
    if isinstance(value, bool) or value is None:
        raise refused(f"{plain_text(value)} is no number for the field {field.name}")
    if isinstance(value, (int, float)):
        return value
    written = _NUMBER.fullmatch(value)
    if written is None:
        raise refused(f'the field {field.name} is of type {field.kind.value}: For input string: "{value}"')
    # Python reads whole numbers of any length, or balks at some thousand digits; no field holds more than 64 bits.
    number: int | float = int(value) if written["whole"] and len(value) <= _LONGEST_WHOLE else float(value)
    if not math.isfinite(number):
        raise unsupported(f"a comparison of the field {field.name} with {value}, which 64 bits do not hold")
    return number


def bool_of(field: Field, value: Plain) -> int:
    """0 or 1 for a boolean field."""
    words = {"true": 1, "false": 0}
    text = value if isinstance(value, str) else plain_text(value)
    if text not in words:
        raise refused(f"Can't parse boolean value [{text}] for the field {field.name}, expected [true] or [false]")
    return words[text]


def java_double(value: float) -> str:
    """A double as Java's `Double.toString` writes it: 1.0, 1.0E7."""
    if value == 0 or _LEAST_PLAIN <= abs(value) < _LEAST_SCIENTIFIC:
        return repr(float(value)) if "e" not in repr(float(value)) else f"{value:f}"
    digits, _, exponent = f"{value!r}".partition("e")
    sign = "-" if digits.startswith("-") else ""
    whole, _, part = digits.lstrip("-").partition(".")
    power = int(exponent or 0)
    figures = (whole + part).lstrip("0")
    if whole.strip("0"):
        power += len(whole) - 1
    else:
        power -= len(part) - len(part.lstrip("0")) + 1
    figures = figures.rstrip("0") or "0"
    return f"{sign}{figures[0]}.{figures[1:] or '0'}E{power}"


def single_precision(score: float) -> float:
    """The shortest decimal that is the score in 32 bits, as Elasticsearch writes scores."""
    packed = struct.unpack("f", struct.pack("f", score))[0]
    for digits in range(6, 10):
        shortest = float(f"{packed:.{digits}g}")
        if struct.unpack("f", struct.pack("f", shortest))[0] == packed:
            return shortest
    return float(packed)


def is_textual(field: Field) -> bool:
    """Whether the field holds words or whole texts."""
    return field.kind in {Kind.TEXT, Kind.KEYWORD}
