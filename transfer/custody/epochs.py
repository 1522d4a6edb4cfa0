"""Numbers of epochs: which one an operator's declaration begins, and which one nobody can have declared. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from transfer.custody.errors import ImplausibleEpochError

if TYPE_CHECKING:
    from datetime import datetime

MAX_AHEAD: Final = timedelta(days=30)


def next_epoch(now: datetime, present: int, highest_seen: int) -> int:
    """The epoch that a declaration begins: the Unix second of now, or the first that is later than all there were.

    `highest_seen` is of any bundle that ever came, whether its epoch was accepted or not; 0 without one.
    """
    return max(int(now.timestamp()), present + 1, highest_seen + 1)


def require_plausible(epoch: int, now: datetime) -> None:
    """Raises ImplausibleEpochError for an epoch that nobody can have declared yet; such a number would end all others.

    An epoch is the Unix second of its declaration; clocks of both networks may differ, but not by so much.
    """
    if epoch > now.timestamp() + MAX_AHEAD.total_seconds():
        msg = f"The bundle's epoch {epoch} is a time that is more than {MAX_AHEAD.days} days ahead."
        raise ImplausibleEpochError(msg)
