"""Rounding of dates to the intervals of a date_histogram: calendar units in a time zone, or a fixed length."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Final

from response_svc.search.embedded.dates import add_units, find_zone, floor_to, from_millis, to_millis
from response_svc.search.embedded.refusals import unsupported

if TYPE_CHECKING:
    from airlock.search.v1.aggregation_pb2 import DateHistogramAggregation

_UNITS: Final = {
    "1m": "minute", "1h": "hour", "1d": "day", "1w": "week", "1M": "month", "1q": "quarter", "1y": "year",
}  # fmt: skip
_MILLISECONDS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True, slots=True)
class Rounding:
    """To which moment a date is rounded down. Of `unit` and `length` one is set; times are in milliseconds."""

    unit: str | None
    length: int
    offset: int
    zone: tzinfo

    @classmethod
    def of(cls, definition: DateHistogramAggregation) -> Rounding:
        """What a date_histogram says."""
        zone = find_zone(definition.time_zone) if definition.HasField("time_zone") else UTC
        offset = _length(definition.offset) if definition.HasField("offset") else 0
        if definition.HasField("calendar_interval"):
            unit = definition.calendar_interval
            return cls(_UNITS.get(unit, unit), 0, offset, zone)
        if not isinstance(zone, timezone):
            raise unsupported("a fixed_interval in a zone whose clocks change")
        return cls(None, _length(definition.fixed_interval), offset, zone)

    def floor(self, millis: int) -> int:
        """The beginning of the interval that holds a moment."""
        if self.unit is not None:
            return to_millis(floor_to(from_millis(millis - self.offset, self.zone), self.unit)) + self.offset
        shift = self.offset - (self.zone.utcoffset(None) or timedelta()) // timedelta(milliseconds=1)
        return (millis - shift) // self.length * self.length + shift

    def next(self, key: int) -> int:
        """The beginning of the interval after one that begins at `key`."""
        if self.unit is None:
            return key + self.length
        start = from_millis(key - self.offset, self.zone)
        following = to_millis(floor_to(add_units(start, 1, self.unit), self.unit)) + self.offset
        # Where clocks go back, a unit later can be the same local hour again.
        return following if following > key else key + 3_600_000


def _length(text: str) -> int:
    found = re.fullmatch(r"([+-]?)(\d+)(ms|s|m|h|d)", text)
    assert found is not None, "the rules of the message allow nothing else"
    length = int(found[2]) * _MILLISECONDS[found[3]]
    return -length if found[1] == "-" else length
