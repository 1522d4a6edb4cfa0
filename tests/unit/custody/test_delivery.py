"""What acknowledgements prove about our own numbers, and how a restored database shows in them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from transfer.custody.acknowledgements import MAX_RUNS, PeerState, Run
from transfer.custody.delivery import Alarm, AlarmCause, Delivery, counts, interpret
from transfer.custody.digests import NOTHING, chain
from transfer.custody.state import BundleNumber, Disposition, OutgoingState, SentBundle

EPOCH = 500
OTHER = b"x" * 32


def digest(sequence: int) -> bytes:
    return sequence.to_bytes(32, "big")


def running(first: int, last: int) -> bytes:
    return chain(digest(n) for n in range(first, last + 1))


def applied(first: int, last: int) -> Run:
    return Run(first, last, running(first, last))


def refused(sequence: int, digest_held: bytes | None = None) -> Run:
    return Run(sequence, sequence, digest_held or digest(sequence), "wrong-key")


# Numbers 1 and 2 are known to be held; 3 to 12 are in flight, and 13 is claimed.
STATE = OutgoingState(EPOCH, 13, 2, running(1, 2), BundleNumber(EPOCH, 40))
SENT = {n: SentBundle(n, digest(n), Disposition.SEALED) for n in range(3, 13)} | {
    13: SentBundle(13, None, Disposition.CLAIMED)
}


def peer(cumulative: int, *runs: Run, highest: int | None = None, epoch: int = EPOCH) -> PeerState:
    highest = highest if highest is not None else max([cumulative, *(run.last for run in runs)])
    return PeerState(epoch, cumulative, running(1, cumulative), runs, highest, digest(highest) if highest else b"")


BEFORE = peer(2, applied(5, 6), refused(8))


def test_what_is_held_above_and_below_the_cumulative_number_is_delivered() -> None:
    proved = interpret(STATE, SENT, peer(4, applied(6, 7), refused(9), applied(11, 11)), peer(2))
    assert proved == Delivery(4, running(1, 4), ((6, 7), (11, 11)), {9: "wrong-key"})


def test_nothing_new_proves_nothing_new() -> None:
    assert interpret(STATE, SENT, peer(2), peer(2)) == Delivery(2, running(1, 2), (), {})


def test_a_refused_number_may_be_settled_later() -> None:
    assert isinstance(interpret(STATE, SENT, peer(2, applied(5, 6), applied(8, 8)), BEFORE), Delivery)
    assert isinstance(interpret(STATE, SENT, peer(8), BEFORE), Delivery)


@pytest.mark.parametrize(
    ("said", "before", "cause"),
    [
        pytest.param(peer(14), peer(2), AlarmCause.AHEAD, id="cumulative beyond our last number"),
        pytest.param(peer(2, highest=14), peer(2), AlarmCause.AHEAD, id="seen beyond our last number"),
        pytest.param(peer(2, applied(12, 14)), peer(2), AlarmCause.AHEAD, id="a run beyond our last number"),
        pytest.param(peer(2, epoch=EPOCH + 1), peer(2), AlarmCause.AHEAD, id="a later epoch"),
        pytest.param(peer(2, epoch=EPOCH - 1), peer(2), AlarmCause.BEHIND, id="an earlier epoch"),
        pytest.param(peer(1), None, AlarmCause.BEHIND, id="a lower cumulative number"),
        pytest.param(peer(0, epoch=0), peer(2), AlarmCause.BEHIND, id="nothing was ever seen"),
        pytest.param(peer(2, refused(8)), BEFORE, AlarmCause.BEHIND, id="an applied run is gone"),
        pytest.param(peer(2, applied(5, 5), refused(8)), BEFORE, AlarmCause.BEHIND, id="an applied run is shorter"),
        pytest.param(peer(2, applied(5, 6), highest=8), BEFORE, AlarmCause.BEHIND, id="a refused number is gone"),
        pytest.param(
            peer(2, refused(5), applied(6, 6), refused(8)), BEFORE, AlarmCause.BEHIND, id="applied became refused"
        ),
        pytest.param(peer(6), BEFORE, AlarmCause.BEHIND, id="the highest seen is lower"),
        pytest.param(replace(peer(4), running_digest=OTHER), peer(2), AlarmCause.OTHER_DIGEST, id="other bytes below"),
        pytest.param(
            replace(peer(2), running_digest=OTHER), peer(2), AlarmCause.OTHER_DIGEST, id="other bytes that were settled"
        ),
        pytest.param(peer(2, Run(5, 6, OTHER)), peer(2), AlarmCause.OTHER_DIGEST, id="other bytes in a run"),
        pytest.param(peer(2, refused(8, OTHER)), peer(2), AlarmCause.OTHER_DIGEST, id="other bytes refused"),
        pytest.param(
            replace(peer(2, highest=9), highest_digest=OTHER), peer(2), AlarmCause.OTHER_DIGEST, id="other bytes seen"
        ),
        pytest.param(peer(13), peer(2), AlarmCause.OTHER_DIGEST, id="a number whose file was never sealed"),
    ],
)
def test_a_restored_database_raises_an_alarm(said: PeerState, before: PeerState | None, cause: AlarmCause) -> None:
    proved = interpret(STATE, SENT, said, before)
    assert isinstance(proved, Alarm)
    assert proved.cause is cause


def test_what_falls_off_a_full_list_is_not_behind() -> None:
    far = {n: SentBundle(n, digest(n), Disposition.SEALED) for n in range(3, 3000)}
    state = replace(STATE, last_sequence=2999)
    full = [applied(n, n) for n in range(4, 4 + 2 * MAX_RUNS, 2)]
    before = peer(2, *full)
    # A lower number has arrived out of order and pushes the last one off the list.
    now = peer(2, applied(4, 4), *(refused(5),), *full[1:-1], highest=before.highest_seen)
    assert len(now.runs) == MAX_RUNS
    assert isinstance(interpret(state, far, now, before), Delivery)
    lost_in_the_middle = peer(2, *full[:500], *full[501:], applied(2500, 2500))
    assert isinstance(interpret(state, far, lost_in_the_middle, before), Alarm)


def test_a_list_that_is_not_full_may_lose_nothing() -> None:
    before = peer(2, applied(5, 6), applied(9, 9))
    assert isinstance(interpret(STATE, SENT, peer(2, applied(5, 6), highest=9), before), Alarm)


@pytest.mark.parametrize(
    ("carrier", "alarm", "expected"),
    [
        (BundleNumber(EPOCH, 41), "", True),
        (BundleNumber(EPOCH, 40), "", False),
        (BundleNumber(EPOCH, 39), "", False),
        (BundleNumber(EPOCH + 1, 1), "", True),
        (BundleNumber(EPOCH - 1, 99), "", False),
        (BundleNumber(EPOCH, 41), "restored", False),
    ],
)
def test_only_a_newer_bundle_speaks_and_none_while_an_alarm_stands(
    carrier: BundleNumber,
    alarm: str,
    expected: bool,
) -> None:
    assert counts(replace(STATE, alarm=alarm), carrier) is expected


def test_a_number_that_was_given_up_unknown_to_us_shows_as_ahead() -> None:
    """Our database was restored to before we gave up 5; bundle 14, which told so, is held by the other network."""
    assert isinstance(interpret(STATE, SENT, peer(6, highest=14), peer(2)), Alarm)
    assert running(1, 0) == NOTHING
