"""Acknowledgements written and read back, and what other networks' ones may not say."""

from __future__ import annotations

from typing import Any

import pytest
from airlock.bundle.v1.acknowledgement_pb2 import AcknowledgedRun, Acknowledgements, AuditHead, VoidedBundle

from transfer.bundle.versions import AUDIT_MINOR, KEYS_MINOR, needed_minor
from transfer.custody.acknowledgements import MAX_RUNS, MAX_VOIDED, parse, parse_voided, render, runs_of
from transfer.custody.digests import chain
from transfer.custody.state import Disposition, HeldBundle, IncomingState
from transfer.errors import MalformedFrameError

ZERO, ONE = bytes(32), b"1" * 32


def digest(sequence: int) -> bytes:
    return sequence.to_bytes(32, "big")


def held(sequence: int, disposition: Disposition = Disposition.APPLIED, reason: str = "") -> HeldBundle:
    return HeldBundle(sequence, digest(sequence), disposition, reason)


def test_nothing_seen_is_epoch_zero() -> None:
    message = render(IncomingState(epoch=77), [], [])
    assert (message.epoch, message.cumulative, message.running_digest) == (0, 0, ZERO)
    assert parse(message).runs == ()


def test_consecutive_settled_numbers_are_one_run_and_a_refused_one_stands_alone() -> None:
    above = [
        held(5),
        held(6, Disposition.VOIDED),
        held(7, Disposition.REFUSED, "wrong-key"),
        held(8),
        held(10),
    ]
    runs = runs_of(above)
    assert [(run.first, run.last, run.refused_reason) for run in runs] == [
        (5, 6, ""),
        (7, 7, "wrong-key"),
        (8, 8, ""),
        (10, 10, ""),
    ]
    assert runs[0].running_digest == chain([digest(5), digest(6)])
    assert runs[1].running_digest == digest(7)


def test_at_most_1024_runs_lowest_first_and_the_last_may_still_grow() -> None:
    above = [held(2 * n) for n in range(1, MAX_RUNS + 1)] + [held(2 * MAX_RUNS + 1), held(2 * MAX_RUNS + 3)]
    runs = runs_of(above)
    assert len(runs) == MAX_RUNS
    assert (runs[0].first, runs[-1].last) == (2, 2 * MAX_RUNS + 1)


def test_what_is_written_is_read_back() -> None:
    state = IncomingState(9, 4, ONE, 12, digest(12))
    message = render(state, [held(6), held(8, Disposition.REFUSED, "x" * 99)], [(1, ONE), (3, ONE)], [3])
    peer = parse(Acknowledgements.FromString(message.SerializeToString()))
    assert (peer.epoch, peer.cumulative, peer.running_digest) == (9, 4, ONE)
    assert [run.first for run in peer.runs] == [6, 8]
    assert peer.runs[1].refused_reason == "x" * 64
    assert (peer.highest_seen, peer.highest_digest) == (12, digest(12))
    assert parse_voided(message) == {1: ONE, 3: ONE}
    assert list(message.snapshots_wanted) == [3]


def test_audit_heads_are_written_where_there_are_any_and_need_schema_1_2() -> None:
    without = render(IncomingState(), [], [])
    assert (without.HasField("audit_head"), without.HasField("witnessed_audit_head")) == (False, False)
    assert needed_minor(without) == 0
    assert needed_minor(render(IncomingState(), [], [], key_versions=["v1"])) == KEYS_MINOR
    for name in ("audit_head", "witnessed_audit_head"):
        heads: dict[str, Any] = {name: AuditHead(segment=2**63 - 1, digest=ONE)}
        message = render(IncomingState(), [], [], key_versions=["v1"], **heads)
        assert parse(message).cumulative == 0
        assert needed_minor(message) == AUDIT_MINOR


def test_the_fullest_state_fits_into_a_frame() -> None:
    above = [held(10**18 + 2 * n, Disposition.REFUSED, "x" * 64) for n in range(MAX_RUNS)]
    voided = [(10**18 + n, ONE) for n in range(MAX_VOIDED)]
    message = render(IncomingState(2**62, 10**18, ONE, 2 * 10**18, ONE), above, voided, [3, 4, 5])
    assert message.ByteSize() < 1024 * 1024 - 16


def test_more_voided_numbers_than_travel_are_never_rendered() -> None:
    with pytest.raises(ValueError, match="16384"):
        render(IncomingState(), [], [(n, ONE) for n in range(1, MAX_VOIDED + 2)])


def run(first: int, last: int, reason: str = "", running: bytes = ONE) -> AcknowledgedRun:
    return AcknowledgedRun(first=first, last=last, running_digest=running, refused_reason=reason)


def message(**changes: object) -> Acknowledgements:
    fields: dict[str, object] = {
        "epoch": 5,
        "cumulative": 3,
        "running_digest": ONE,
        "highest_seen": 9,
        "highest_digest": ONE,
    }
    return Acknowledgements(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(message(running_digest=b"short"), id="running digest too short"),
        pytest.param(message(epoch=0), id="seen in no epoch"),
        pytest.param(message(cumulative=0), id="digest of nothing"),
        pytest.param(message(highest_digest=b""), id="highest without digest"),
        pytest.param(message(highest_seen=0), id="digest without highest"),
        pytest.param(message(highest_seen=2), id="highest below cumulative"),
        pytest.param(message(above=[run(3, 4)]), id="run within the cumulative ones"),
        pytest.param(message(above=[run(6, 5)]), id="run that ends before it begins"),
        pytest.param(message(above=[run(7, 7), run(5, 5)]), id="runs out of order"),
        pytest.param(message(above=[run(5, 6), run(6, 7)]), id="runs that overlap"),
        pytest.param(message(above=[run(9, 10)]), id="run beyond the highest seen"),
        pytest.param(message(above=[run(5, 6, "wrong-key")]), id="refused number in a run"),
        pytest.param(message(above=[run(5, 6, running=b"")]), id="run without digest"),
        pytest.param(message(audit_head=AuditHead(segment=1, digest=b"short")), id="audit head with a short digest"),
        pytest.param(message(audit_head=AuditHead(digest=ONE)), id="audit head of no segment"),
        pytest.param(message(witnessed_audit_head=AuditHead(segment=2**63, digest=ONE)), id="segment beyond 63 bits"),
        pytest.param(message(witnessed_audit_head=AuditHead()), id="empty audit head"),
    ],
)
def test_a_state_that_contradicts_itself_is_refused(wrong: Acknowledgements) -> None:
    with pytest.raises(MalformedFrameError, match="contradict themselves"):
        parse(wrong)


@pytest.mark.parametrize(
    "entries",
    [
        [VoidedBundle(sequence=2, digest=ONE), VoidedBundle(sequence=1, digest=ONE)],
        [VoidedBundle(sequence=2, digest=ONE), VoidedBundle(sequence=2, digest=ONE)],
        [VoidedBundle(sequence=0, digest=ONE)],
        [VoidedBundle(sequence=2, digest=b"short")],
    ],
)
def test_voided_numbers_ascend_and_have_digests(entries: list[VoidedBundle]) -> None:
    with pytest.raises(MalformedFrameError):
        parse_voided(Acknowledgements(voided=entries))
