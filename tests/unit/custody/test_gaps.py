"""Missing for certain, or perhaps only slow."""

from __future__ import annotations

from transfer.custody.acknowledgements import MAX_RUNS, PeerState, Run
from transfer.custody.gaps import Gaps, gaps

DIGEST = bytes(32)


def said(cumulative: int, highest: int, *runs: tuple[int, int, str]) -> PeerState:
    entries = tuple(Run(first, last, DIGEST, reason) for first, last, reason in runs)
    return PeerState(7, cumulative, DIGEST, entries, highest, DIGEST)


def test_a_number_below_one_that_was_seen_is_missing_for_certain() -> None:
    assert gaps(said(3, 9, (6, 7, ""), (9, 9, "")), [4, 5, 8, 10], []) == Gaps((4, 5, 8), ())


def test_what_is_refused_has_arrived() -> None:
    assert gaps(said(3, 5, (5, 5, "wrong-key")), [4, 5, 6], []) == Gaps((4,), ())


def test_a_full_list_tells_nothing_of_what_follows_it() -> None:
    listed = [(number, number, "wrong-key") for number in range(4, 4 + MAX_RUNS)]
    last = listed[-1][0]
    peer = said(2, last + 500, *listed)
    in_flight = range(3, last + 501)
    assert gaps(peer, in_flight, []) == Gaps((3,), ())
    assert gaps(peer, in_flight, [last + 1]) == Gaps((3,), (last + 1,))


def test_what_was_sealed_long_ago_and_nobody_spoke_of_may_be_lost() -> None:
    assert gaps(said(3, 5), [4, 6, 7], [4, 6]) == Gaps((4,), (6,))
    assert gaps(None, [1, 2], [1]) == Gaps((), (1,))
