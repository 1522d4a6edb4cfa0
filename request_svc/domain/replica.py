"""Which replication bundle may replace what is here, and whether the replica still equals its master."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """The last bundle of one replicated kind that was used: its place in the stream and what it said of its table."""

    epoch: int
    sequence: int
    revision: int
    row_count: int
    table_digest: bytes
    in_step: bool


def is_newer(last: ReplicaState | None, epoch: int, sequence: int) -> bool:
    """Whether the bundle with this place is used; an older one, or the same again, is acknowledged and ignored."""
    return last is None or (epoch, sequence) > (last.epoch, last.sequence)
