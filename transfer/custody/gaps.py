"""Which bundles on their way are missing for certain, and which may only be slow. Pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transfer.custody.acknowledgements import PeerState

# Longer than a courier who walks once a day and skips a weekend.
OVERDUE: Final = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Gaps:
    """Numbers, ascending. What the other network refuses has arrived and is in neither."""

    # The other network has seen later numbers and not these.
    proven: tuple[int, ...]
    # It has said nothing of these, and they were sealed long ago.
    suspected: tuple[int, ...]


def gaps(peer: PeerState | None, in_flight: Iterable[int], overdue: Iterable[int]) -> Gaps:
    """Sorts what is in flight by what the other network said last; None: it has never spoken in this epoch.

    `overdue` are those of `in_flight` that were sealed OVERDUE or longer ago.
    """
    told = _told_up_to(peer)
    if isinstance(in_flight, range):
        # Of thousands that nothing was said of none needs to be looked at.
        in_flight = range(in_flight.start, min(in_flight.stop, told + 1), in_flight.step)
    runs = () if peer is None else peer.runs
    firsts = [run.first for run in runs]

    def has_arrived(number: int) -> bool:
        place = bisect_right(firsts, number) - 1
        return place >= 0 and number <= runs[place].last

    proven = [number for number in in_flight if number <= told and not has_arrived(number)]
    return Gaps(tuple(sorted(proven)), tuple(sorted(number for number in overdue if number > told)))


def _told_up_to(peer: PeerState | None) -> int:
    """Up to this number the other network said of each whether it has it. A full list tells nothing of what follows."""
    if peer is None:
        return 0
    return peer.runs[-1].last if peer.full else peer.highest_seen
