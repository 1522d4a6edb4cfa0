"""Where a request may go from where it stands."""

from __future__ import annotations

import pytest

from common.errors import WrongStateError
from request_svc.domain.status import FINAL, OPEN, SOURCES, RequestStatus, cancel, must_tell_the_other_network, step

S = RequestStatus
ALLOWED = {
    (S.PENDING, S.QUEUED),
    (S.QUEUED, S.EXPORTED),
    (S.QUEUED, S.PROCESSING),
    (S.EXPORTED, S.PROCESSING),
    (S.QUEUED, S.PENDING),
    (S.EXPORTED, S.PENDING),
    (S.PROCESSING, S.PENDING),
    *((state, end) for state in OPEN for end in FINAL),
}


@pytest.mark.parametrize(("current", "target"), [(a, b) for a in S for b in S])
def test_each_step_is_allowed_or_refused_with_the_state_it_stands_in(current: S, target: S) -> None:
    if (current, target) in ALLOWED:
        assert step(current, target) is target
        return
    with pytest.raises(WrongStateError) as refused:
        step(current, target)
    assert refused.value.metadata == {"state": current, "wanted": target}


def test_nothing_leads_out_of_a_final_state() -> None:
    assert all(not sources & FINAL for sources in SOURCES.values())


def test_every_open_request_can_end_in_every_way() -> None:
    assert all(SOURCES[end] == OPEN for end in FINAL)


def test_cancelling_twice_is_a_success() -> None:
    assert cancel(cancel(S.EXPORTED)) is S.CANCELLED


@pytest.mark.parametrize("ended", [S.COMPLETED, S.FAILED])
def test_an_ended_request_cannot_be_cancelled(ended: S) -> None:
    with pytest.raises(WrongStateError, match="its end stands"):
        cancel(ended)


@pytest.mark.parametrize("state", sorted(OPEN))
def test_only_a_request_that_a_bundle_has_claimed_sends_a_cancellation(state: S) -> None:
    assert must_tell_the_other_network(state, travelled_before=False) is (state is not S.PENDING)


@pytest.mark.parametrize("state", sorted(OPEN))
def test_a_request_whose_bundle_was_given_up_sends_a_cancellation_too(state: S) -> None:
    assert must_tell_the_other_network(state, travelled_before=True)
