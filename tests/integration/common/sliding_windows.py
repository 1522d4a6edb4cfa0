"""What sliding windows mean, written down as plainly as can be: every accepted time is kept and counted again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from common.ratelimit.windows import Window

MICROSECONDS = 1_000_000


class SlidingWindows:
    """The reference. Times are whole microseconds and never go back."""

    def __init__(self) -> None:
        self.accepted: list[int] = []

    def used(self, window: Window, now: int) -> int:
        return sum(now - window.seconds * MICROSECONDS < time <= now for time in self.accepted)

    def wait(self, windows: tuple[Window, ...], now: int, cost: int) -> int | None:
        """0 if the call is let in, else the microseconds until it would be; None if never."""
        if any(cost > window.cap for window in windows):
            return None
        # Only when an accepted call leaves a window can anything change.
        moments = {now} | {time + window.seconds * MICROSECONDS for time in self.accepted for window in windows}
        return next(
            moment - now
            for moment in sorted(moments)
            if moment >= now and all(self.used(window, moment) + cost <= window.cap for window in windows)
        )

    def take(self, windows: tuple[Window, ...], now: int, cost: int) -> int | None:
        """The same, and the call is counted if it is let in."""
        wait = self.wait(windows, now, cost)
        if wait == 0:
            self.accepted += [now] * cost
        return wait

    def reset(self, window: Window, now: int) -> int:
        """The microseconds until the window has one more call left than now; 0 where nothing is used."""
        used = self.used(window, now)
        if used == 0:
            return 0
        left = max(0, window.limit - used)
        moments = sorted(time + window.seconds * MICROSECONDS for time in self.accepted)
        return next(
            moment - now
            for moment in moments
            if moment > now and max(0, window.limit - self.used(window, moment)) > left
        )
