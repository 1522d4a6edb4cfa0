"""Decides whether an answer may be shown as a JSON object inside another message without changing what it says.

A `google.protobuf.Struct` holds every number as a double, has no order of keys and no room for two equal ones, and its
strings are Unicode. An answer is shown inline only if nothing of its meaning is lost on the way: each number's decimal
value is that of the double's shortest form, whole numbers lie within 2^53, no key repeats, no zero is negative, no
string holds half a surrogate pair. `1.0` may come out as `1`, and keys in another order: as JSON both are the same.
Whoever needs the bytes themselves reads the result route.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final, NoReturn

MAX_INLINE_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 24
"""Protobuf readers give up at 100 nested messages, and a level of a Struct takes up to three."""
MAX_WHOLE: Final = 2**53
# The digits of 2^53, with a sign; Python reads a longer text only to find that it is too long.
_MAX_WHOLE_DIGITS: Final = 17


class NotInlineError(ValueError):
    """The answer would not come through unchanged; the message says why, for people."""


def inline_object(text: bytes) -> dict[str, Any]:
    """The answer as an object whose numbers survive as doubles. Raises NotInlineError with the reason otherwise."""
    if len(text) > MAX_INLINE_BYTES:
        raise NotInlineError(
            f"the answer has {len(text)} bytes, more than the {MAX_INLINE_BYTES} that are shown inline"
        )
    try:
        value = json.loads(
            text, parse_int=_whole, parse_float=_fraction, parse_constant=_no_number, object_pairs_hook=_object
        )
    except NotInlineError:
        raise
    except (ValueError, RecursionError):
        raise NotInlineError("the answer is not plain JSON") from None
    if not isinstance(value, dict):
        raise NotInlineError("the answer is not a JSON object")
    _check(value, 1, look_for_surrogates=b"\\u" in text)
    return value


def _whole(text: str) -> float:
    if text == "-0":
        raise NotInlineError("the answer holds a negative zero")
    if len(text) > _MAX_WHOLE_DIGITS or abs(int(text)) > MAX_WHOLE:
        raise NotInlineError("the answer holds a whole number beyond 2^53")
    return float(text)


def _fraction(text: str) -> float:
    value = float(text)
    if repr(value) == text and value != 0:
        return value
    if value == 0 and text.startswith("-"):
        raise NotInlineError("the answer holds a negative zero")
    if not _same_value(text, value):
        raise NotInlineError("the answer holds a number that double precision would change")
    return value


def _same_value(text: str, value: float) -> bool:
    try:
        return Decimal(text) == Decimal(repr(value))
    except ArithmeticError:
        return False


def _no_number(name: str) -> NoReturn:
    raise NotInlineError(f"the answer holds {name}, which is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise NotInlineError("the answer holds an object with the same key twice")
    return value


def _check(value: Any, depth: int, *, look_for_surrogates: bool) -> None:  # noqa: ANN401 - any JSON value.
    if depth > MAX_DEPTH:
        raise NotInlineError(f"the answer is nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        for key, item in value.items():
            _check(key, depth, look_for_surrogates=look_for_surrogates)
            _check(item, depth + 1, look_for_surrogates=look_for_surrogates)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1, look_for_surrogates=look_for_surrogates)
    elif look_for_surrogates and isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise NotInlineError("the answer holds half a surrogate pair, which is not Unicode") from None
