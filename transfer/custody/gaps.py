"""Which bundles on their way are missing for certain, and which may only be slow. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from transfer.custody.acknowledgements import PeerState

# Longer than a courier who walks once a day and skips a weekend.
OVERDUE: Final = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class InFlight:
    """A sealed bundle of ours that is not acknowledged."""

    sequence: int
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class Gaps:
    """Numbers, ascending. What the other network refuses has arrived and is in neither."""

    # The other network has seen later numbers and not these.
    proven: tuple[int, ...]
    # It has seen neither these nor later ones, and they were sealed long ago.
    suspected: tuple[int, ...]


def gaps(peer: PeerState | None, in_flight: Sequence[InFlight], now: datetime) -> Gaps:
    """Sorts what is in flight by what the other network said last; None: it has never spoken in this epoch."""
    highest = 0 if peer is None else peer.highest_seen
    arrived = [] if peer is None else [(run.first, run.last) for run in peer.runs]
    proven, suspected = [], []
    for one in in_flight:
        if one.sequence > highest:
            if now - one.sealed_at >= OVERDUE:
                suspected.append(one.sequence)
        elif not any(first <= one.sequence <= last for first, last in arrived):
            proven.append(one.sequence)
    return Gaps(tuple(proven), tuple(suspected))
