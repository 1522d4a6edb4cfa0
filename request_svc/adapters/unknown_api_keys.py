"""Texts that look like API keys and are none: remembered for a while, and bounded, so that a flood asks no database."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from common.errors import RateLimitedError, TokenInvalidError

if TYPE_CHECKING:
    from collections.abc import Callable

REMEMBERED: Final = 4096
REMEMBERED_FOR: Final = timedelta(seconds=30)
BURST: Final = 500
"""How many look-ups may be under way or have found nothing at once …"""
A_SECOND: Final = 50
"""… and how many more may find nothing each second after that."""


class UnknownApiKeys:
    """One process's bound. A look-up that finds a key counts only while it is under way."""

    def __init__(self, clock: Callable[[], datetime], burst: int = BURST) -> None:
        self._clock = clock
        self._burst = float(burst)
        self._until: OrderedDict[bytes, datetime] = OrderedDict()
        self._left = self._burst
        self._counted_at = clock()

    def begin(self, key_hash: bytes) -> None:
        """Before a look-up. Raises TokenInvalidError for a key that is not there, RateLimitedError beyond the bound."""
        now = self._clock()
        until = self._until.get(key_hash)
        if until is not None and until > now:
            raise unknown_key()
        passed = max(0.0, (now - self._counted_at).total_seconds())
        self._left, self._counted_at = min(self._burst, self._left + passed * A_SECOND), now
        if self._left < 1:
            raise RateLimitedError(
                "Too many unknown API keys are tried, so that new ones wait; try again in a moment.",
                retry_after_seconds=1,
            )
        self._left -= 1

    def found(self) -> None:
        """The look-up that began found a key, or could not be made."""
        self._left = min(self._burst, self._left + 1)

    def not_found(self, key_hash: bytes) -> None:
        """The look-up that began found nothing."""
        self._until[key_hash] = self._clock() + REMEMBERED_FOR
        self._until.move_to_end(key_hash)
        if len(self._until) > REMEMBERED:
            self._until.popitem(last=False)


def unknown_key() -> TokenInvalidError:
    """The refusal of a key that is not there."""
    return TokenInvalidError(
        "There is no such API key on this network, or it ended more than a year ago; make a new one."
    )
