"""What a broken rule of a proto is called by, for whoever wrote the search and never saw a proto."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_LENGTH: Final = "a whole number with ms, s, m, h or d behind it"
_FORMS: Final[Mapping[str, str]] = {
    "aggs": "must have a name of 1 to 128 characters without [, ] and >",
    "calendar_interval": "must be one unit, such as day or month; for several write a fixed_interval, such as 2d",
    "fixed_interval": f"must be {_LENGTH}, such as 90m; months, quarters and years are a calendar_interval",
    "fuzziness": "must be AUTO, AUTO:low,high such as AUTO:3,6, or 0, 1 or 2",
    "minimum_should_match": "must be such as 2, -1, 75% or -25%, or by the number of clauses 2<-25% 9<-3",
    "offset": f"must be {_LENGTH}, such as +3h or -30m",
}
"""What fields that have a pattern take, by their names."""
_RULES: Final[Mapping[str, str]] = {
    "map.min_pairs": "is empty; name at least one",
    "repeated.min_items": "is missing or empty; name at least one",
    "required": "is missing",
    "string.min_len": "is missing or empty",
}


def broken_rule(field: str, rule: str, message: str) -> str:
    """The rest of a sentence that the path of `field` begins. `message` is what the library says of the rule."""
    if rule == "string.pattern" and field in _FORMS:
        return _FORMS[field]
    if rule == "double.gt" and field == "interval":
        return "must be given, and be above 0"
    return _RULES.get(rule) or (message if message.startswith("must ") else f"breaks its rule: {message or rule}")
