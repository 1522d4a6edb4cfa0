"""Dates as Elasticsearch reads and writes them: formats, date math, time zones and rounding, in whole milliseconds."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from response_svc.search.embedded.refusals import refused, unsupported

if TYPE_CHECKING:
    from response_svc.search.embedded.loose import JsonValue

DEFAULT_FORMAT: Final = "strict_date_optional_time||epoch_millis"
UTC_ZONE: Final = UTC
_LARGEST_OFFSET: Final = timedelta(hours=18)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

_ISO: Final = re.compile(
    r"(?P<yyyy>\d{4})(?:-(?P<MM>\d{2})(?:-(?P<dd>\d{2})(?:T(?:(?P<HH>\d{2})(?::(?P<mm>\d{2})(?::(?P<ss>\d{2})"
    r"(?:[.,](?P<fraction>\d{1,9}))?)?)?(?P<zone>Z|[+-]\d{2}(?::?\d{2})?)?)?)?)?)?",
    re.ASCII,
)
_PATTERN_PARTS: Final = re.compile(r"'[^']*'|yyyy|uuuu|MM|dd|HH|mm|ss|SSS|[A-Za-z]+|[^A-Za-z']")
_DIGITS: Final = {"yyyy": 4, "uuuu": 4, "MM": 2, "dd": 2, "HH": 2, "mm": 2, "ss": 2, "SSS": 3}
_STEP: Final = re.compile(r"(?P<sign>[+-])(?P<count>\d{0,9})(?P<unit>[yMwdhHms])|/(?P<round>[yMwdhHms])", re.ASCII)
_CALENDAR: Final = {
    "y": "year", "M": "month", "w": "week", "d": "day", "h": "hour", "H": "hour", "m": "minute", "s": "second",
    "q": "quarter",
}  # fmt: skip
_SECONDS: Final = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


def find_zone(name: str) -> tzinfo:
    """A zone such as `Asia/Tehran`, `Z`, or an offset such as `+03:30`."""
    offset = re.fullmatch(r"([+-])(\d{1,2}):?([0-5]\d)?", name, re.ASCII)
    if offset:
        delta = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
        if delta > _LARGEST_OFFSET:
            raise refused(f"Zone offset not in valid range: -18:00 to +18:00: {name}")
        return timezone(-delta if offset[1] == "-" else delta)
    if name in {"Z", "UTC", "GMT"}:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise refused(f"unknown time zone {name}") from None


def to_millis(moment: datetime) -> int:
    """Milliseconds since 1970, rounded down."""
    return (moment - _EPOCH) // _MILLISECOND


def from_millis(millis: int, zone: tzinfo = UTC) -> datetime:
    """The moment in a zone; years beyond 1 to 9999 are refused by name."""
    try:
        return (_EPOCH + timedelta(milliseconds=millis)).astimezone(zone)
    except OverflowError:
        raise unsupported(f"a date beyond the years 1 to 9999 ({millis})") from None


def floor_to(moment: datetime, unit: str) -> datetime:
    """The beginning of the calendar unit in the moment's own zone."""
    if unit in {"second", "minute", "hour"}:
        # In local time, but on the same offset: an hour that occurs twice is two hours.
        seconds = _SECONDS[unit]
        millis = to_millis(moment)
        local = millis + _shift(moment)
        floor = from_millis(millis - local % (seconds * 1000), moment.tzinfo or UTC)
        if _shift(floor) == _shift(moment):
            return floor
        # The clocks were changed in between, and not by a whole unit: the unit began before that.
        return floor_to(from_millis(_change(floor, moment) - 1, moment.tzinfo or UTC), unit)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "month":
        return day.replace(day=1)
    if unit == "quarter":
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    return day.replace(month=1, day=1) if unit == "year" else day


def _shift(moment: datetime) -> int:
    """How far local time is ahead, in milliseconds."""
    return (moment.utcoffset() or timedelta()) // _MILLISECOND


def _change(before: datetime, after: datetime) -> int:
    """The millisecond between the two moments at which the clocks were changed to those of the later one."""
    low, high = to_millis(before), to_millis(after)
    while high - low > 1:
        middle = (low + high) // 2
        if _shift(from_millis(middle, after.tzinfo or UTC)) == _shift(after):
            high = middle
        else:
            low = middle
    return high


