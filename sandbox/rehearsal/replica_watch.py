"""Sees from day to day that no bundle rolls the replica back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(slots=True)
class ReplicaWatch:
    """Sees that nothing rolls the replica back.

    After a restore of either network it may begin anew. So it may with a new epoch: a master that was set back heals
    its replica with it, also of what a late bundle brought in between.
    """

    last: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    rolled_back: list[str] = field(default_factory=list)

    def look(self, states: Sequence[Any]) -> None:
        """The last bundle of each kind that was used."""
        for state in states:
            now, before = (state.epoch, state.sequence, state.revision), self.last.get(state.kind, (0, 0, 0))
            if now[:2] < before[:2] or (now[0] == before[0] and now[2] < before[2]):
                self.rolled_back.append(f"the {state.kind} of the replica went back from {before} to {now}")
            self.last[state.kind] = now

    def forget(self) -> None:
        """A database was set back."""
        self.last.clear()
