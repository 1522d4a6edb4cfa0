"""Requests bundles into the queue: once each, cancellations in any order, answers sent again where missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airlock.bundle.v1.record_pb2 import Record, Response
from sqlalchemy.exc import DataError

from response_svc.adapters.export_responses import ResponsesSource
from response_svc.usecases.execute_next import execute_next
from tests.integration.response_svc.world import (
    START,
    Arrivals,
    Numbers,
    cancellation,
    id_of,
    make_user,
    micros,
    question,
    rows,
)
from transfer.errors import MalformedRecordError

if TYPE_CHECKING:
    from common.database.transaction import Database
    from response_svc.usecases.change_users import UserContext
    from response_svc.usecases.execute_next import ExecutionContext


async def status_of(database: Database, request: Record) -> str:
    [row] = await rows(
        database, "SELECT status FROM incoming_requests WHERE original_request_id = :id", id=id_of(request)
    )
    return str(row.status)


async def seal_answers(database: Database) -> int:
    """Exports every answer that waits and returns how many."""
    source, batch = ResponsesSource(), Numbers().next()
    async with database.transaction() as transaction:
        claimed = await source.claim(transaction.connection, batch)
        await source.sealed(transaction.connection, batch)
        await source.acknowledged(transaction.connection, [batch.batch_id], START)
    return claimed


async def waiting_answers(database: Database) -> list[str]:
    found = await rows(database, "SELECT outcome FROM query_results WHERE export_batch_id IS NULL")
    return [row.outcome for row in found]


async def test_a_request_is_kept_with_all_that_its_record_says(
    database: Database, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    asked = question(user, trace_id="trace", accept_partial=True, priority=9, not_after_micros=micros(START))
    counts = await arrivals.arrive(asked)
    assert counts == {"inserted": 1, "repeated": 0, "cancellations": 0, "cancelled": 0, "sent_again": 0}
    [row] = await rows(database, "SELECT * FROM incoming_requests")
    assert (row.original_request_id, row.user_id, row.index_name) == (id_of(asked), user.id, "cities")
    assert (row.priority, row.trace_id, row.accept_partial, row.not_after) == (9, "trace", True, START)
    assert (row.requested_at, row.query_type, row.status) == (START, "match", "pending")
    assert row.search == asked.request.search.SerializeToString()


async def test_a_request_that_arrives_twice_is_one_request(
    database: Database, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked, asked)
    counts = await arrivals.arrive(asked)
    assert (counts["inserted"], counts["repeated"], counts["sent_again"]) == (0, 1, 0)
    assert len(await rows(database, "SELECT FROM incoming_requests")) == 1
    assert arrivals.woken == 1


async def test_a_request_that_arrives_again_has_its_answer_sent_again(
    database: Database, arrivals: Arrivals, execution: ExecutionContext, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)
    await execute_next(execution)
    assert await seal_answers(database) == 1
    assert await seal_answers(database) == 0
    counts = await arrivals.arrive(asked)
    assert counts["sent_again"] == 1
    assert await seal_answers(database) == 1
    assert len(await rows(database, "SELECT FROM query_results")) == 1


async def test_an_answer_on_its_way_into_a_bundle_is_not_taken_out_of_it(
    database: Database, arrivals: Arrivals, execution: ExecutionContext, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)
    await execute_next(execution)
    async with database.transaction() as transaction:
        assert await ResponsesSource().claim(transaction.connection, Numbers().next()) == 1
    counts = await arrivals.arrive(asked)
    assert counts["sent_again"] == 0
    assert await waiting_answers(database) == []


async def test_a_cancelled_request_is_not_executed(
    database: Database, arrivals: Arrivals, execution: ExecutionContext, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)
    assert (await arrivals.arrive(cancellation(asked)))["cancelled"] == 1
    assert await execute_next(execution) is None
    assert await status_of(database, asked) == "cancelled"
    assert await waiting_answers(database) == [], "the other network cancelled it and waits for nothing"


@pytest.mark.parametrize("order", [1, -1])
async def test_a_request_and_its_cancellation_in_one_bundle_in_any_order(
    database: Database, arrivals: Arrivals, user_context: UserContext, order: int
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(*[asked, cancellation(asked)][::order])
    assert await status_of(database, asked) == "cancelled"
    assert await waiting_answers(database) == []


async def test_a_cancellation_may_arrive_before_its_request(
    database: Database, arrivals: Arrivals, execution: ExecutionContext, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(cancellation(asked))
    await arrivals.arrive(cancellation(asked))
    assert (await arrivals.arrive(asked))["cancelled"] == 1
    assert await execute_next(execution) is None
    assert await waiting_answers(database) == ["cancelled"]


async def test_a_cancelled_request_that_arrives_again_is_answered_as_cancelled(
    database: Database, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked, cancellation(asked))
    for _ in range(2):
        await arrivals.arrive(asked)
        assert await seal_answers(database) == 1
    assert (await rows(database, "SELECT outcome FROM query_results"))[0].outcome == "cancelled"


async def test_a_cancellation_after_the_answer_changes_nothing(
    database: Database, arrivals: Arrivals, execution: ExecutionContext, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)
    await execute_next(execution)
    assert (await arrivals.arrive(cancellation(asked)))["cancelled"] == 0
    assert await status_of(database, asked) == "completed"


async def test_many_requests_are_written_in_parts_and_counted_once(
    database: Database, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    many = [question(user, minute=minute) for minute in range(5000)]
    counts = await arrivals.arrive(*many)
    assert (counts["inserted"], counts["repeated"]) == (5000, 0)
    counts = await arrivals.arrive(*many, question(user))
    assert (counts["inserted"], counts["repeated"]) == (1, 5000)
    assert (await rows(database, "SELECT count(*) FROM incoming_requests"))[0].count == 5001


async def test_a_record_of_another_kind_refuses_the_whole_bundle(
    database: Database, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    with pytest.raises(MalformedRecordError):
        await arrivals.arrive(asked, Record(response=Response(request_id=asked.request.id)))
    assert await rows(database, "SELECT FROM incoming_requests") == []


@pytest.mark.parametrize("fields", [{"trace_id": "a\0b"}, {"index": "a\0b"}])
async def test_a_value_that_no_row_can_hold_is_an_error_of_the_data(
    database: Database, arrivals: Arrivals, user_context: UserContext, fields: dict[str, str]
) -> None:
    user = await make_user(user_context)
    with pytest.raises(DataError):
        await arrivals.arrive(question(user), question(user, **fields))
    assert await rows(database, "SELECT FROM incoming_requests") == []


async def test_times_beyond_every_calendar_do_not_stop_the_queue(
    database: Database, arrivals: Arrivals, execution: ExecutionContext, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context), created_at_micros=2**63 - 1, not_after_micros=2**63 - 1)
    await arrivals.arrive(asked)
    assert await execute_next(execution) is not None
    assert await status_of(database, asked) == "completed"
