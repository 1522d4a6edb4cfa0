"""Whether a time zone is one that an engine can know, so that a typing error costs no trip."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Final
from zoneinfo import available_timezones

from common.search.violations import nearest_name, shown

_OFFSET: Final = re.compile(r"(UTC|GMT|UT)?[+-](\d{1,2})(:?([0-5]\d)(:?[0-5]\d)?)?", re.ASCII)
_UTC: Final = frozenset({"Z", "UTC", "GMT", "UT"})
_LARGEST_HOURS: Final = 18


@lru_cache(maxsize=1024)
def time_zone_defect(name: str) -> str | None:
    """What is wrong with the name of a zone or an offset, as the rest of a sentence; None where it may be right."""
    offset = _OFFSET.fullmatch(name)
    if offset is not None:
        minutes = int(offset[2]) * 60 + int(offset[4] or 0)
        return None if minutes <= _LARGEST_HOURS * 60 else f"is {name}; no offset is beyond 18 hours"
    known = _zones()
    if name in _UTC or not known or name in known:
        return None
    near = nearest_name(name, known)
    meant = f"did you mean {near}?" if near else "write an offset such as +03:30, or a zone such as Asia/Tehran"
    return f"is {shown(name)}, which is no time zone; {meant}"


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
