"""Which bundles on their way are missing for certain, and which may only be slow. Pure."""

from __future__ import annotations

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
    # It has seen neither these nor later ones, and they were sealed long ago.
    suspected: tuple[int, ...]


def gaps(peer: PeerState | None, in_flight: Iterable[int], overdue: Iterable[int]) -> Gaps:
    """Sorts what is in flight by what the other network said last; None: it has never spoken in this epoch.

    `overdue` are those of `in_flight` that were sealed OVERDUE or longer ago.
    """
    highest = 0 if peer is None else peer.highest_seen
    arrived = [] if peer is None else [(run.first, run.last) for run in peer.runs]
    proven = [
        number
        for number in in_flight
        if number <= highest and not any(first <= number <= last for first, last in arrived)
    ]
    return Gaps(tuple(sorted(proven)), tuple(sorted(number for number in overdue if number > highest)))
