"""What to do with a bundle that arrives, and how the incoming stream moves on by it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from transfer.custody.digests import extend
from transfer.custody.state import BundleNumber, Disposition, HeldBundle, IncomingState
from transfer.errors import MalformedFrameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Verdict(Enum):
    """What becomes of an arriving bundle."""

    # Its records are to be applied.
    APPLY = auto()
    # It was applied before: a success, and nothing to do.
    REPEAT = auto()
    # Its sender gave it up before it came: a success, and nothing to do.
    ALREADY_VOIDED = auto()
    # Its number is taken by other bytes: one of the two networks' databases was restored.
    FORK = auto()
    # Of an epoch that has ended: its sender sends its rows again in the present one.
    EARLIER_EPOCH = auto()
    # Of an epoch that an operator here has not accepted yet.
    LATER_EPOCH = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, and whether this network takes its first epoch from this bundle."""

    verdict: Verdict
    adopts_epoch: bool = False


def decide(state: IncomingState, number: BundleNumber, digest: bytes, known: HeldBundle | None) -> Decision:
    """Judges an arriving bundle; `known` is what is remembered of exactly this epoch and sequence, in any epoch.

    A refused bundle that comes again is tried again: a key or a release may have arrived meanwhile.
    """
    if known is not None and known.digest == digest and known.disposition is not Disposition.REFUSED:
        return Decision(Verdict.REPEAT if known.disposition is Disposition.APPLIED else Verdict.ALREADY_VOIDED)
    if state.epoch == 0:
        return Decision(Verdict.APPLY, adopts_epoch=True)
    if number.epoch < state.epoch:
        return Decision(Verdict.EARLIER_EPOCH)
    if number.epoch > state.epoch:
        return Decision(Verdict.LATER_EPOCH)
    if known is not None:
        return Decision(Verdict.APPLY if known.digest == digest else Verdict.FORK)
    # A settled number that is no longer remembered one by one was cleaned up long after it was acknowledged.
    return Decision(Verdict.REPEAT if number.sequence <= state.cumulative else Verdict.APPLY)


def see(state: IncomingState, sequence: int, digest: bytes) -> IncomingState:
    """Notes that a number was seen, whether it was applied or refused."""
    if sequence <= state.highest_seen:
        return state
    return replace(state, highest_seen=sequence, highest_digest=digest)


def advance(state: IncomingState, following: Iterable[HeldBundle]) -> IncomingState:
    """Moves the cumulative number on over `following`, the numbers above it, up to the first gap or refusal."""
    cumulative, running = state.cumulative, state.running_digest
    for held in following:
        if held.sequence != cumulative + 1 or not held.settled:
            break
        cumulative, running = held.sequence, extend(running, held.digest)
    return replace(state, cumulative=cumulative, running_digest=running)


def accept_voids(
    state: IncomingState, carrier: int, voided: Mapping[int, bytes], known: Mapping[int, HeldBundle]
) -> list[HeldBundle]:
    """The numbers that become VOIDED because the bundle with the number `carrier` says that their sender gave them up.

    `known` is what is remembered of the numbers in `voided`. What was applied stays applied: its rows come again and
    are known then. A number that is remembered with another digest keeps it, so that the next acknowledgements show
    the sender that its database was restored. Raises MalformedFrameError if a bundle gives up itself or a later number.
    """
    accepted = []
    for sequence, digest in voided.items():
        if sequence >= carrier:
            msg = f"Bundle {carrier} says that bundle {sequence}, which is not before it, was given up."
            raise MalformedFrameError(msg)
        held = known.get(sequence)
        forgotten = held is None and sequence <= state.cumulative
        refused = held is not None and held.disposition is Disposition.REFUSED and held.digest == digest
        if (held is None and not forgotten) or refused:
            accepted.append(HeldBundle(sequence, digest, Disposition.VOIDED))
    return accepted
