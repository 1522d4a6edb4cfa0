"""The rules of sliding windows as values: what is counted, what a decision says, and which window is the tightest.

Nothing here counts: `limiter` does it in Redis, and `local_bucket` in the process.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400
MICROSECONDS: Final = 1_000_000

MOST_ENTRIES: Final = 100_000
"""Of one list in Redis, where calls share entries."""
EXACT_UP_TO: Final = 120_000
"""Up to this many calls each has an entry and a time of its own: 100,000 a day, and a fifth more where that is soft."""

_NAMES: Final = {MINUTE: "minute", HOUR: "hour", DAY: "day"}


class Outcome(StrEnum):
    """How a call fared, as metrics count it."""

    ALLOWED = "allowed"
    WARNED = "warned"
    SOFT = "soft"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Window:
    """So many calls in so many seconds. A soft one has a `soft_percent` above 100 and lets so much through."""

    seconds: int
    limit: int
    soft_percent: int = 100
    warning_percent: int = 80

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ValueError("a limit is 1 call at least; who may not call at all is deactivated")

    @property
    def name(self) -> str:
        """`minute`, `hour` or `day`."""
        return _NAMES.get(self.seconds, f"window of {self.seconds} s")

    @property
    def period(self) -> str:
        """The same in a sentence: in `a minute`, in `an hour`."""
        return f"{'an' if self.seconds == HOUR else 'a'} {self.name}"

    @property
    def cap(self) -> int:
        """How many calls are let through: the limit, or what a soft one allows beyond it."""
        return self.limit * self.soft_percent // 100


def entry_microseconds(windows: tuple[Window, ...]) -> int:
    """How far apart two calls must be to be counted at their own times; 0 as long as all limits are exact.

    Calls that share an entry leave the window with the last of them: the error is on the safe side.
    """
    longest = max(windows, key=lambda window: window.seconds)
    if longest.cap <= EXACT_UP_TO:
        return 0
    return math.ceil(longest.seconds * MICROSECONDS / MOST_ENTRIES)


@dataclass(frozen=True, slots=True)
class Use:
    """How one window stands after the decision."""

    window: Window
    used: int
    reset_after: float
    """Seconds until `remaining` grows by itself; 0 where nothing is used."""

    @property
    def remaining(self) -> int:
        """How many calls the window still has below its limit."""
        return max(0, self.window.limit - self.used)

    @property
    def is_nearly_full(self) -> bool:
        """Whether so much is used that the caller is warned."""
        return self.used * 100 >= self.window.limit * self.window.warning_percent


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the call may go on, and what its caller should know."""

    accepted: bool
    cost: int
    uses: tuple[Use, ...]
    retry_after: float | None = None
    """Seconds after which the same call is let in if nothing else comes; None if accepted, or too big for ever."""
    local: bool = False
    """Redis was away, and this process decided by itself."""

    @property
    def tightest(self) -> Use:
        """The window that refused the call, or has the fewest left; of several, the one that gives some back last."""
        refusing = [] if self.accepted else [use for use in self.uses if use.used + self.cost > use.window.cap]
        return min(refusing or self.uses, key=lambda use: (use.remaining, -use.reset_after))

    @property
    def fullest(self) -> Use:
        """The window of which the greatest part is used; a warning speaks of it."""
        return max(self.uses, key=lambda use: (use.used / use.window.limit, use.window.seconds))

    @property
    def outcome(self) -> Outcome:
        """For metrics."""
        if not self.accepted:
            return Outcome.REFUSED
        if any(use.used > use.window.limit for use in self.uses):
            return Outcome.SOFT
        return Outcome.WARNED if self.fullest.is_nearly_full else Outcome.ALLOWED


def whole_seconds(seconds: float) -> int:
    """Rounded up, so that a caller who waits so long has waited long enough."""
    return math.ceil(seconds)