def add_units(moment: datetime, count: int, unit: str) -> datetime:
    """The moment that many calendar units later; a day that a month does not have becomes its last."""
    try:
        months = count * {"year": 12, "quarter": 3, "month": 1}.get(unit, 0)
        if months:
            total = moment.year * 12 + moment.month - 1 + months
            first = moment.replace(year=total // 12, month=total % 12 + 1, day=1)
            last = (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
            return first.replace(day=min(moment.day, last.day))
        if unit in {"week", "day"}:
            return moment + timedelta(seconds=count * _SECONDS[unit])
        return (moment.astimezone(UTC) + timedelta(seconds=count * _SECONDS.get(unit, 0))).astimezone(moment.tzinfo)
    except (OverflowError, ValueError):
        raise unsupported("a date beyond the years 1 to 9999") from None


@dataclass(frozen=True, slots=True)
class DateParser:
    """Reads dates in any of the formats of `first||second`, and date math around them."""

    format: str
    zone: tzinfo
    now_millis: int = 0

    def of_numbers(self) -> DateParser:
        """The parser for a date that is given as a number: milliseconds, unless a format was named for it."""
        return replace(self, format="epoch_millis") if self.format == DEFAULT_FORMAT else self

    def document_value(self, value: JsonValue) -> int:
        """A document's date; raises ValueError for one that no format reads."""
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        millis = self._parse(text, round_up=False) if isinstance(text, str) else None
        if millis is None:
            raise ValueError(f"{value!r} is no date of the format {self.format}")
        return millis

    def bound(self, text: str, *, round_up: bool) -> int:
        """A date in a query, date math included. `round_up` takes the end of what is not said, as `lte` and `gt` do."""
        if text.startswith("now"):
            return self._math(from_millis(self.now_millis, self.zone), text[3:], text, round_up=round_up)
        anchor, separator, math = text.partition("||")
        millis = self._parse(anchor, round_up=round_up and not separator)
        if millis is None:
            raise refused(f"failed to parse date field [{text}] with format [{self.format}]")
        return self._math(from_millis(millis, self.zone), math, text, round_up=round_up) if separator else millis

    def _parse(self, text: str, *, round_up: bool) -> int | None:
        for name in self.format.split("||"):
            millis = _parse_one(name, text, self.zone, round_up=round_up)
            if millis is not None:
                return millis
        return None

    def _math(self, moment: datetime, math: str, text: str, *, round_up: bool) -> int:
        position = 0
        while position < len(math):
            step = _STEP.match(math, position)
            if step is None:
                raise refused(f"operator not supported for date math [{text}]")
            position = step.end()
            if step["round"]:
                unit = _CALENDAR[step["round"]]
                moment = floor_to(moment, unit)
                if round_up:
                    moment = add_units(moment, 1, unit) - _MILLISECOND
            else:
                count = int(step["count"] or 1)
                moment = add_units(moment, -count if step["sign"] == "-" else count, _CALENDAR[step["unit"]])
        return to_millis(moment)


def _parse_one(name: str, text: str, zone: tzinfo, *, round_up: bool) -> int | None:
    if name in {"epoch_millis", "epoch_second"}:
        if re.fullmatch(r"-?\d+\.\d+", text, re.ASCII):
            raise unsupported("a date that is a number with a fraction")
        if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
            return None
        return int(text) * (1000 if name == "epoch_second" else 1)
    found = _pattern(name).fullmatch(text)
    return _moment(found.groupdict(), zone, round_up=round_up) if found else None


def _moment(parts: dict[str, str | None], zone: tzinfo, *, round_up: bool) -> int | None:
    """Month and day that are not said are the first; hours and below are the first or, rounding up, the last."""
    fraction = (parts.get("fraction") or parts.get("SSS") or ("999" if round_up else "0")).ljust(3, "0")[:3]
    end = {"HH": 23, "mm": 59, "ss": 59} if round_up else {}
    month, day, hour, minute, second = (
        int(parts.get(part) or end.get(part, 1 if part in {"MM", "dd"} else 0))
        for part in ("MM", "dd", "HH", "mm", "ss")
    )
    own = parts.get("zone")
    try:
        moment = datetime(
            int(parts.get("yyyy") or parts.get("uuuu") or 1970),
            month,
            day,
            hour,
            minute,
            second,
            int(fraction) * 1000,
            tzinfo=find_zone(own) if own else zone,
        )
        return to_millis(moment)
    except (ValueError, OverflowError):
        return None


@lru_cache(256)
def _pattern(name: str) -> re.Pattern[str]:
    """A format as a regular expression; letters that have no meaning here are refused by name."""
    if name == "strict_date_optional_time":
        return _ISO
    parts = _PATTERN_PARTS.findall(name)
    letters = [part for part in parts if part in _DIGITS]
    # A quote inside quotes, one without its other, and a part that stands twice have meanings of their own in Java.
    if "".join(parts) != name or "''" in name or len(letters) != len(set(letters)):
        raise unsupported(f"the date format {name}")
    expression = ""
    for part in parts:
        if part in _DIGITS:
            expression += rf"(?P<{part}>\d{{{_DIGITS[part]}}})"
        elif part[0].isalpha():
            raise unsupported(f"the date format {name}")
        else:
            expression += re.escape(part.strip("'") if part[0] == "'" else part)
    return re.compile(expression, re.ASCII)


def format_millis(millis: int, name: str = DEFAULT_FORMAT, zone: tzinfo = UTC) -> str:
    """A date in the first of the formats."""
    moment = from_millis(millis, zone)
    first = name.split("||", maxsplit=1)[0]
    if first == "epoch_millis":
        return str(millis)
    if first == "epoch_second":
        seconds, part = divmod(abs(millis), 1000)
        fraction = f".{part:03}".rstrip("0") if part else ""
        return f"{'-' if millis < 0 else ''}{seconds}{fraction}"
    if first == "strict_date_optional_time":
        return _render(moment, "yyyy-MM-dd'T'HH:mm:ss.SSS") + _offset(moment)
    return _render(moment, first)


def _render(moment: datetime, pattern: str) -> str:
    _pattern(pattern)
    values = {
        "yyyy": f"{moment.year:04}", "uuuu": f"{moment.year:04}", "MM": f"{moment.month:02}", "dd": f"{moment.day:02}",
        "HH": f"{moment.hour:02}", "mm": f"{moment.minute:02}", "ss": f"{moment.second:02}",
        "SSS": f"{moment.microsecond // 1000:03}",
    }  # fmt: skip
    return "".join(values.get(part, part.strip("'")) for part in _PATTERN_PARTS.findall(pattern))


def _offset(moment: datetime) -> str:
    minutes = int((moment.utcoffset() or timedelta()) / timedelta(minutes=1))
    if not minutes:
        return "Z"
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
