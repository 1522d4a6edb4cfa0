"""Whether a value can be of a field's type. Only what Elasticsearch refuses for certain counts as wrong."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from common.search.field_types import BOOLEAN, DATES, IP, NUMERIC, WHOLE_NUMBERS
from common.search.violations import shown

Value = str | int | float | bool | None

# What Java reads as a double, which is what Elasticsearch tries with a text; its digits are those of ASCII only.
_DIGITS: Final = r"(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_HEX_DIGITS: Final = r"0[xX]([0-9a-fA-F]+(\.[0-9a-fA-F]*)?|\.[0-9a-fA-F]+)[pP][+-]?\d+"
_NUMBER: Final = re.compile(rf"[\x00-\x20]*[+-]?(NaN|Infinity|({_DIGITS}|{_HEX_DIGITS})[fFdD]?)[\x00-\x20]*", re.ASCII)


class Way(Enum):
    """How a value is asked for, which decides what Elasticsearch takes."""

    VALUE = "compared with the field's"
    BOUND = "compared with the field's, by order or in a list"
    BESIDE_NUMBER = "as BOUND, and another bound is a number"
    FILL = "stands for none in an aggregation"
    LISTED = "stands in the include or exclude of an aggregation"
    SORT_FILL = "stands for none in a sort"
    NUMBER = "a number, whatever the field"


_BOUNDS: Final = frozenset({Way.BOUND, Way.BESIDE_NUMBER})
_EMPTY_IS_FINE: Final = _BOUNDS | {Way.VALUE}


def wrong_value(field_type: str, value: Value, way: Way = Way.VALUE) -> str | None:
    """Why a field of `field_type` cannot be asked for `value`, as the rest of a sentence; None where it may."""
    if value is None or (value == "" and way in _EMPTY_IS_FINE):
        return None
    if way is Way.NUMBER:
        return None if _may_be_number(value) else f"is {_told(value)}, which is no number"
    if way is Way.SORT_FILL:
        return _wrong_sort_fill(field_type, value)
    if way is Way.FILL and field_type in BOOLEAN and isinstance(value, (int, float)):
        return None
    if way is Way.BESIDE_NUMBER and field_type in DATES and isinstance(value, str) and not _is_whole(value):
        return f"is {_told(value)} beside a bound that is a number; write both as dates, or both as milliseconds"
    if way is Way.LISTED and field_type in DATES and isinstance(value, str) and value.startswith("now"):
        return f"is {_told(value)}, which is reckoned from now and is no value; write the date"
    if way in _BOUNDS and field_type in WHOLE_NUMBERS and isinstance(value, int) and not isinstance(value, bool):
        least, most = WHOLE_NUMBERS[field_type]
        return None if least <= value <= most else f"is {value}; no {field_type} is beyond {least} or {most}"
    if field_type in NUMERIC and not _may_be_number(value):
        return f"is {_told(value)}, which is no number"
    if field_type in DATES and not _may_be_date(value):
        return f"is {_told(value)}, which is no date; write it as 2013-01-31, as milliseconds, or as now-1d/d"
    if field_type in BOOLEAN and not (isinstance(value, bool) or value in {"true", "false"}):
        return f"is {_told(value)}; it must be true or false"
    if field_type in IP and not _may_be_address(value):
        return f"is {_told(value)}, which is no IP address"
    return None


def _wrong_sort_fill(field_type: str, value: Value) -> str | None:
    if value in {"_first", "_last"} or field_type not in NUMERIC | DATES | BOOLEAN:
        return None
    if field_type in DATES and isinstance(value, str) and not _is_whole(value):
        return f"is {_told(value)}; write milliseconds since 1970, _first or _last"
    if _may_be_number(value):
        return None
    return f"is {_told(value)}; it must be a number, _first or _last"


def _is_whole(text: str) -> bool:
    return text.isascii() and text.removeprefix("-").isdigit()


def _may_be_number(value: Value) -> bool:
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    return not isinstance(value, bool)


def _may_be_date(value: Value) -> bool:
    """A mapping may have a date format of its own, but none is without a digit."""
    if isinstance(value, str):
        return value.startswith("now") or any(character.isdigit() for character in value)
    return not isinstance(value, bool)


def _may_be_address(value: Value) -> bool:
    return isinstance(value, str) and ("." in value or ":" in value)


def _told(value: Value) -> str:
    return f"“{shown(value)}”" if isinstance(value, str) else str(value).lower()
