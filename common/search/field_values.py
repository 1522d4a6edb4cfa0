"""Whether a value can be of a field's type. Only what Elasticsearch refuses for certain counts as wrong."""

from __future__ import annotations

import re
from typing import Final

from common.search.field_types import BOOLEAN, DATES, IP, NUMERIC
from common.search.violations import shown

Value = str | int | float | bool | None

# What Java reads as a double, which is what Elasticsearch tries with a text; its digits are those of ASCII only.
_DIGITS: Final = r"(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_HEX_DIGITS: Final = r"0[xX]([0-9a-fA-F]+(\.[0-9a-fA-F]*)?|\.[0-9a-fA-F]+)[pP][+-]?\d+"
_NUMBER: Final = re.compile(rf"[\x00-\x20]*[+-]?(NaN|Infinity|({_DIGITS}|{_HEX_DIGITS})[fFdD]?)[\x00-\x20]*", re.ASCII)


def wrong_value(field_type: str, value: Value) -> str | None:
    """Why a field of `field_type` cannot hold `value`, as the rest of a sentence; None where it may."""
    if value is None or value == "":
        return None
    if field_type in NUMERIC and not _may_be_number(value):
        return f"is {_told(value)}, which is no number"
    if field_type in DATES and not _may_be_date(value):
        return f"is {_told(value)}, which is no date; write it as 2013-01-31, as milliseconds, or as now-1d/d"
    if field_type in BOOLEAN and not (isinstance(value, bool) or value in {"true", "false"}):
        return f"is {_told(value)}; it must be true or false"
    if field_type in IP and not _may_be_address(value):
        return f"is {_told(value)}, which is no IP address"
    return None


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
