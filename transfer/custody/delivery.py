"""What the other network's acknowledgements prove about our own bundles, and when they show a restored database."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from transfer.custody.digests import NOTHING, chain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transfer.custody.acknowledgements import PeerState, Run
    from transfer.custody.state import BundleNumber, OutgoingState, SentBundle


class AlarmCause(StrEnum):
    """How a restored database shows."""

    # It holds numbers, or an epoch, that we never gave: our database was restored.
    AHEAD = "ahead"
    # It no longer holds what it held before: its database was restored.
    BEHIND = "behind"
    # It holds other bytes under one of our numbers: our database was restored, and the number given twice.
    OTHER_DIGEST = "other-digest"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Why exports must stand still until an operator declares a new epoch."""

    cause: AlarmCause
    message: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is proved: the new cumulative number, the numbers held above it, and what was refused, with reasons."""

    cumulative: int
    running_digest: bytes
    above: tuple[tuple[int, int], ...]
    refused: Mapping[int, str]


def counts(state: OutgoingState, carrier: BundleNumber) -> bool:
    """Whether the acknowledgements in `carrier` are newer than those used last, and exports are not stopped."""
    return not state.alarm and carrier > state.last_used


def interpret(
    state: OutgoingState, sent: Mapping[int, SentBundle], peer: PeerState, before: PeerState | None
) -> Delivery | Alarm:
    """Compares the other network's acknowledgements with our own numbers.

    `sent` holds our numbers above `state.cumulative`; `before` is what the other network said last in this epoch. Only
    call this when `counts` says so: an older state is behind by nature. A number that the other network treats as given
    up, while we do not, was given up by a bundle that we no longer know: it shows as AHEAD or OTHER_DIGEST.
    """
    return (
        _ahead(state, peer)
        or _behind(state, peer, before)
        or _other_digest(state, sent, peer)
        or Delivery(
            cumulative=peer.cumulative,
            running_digest=peer.running_digest,
            above=tuple((run.first, run.last) for run in peer.runs if not run.refused_reason),
            refused={run.first: run.refused_reason for run in peer.runs if run.refused_reason},
        )
    )


def _ahead(state: OutgoingState, peer: PeerState) -> Alarm | None:
    if peer.epoch not in {0, state.epoch}:
        cause = AlarmCause.AHEAD if peer.epoch > state.epoch else AlarmCause.BEHIND
        return Alarm(cause, f"The other network acknowledges epoch {peer.epoch}; ours is {state.epoch}.")
    highest = max(peer.cumulative, peer.highest_seen)
    if highest > state.last_sequence:
        return Alarm(
            AlarmCause.AHEAD,
            f"The other network holds our bundle {highest}, but the last one that we know of is {state.last_sequence}: "
            "the database of this network was restored from a backup.",
        )
    return None


def _behind(state: OutgoingState, peer: PeerState, before: PeerState | None) -> Alarm | None:
    lost: int | None = None
    if peer.cumulative < state.cumulative:
        lost = peer.cumulative + 1
    elif before is not None:
        lost = before.highest_seen if peer.highest_seen < before.highest_seen else _missing(peer, before)
    if lost is None:
        return None
    return Alarm(
        AlarmCause.BEHIND,
        f"The other network held our bundle {lost} before and does not know it any more: "
        "its database was restored from a backup.",
    )


def _missing(peer: PeerState, before: PeerState) -> int | None:
    """The lowest number that was listed before and is not now, unless it may only have fallen off a full list."""
    end_of_list = peer.runs[-1].last if peer.full else None
    for run in before.runs:
        number = _first_uncovered(peer, run)
        if number is not None and (end_of_list is None or number < end_of_list):
            return number
    return None


def _first_uncovered(peer: PeerState, listed: Run) -> int | None:
    """The lowest number of `listed` that `peer` does not hold. What was refused may still be refused or settled now."""
    number = max(listed.first, peer.cumulative + 1)
    for run in peer.runs:
        if number > listed.last:
            break
        fits = not run.refused_reason or bool(listed.refused_reason)
        if fits and run.first <= number <= run.last:
            number = run.last + 1
    return number if number <= listed.last else None


def _other_digest(state: OutgoingState, sent: Mapping[int, SentBundle], peer: PeerState) -> Alarm | None:
    if _digest_of(sent, state.cumulative + 1, peer.cumulative, state.running_digest) != peer.running_digest:
        return _other(f"our bundles up to {peer.cumulative}")
    for run in peer.runs:
        if run.refused_reason:
            if _own_digest(sent, run.first) != run.running_digest:
                return _other(f"our bundle {run.first}")
        elif _digest_of(sent, run.first, run.last, NOTHING) != run.running_digest:
            return _other(f"our bundles {run.first} to {run.last}")
    if peer.highest_seen > state.cumulative and _own_digest(sent, peer.highest_seen) != peer.highest_digest:
        return _other(f"our bundle {peer.highest_seen}")
    return None


def _digest_of(sent: Mapping[int, SentBundle], first: int, last: int, start: bytes) -> bytes | None:
    digests = [_own_digest(sent, number) for number in range(first, last + 1)]
    sealed = [digest for digest in digests if digest is not None]
    return chain(sealed, start) if len(sealed) == len(digests) else None


def _own_digest(sent: Mapping[int, SentBundle], number: int) -> bytes | None:
    bundle = sent.get(number)
    return None if bundle is None else bundle.digest


def _other(what: str) -> Alarm:
    return Alarm(
        AlarmCause.OTHER_DIGEST,
        f"The other network holds other bytes than we do for {what}: the database of this network was restored from a "
        "backup, and numbers were given twice.",
    )
