"""Priority, sameness of questions, overdue requests, and the history that a user is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from common.errors import IdempotencyConflictError, PermissionMissingError
from request_svc.domain.replica import ReplicaState, is_newer
from request_svc.domain.request import NewRequest, Response, check_same_question, effective_priority, new_as_stored
from request_svc.domain.status import RequestStatus
from request_svc.domain.timeline import TimelineStep, timeline

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
NEW = NewRequest(
    request_id=uuid4(),
    user_id=uuid4(),
    index="cities",
    query_type="match_all",
    query_params={},
    body=b"{}",
    search=b"normal form",
    priority=5,
    created_at=START,
    not_after=None,
    accept_partial=False,
    idempotency_key="key",
    trace_id="trace",
)
STORED = new_as_stored(NEW)


def test_an_absent_priority_is_the_callers_own() -> None:
    assert effective_priority(None, 7, may_raise=False) == 7


@pytest.mark.parametrize("wanted", [1, 4, 5])
def test_anyone_may_ask_for_less_than_his_own_priority(wanted: int) -> None:
    assert effective_priority(wanted, 5, may_raise=False) == wanted


def test_more_than_ones_own_priority_is_refused_naming_it() -> None:
    with pytest.raises(PermissionMissingError) as refused:
        effective_priority(6, 5, may_raise=False)
    assert refused.value.metadata["own_priority"] == "5"


def test_operators_may_ask_for_more() -> None:
    assert effective_priority(10, 5, may_raise=True) == 10


def test_the_same_question_may_come_with_another_priority_and_time_limit() -> None:
    check_same_question(STORED, b"normal form", replace(NEW, priority=1, not_after=START + timedelta(hours=1)))


@pytest.mark.parametrize(
    "other",
    [{"index": "flights"}, {"search": b"another"}, {"accept_partial": True}],
    ids=lambda other: next(iter(other)),
)
def test_a_key_that_comes_with_another_question_is_a_conflict(other: dict[str, object]) -> None:
    with pytest.raises(IdempotencyConflictError) as refused:
        check_same_question(STORED, b"normal form", replace(NEW, **other))  # type: ignore[arg-type]
    assert refused.value.metadata == {"request_id": str(NEW.request_id)}


def test_a_request_is_overdue_after_its_time_and_only_until_it_ends() -> None:
    late = replace(STORED, not_after=START)
    assert late.is_overdue(START + timedelta(seconds=1))
    assert not late.is_overdue(START)
    assert not STORED.is_overdue(START + timedelta(days=1000))
    assert not replace(late, status=RequestStatus.FAILED).is_overdue(START + timedelta(seconds=1))


def test_the_history_of_an_answered_request_is_told_in_the_order_of_its_journey() -> None:
    batch, answer_batch = uuid4(), uuid4()
    request = replace(
        STORED,
        exported_at=START + timedelta(minutes=2),
        export_batch_id=batch,
        export_sequence=12,
        acknowledged_at=START + timedelta(minutes=9),
    )
    # Execution comes before the acknowledgement arrives; the other network's clock is its own.
    response = _response(executed_at=START + timedelta(minutes=5), import_batch_id=answer_batch)
    events = timeline(request, response)
    assert [event.step for event in events] == [
        TimelineStep.CREATED,
        TimelineStep.SEALED,
        TimelineStep.ACKNOWLEDGED,
        TimelineStep.EXECUTED,
        TimelineStep.ANSWER_SEALED,
        TimelineStep.RECEIVED,
    ]
    assert (events[1].batch_id, events[1].sequence) == (batch, 12)
    assert (events[4].batch_id, events[4].sequence) == (answer_batch, 3)


def test_a_cancellation_stands_where_its_time_belongs() -> None:
    request = replace(
        STORED,
        exported_at=START + timedelta(minutes=2),
        acknowledged_at=START + timedelta(minutes=9),
        cancelled_at=START + timedelta(minutes=5),
    )
    assert [event.step for event in timeline(request, None)] == [
        TimelineStep.CREATED,
        TimelineStep.SEALED,
        TimelineStep.CANCELLED,
        TimelineStep.ACKNOWLEDGED,
    ]


@pytest.mark.parametrize(
    ("epoch", "sequence", "newer"), [(100, 5, False), (100, 4, False), (99, 9, False), (100, 6, True), (101, 1, True)]
)
def test_only_a_later_bundle_of_a_kind_is_used(epoch: int, sequence: int, newer: bool) -> None:
    last = ReplicaState(epoch=100, sequence=5, revision=1, row_count=1, table_digest=b"", in_step=True)
    assert is_newer(last, epoch, sequence) is newer
    assert is_newer(None, epoch, sequence)


def _response(**changes: object) -> Response:
    response = Response(
        request_id=NEW.request_id,
        completed=True,
        result_count=1,
        result_bytes=2,
        result_sha256=b"\0" * 32,
        execution_time_ms=3,
        engine_took_ms=2,
        cache_hit=False,
        partial=False,
        executed_at=None,
        sealed_at=START + timedelta(minutes=6),
        received_at=START + timedelta(minutes=9),
        import_batch_id=None,
        import_sequence=3,
    )
    return replace(response, **changes)  # type: ignore[arg-type]
