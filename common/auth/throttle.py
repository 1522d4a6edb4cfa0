"""How often a password may be tried, for one name and from one address: free attempts, then a delay that doubles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class ThrottleRules:
    """The limits as the administrator has set them."""

    free_attempts_per_name: int
    free_attempts_per_address: int
    first_delay: timedelta
    longest_delay: timedelta
    window: timedelta


@dataclass(frozen=True, slots=True)
class Count:
    """The attempts of one name or address since its window began."""

    attempts: int
    window_started_at: datetime
    blocked_until: datetime | None = None

    def wait(self, at: datetime, rules: ThrottleRules) -> timedelta:
        """How long the next attempt has to wait; zero when it need not."""
        # A window that begins far ahead was counted by a clock that was set back since.
        if self.blocked_until is None or at < self.window_started_at - rules.window:
            return timedelta(0)
        return max(self.blocked_until - at, timedelta(0))

    def is_over(self, at: datetime, rules: ThrottleRules) -> bool:
        """Whether the window has ended, so that the next attempt is the first of another one."""
        return abs(at - self.window_started_at) >= rules.window


def with_attempt(before: Count | None, at: datetime, *, free: int, rules: ThrottleRules) -> Count:
    """The count with one more attempt, which may be made at `at`, and until when the next one is blocked."""
    if before is None or before.is_over(at, rules):
        before = Count(0, at)
    attempts = before.attempts + 1
    return Count(attempts, before.window_started_at, _blocked_until(attempts, at, free, rules))


def without_attempt(before: Count, *, free: int) -> Count:
    """The count without an attempt that turned out to be honest. What was guessed before it stays counted."""
    attempts = max(before.attempts - 1, 0)
    return replace(before, attempts=attempts, blocked_until=before.blocked_until if attempts >= free else None)


def expires_at(count: Count, rules: ThrottleRules) -> datetime:
    """When the count says nothing any more."""
    window_ends_at = count.window_started_at + rules.window
    return max(window_ends_at, count.blocked_until or window_ends_at)


def _blocked_until(attempts: int, at: datetime, free: int, rules: ThrottleRules) -> datetime | None:
    beyond = attempts - free
    if beyond < 0:
        return None
    # The longest delay is reached long before the exponent is; without its bound the product would overflow.
    doubled: timedelta = rules.first_delay * 2 ** min(beyond, 32)
    return at + min(doubled, rules.longest_delay)
