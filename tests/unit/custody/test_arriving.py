"""What becomes of a bundle that arrives, case by case."""

from __future__ import annotations

import pytest

from transfer.custody.arriving import Decision, Verdict, accept_voids, advance, decide, see
from transfer.custody.digests import NOTHING, chain, extend
from transfer.custody.state import BundleNumber, Disposition, HeldBundle, IncomingState
from transfer.errors import MalformedFrameError

ONE, TWO = b"1" * 32, b"2" * 32
EPOCH = 1_000
STATE = IncomingState(epoch=EPOCH, cumulative=4, highest_seen=9, highest_digest=ONE)


def held(disposition: Disposition, digest: bytes = ONE, sequence: int = 7) -> HeldBundle:
    return HeldBundle(sequence, digest, disposition)


@pytest.mark.parametrize(
    ("state", "number", "known", "verdict"),
    [
        (STATE, BundleNumber(EPOCH, 7), None, Verdict.APPLY),
        (STATE, BundleNumber(EPOCH, 70), None, Verdict.APPLY),
        (STATE, BundleNumber(EPOCH, 7), held(Disposition.APPLIED), Verdict.REPEAT),
        (STATE, BundleNumber(EPOCH, 7), held(Disposition.VOIDED), Verdict.ALREADY_VOIDED),
        (STATE, BundleNumber(EPOCH, 7), held(Disposition.REFUSED), Verdict.APPLY),
        (STATE, BundleNumber(EPOCH, 7), held(Disposition.APPLIED, TWO), Verdict.FORK),
        (STATE, BundleNumber(EPOCH, 7), held(Disposition.VOIDED, TWO), Verdict.FORK),
        (STATE, BundleNumber(EPOCH, 7), held(Disposition.REFUSED, TWO), Verdict.FORK),
        (STATE, BundleNumber(EPOCH, 3), None, Verdict.REPEAT),
        (STATE, BundleNumber(EPOCH - 1, 7), None, Verdict.EARLIER_EPOCH),
        (STATE, BundleNumber(EPOCH - 1, 7), held(Disposition.APPLIED), Verdict.REPEAT),
        (STATE, BundleNumber(EPOCH - 1, 7), held(Disposition.APPLIED, TWO), Verdict.EARLIER_EPOCH),
        (STATE, BundleNumber(EPOCH + 1, 1), None, Verdict.LATER_EPOCH),
        (IncomingState(), BundleNumber(EPOCH, 12), None, Verdict.APPLY),
    ],
)
def test_verdict(state: IncomingState, number: BundleNumber, known: HeldBundle | None, verdict: Verdict) -> None:
    assert decide(state, number, ONE, known).verdict is verdict


def test_only_a_network_without_an_epoch_takes_one_unasked() -> None:
    assert decide(IncomingState(), BundleNumber(5, 2), ONE, None) == Decision(Verdict.APPLY, adopts_epoch=True)
    assert not decide(STATE, BundleNumber(EPOCH, 12), ONE, None).adopts_epoch
    assert not decide(STATE, BundleNumber(EPOCH + 1, 12), ONE, None).adopts_epoch


def test_the_cumulative_number_stops_at_a_gap() -> None:
    following = [held(Disposition.APPLIED, bytes([n]) * 32, n) for n in (5, 6, 8)]
    moved = advance(STATE, following)
    assert moved.cumulative == 6
    assert moved.running_digest == chain([b"\x05" * 32, b"\x06" * 32])


def test_the_cumulative_number_counts_voided_and_stops_at_refused_ones() -> None:
    following = [held(Disposition.VOIDED, sequence=5), held(Disposition.REFUSED, sequence=6)]
    assert advance(STATE, following).cumulative == 5


def test_a_lower_number_does_not_change_the_highest_seen() -> None:
    assert see(STATE, 8, TWO) == STATE
    assert see(STATE, 10, TWO).highest_digest == TWO


@pytest.mark.parametrize(
    ("known", "accepted"),
    [
        (None, True),
        (held(Disposition.REFUSED), True),
        (held(Disposition.REFUSED, TWO), False),
        (held(Disposition.APPLIED), False),
        (held(Disposition.APPLIED, TWO), False),
        (held(Disposition.VOIDED), False),
    ],
)
def test_which_given_up_numbers_become_voided(known: HeldBundle | None, accepted: bool) -> None:
    result = accept_voids(STATE, 8, {7: ONE}, {} if known is None else {7: known})
    assert result == ([HeldBundle(7, ONE, Disposition.VOIDED)] if accepted else [])


def test_a_given_up_number_below_the_cumulative_one_is_settled_already() -> None:
    assert accept_voids(STATE, 8, {3: ONE}, {}) == []


@pytest.mark.parametrize("sequence", [8, 9])
def test_a_bundle_cannot_give_up_itself_or_a_later_one(sequence: int) -> None:
    with pytest.raises(MalformedFrameError, match="not before it"):
        accept_voids(STATE, 8, {sequence: ONE}, {})


def test_the_running_digest_starts_from_zeros() -> None:
    assert chain([]) == NOTHING == bytes(32)
    assert chain([ONE, TWO]) == extend(extend(bytes(32), ONE), TWO)
