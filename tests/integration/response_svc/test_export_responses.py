"""Answers into bundles: claimed once, read the same at every attempt, within the limits, and released again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from airlock.bundle.v1.frame_pb2 import ResultChunk
from airlock.bundle.v1.record_pb2 import OUTCOME_COMPLETED, OUTCOME_FAILED, Record, Response
from airlock.common.v1.failure_reason_pb2 import FAILURE_REASON_REFUSED

from response_svc.adapters.export_responses import INLINE_BYTES, ResponsesSource
from response_svc.search.answers import EngineAnswer
from response_svc.usecases.execute_next import execute_next
from tests.integration.response_svc.world import BODY, START, Arrivals, FakeEngine, Numbers, make_user, question, rows

if TYPE_CHECKING:
    from common.batches.ports import OutgoingBatch
    from common.database.transaction import Database
    from response_svc.usecases.change_users import UserContext
    from response_svc.usecases.execute_next import ExecutionContext


async def claim(database: Database, batch: OutgoingBatch) -> int:
    async with database.transaction() as transaction:
        return await ResponsesSource().claim(transaction.connection, batch)


async def read(database: Database, batch: OutgoingBatch) -> list[bytes | ResultChunk]:
    pieces: list[bytes | ResultChunk] = []
    async with database.transaction() as transaction:
        async for some in ResponsesSource().pieces(transaction.connection, batch):
            pieces += some
    return pieces


def responses(pieces: list[bytes | ResultChunk]) -> list[Response]:
    return [Record.FromString(piece).response for piece in pieces if isinstance(piece, bytes)]


async def test_an_answer_crosses_with_its_bytes_and_numbers(
    database: Database, arrivals: Arrivals, execution: ExecutionContext, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)
    await execute_next(execution)
    batch = Numbers().next()
    assert await claim(database, batch) == 1
    [response] = responses(await read(database, batch))
    assert (response.request_id, response.outcome, response.data) == (asked.request.id, OUTCOME_COMPLETED, BODY)
    assert (response.total_length, response.sha256) == (len(BODY), hashlib.sha256(BODY).digest())
    assert (response.result_count, response.engine_took_ms, response.executions) == (1, 3, 1)
    assert response.executed_at_micros > 0


async def test_a_final_failure_crosses_with_its_reason(
    database: Database, arrivals: Arrivals, execution: ExecutionContext
) -> None:
    await arrivals.arrive(question(uuid4()))
    await execute_next(execution)
    batch = Numbers().next()
    await claim(database, batch)
    [response] = responses(await read(database, batch))
    assert (response.outcome, response.failure_reason) == (OUTCOME_FAILED, FAILURE_REASON_REFUSED)
    assert response.message
    assert (response.total_length, response.sha256, response.data) == (0, b"", b"")


@pytest.mark.parametrize(
    "length", [INLINE_BYTES, INLINE_BYTES + 1, 2 * INLINE_BYTES, 2 * INLINE_BYTES + 1, 1024 * 1024 + 77]
)
async def test_long_answers_follow_their_record_in_pieces_without_gaps(
    database: Database,
    arrivals: Arrivals,
    execution: ExecutionContext,
    engine: FakeEngine,
    user_context: UserContext,
    length: int,
) -> None:
    body = b'{"x":"' + b"y" * (length - 8) + b'"}'
    user = await make_user(user_context)
    await arrivals.arrive(question(user), question(user, minute=1))
    engine.prepared = [EngineAnswer(body, took_ms=1, hit_count=1)]
    await execute_next(execution)
    await execute_next(execution)
    batch = Numbers().next()
    await claim(database, batch)
    pieces = await read(database, batch)
    first, last = responses(pieces)
    data = first.data
    assert len(data) == INLINE_BYTES
    for chunk in pieces[1:-1]:
        assert isinstance(chunk, ResultChunk)
        assert (chunk.request_id, chunk.offset) == (first.request_id, len(data))
        assert 0 < len(chunk.data) <= 256 * 1024
        data += chunk.data
    assert data == body
    assert (first.total_length, first.sha256) == (length, hashlib.sha256(body).digest())
    assert last.data == BODY


async def test_a_batch_reads_the_same_at_every_attempt(
    database: Database, arrivals: Arrivals, execution: ExecutionContext, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(*(question(user, minute=minute) for minute in range(5)))
    for _ in range(3):
        await execute_next(execution)
    numbers = Numbers()
    batch, following = numbers.next(), numbers.next()
    assert await claim(database, batch) == 3
    before = await read(database, batch)
    while await execute_next(execution):
        pass
    assert await claim(database, following) == 2
    assert await read(database, batch) == before


async def insert_answers(database: Database, count: int, length: int) -> None:
    """Answers of that stored length, without their data: claims look at the lengths alone."""
    await rows(
        database,
        "WITH r AS (INSERT INTO incoming_requests (original_request_id, user_id, index_name, query_type, search,"
        " requested_at, status) SELECT gen_random_uuid(), gen_random_uuid(), 'cities', 'match', '', now(), 'completed'"
        " FROM generate_series(1, :count) RETURNING id, original_request_id)"
        " INSERT INTO query_results (request_id, original_request_id, outcome, total_length, sha256)"
        " SELECT id, original_request_id, 'completed', :length, sha256('') FROM r",
        count=count,
        length=length,
    )


async def test_a_bundle_holds_at_most_500_answers(database: Database) -> None:
    await insert_answers(database, 501, 10)
    numbers = Numbers()
    assert [await claim(database, numbers.next()) for _ in range(3)] == [500, 1, 0]


async def test_a_bundle_holds_at_most_64_mib_of_answers(database: Database) -> None:
    await insert_answers(database, 3, 32 * 1024 * 1024)
    await insert_answers(database, 1, 20 * 1024 * 1024)
    numbers = Numbers()
    sizes = []
    for _ in range(5):
        batch = numbers.next()
        await claim(database, batch)
        [row] = await rows(
            database,
            "SELECT sum(total_length) AS size FROM query_results WHERE export_batch_id = :id",
            id=batch.batch_id,
        )
        sizes.append(row.size or 0)
    assert max(sizes) <= 64 * 1024 * 1024
    assert sum(sizes) == (3 * 32 + 20) * 1024 * 1024


async def test_released_answers_are_claimed_again_and_acknowledged_ones_are_not(database: Database) -> None:
    await insert_answers(database, 2, 10)
    numbers, source = Numbers(), ResponsesSource()
    first = numbers.next()
    await claim(database, first)
    async with database.transaction() as transaction:
        await source.sealed(transaction.connection, first)
    assert await claim(database, numbers.next()) == 0
    async with database.transaction() as transaction:
        await source.released(transaction.connection, [first.batch_id])
    second = numbers.next()
    assert await claim(database, second) == 2
    async with database.transaction() as transaction:
        await source.sealed(transaction.connection, second)
        await source.acknowledged(transaction.connection, [second.batch_id], START)
        await source.acknowledged(transaction.connection, [second.batch_id], START)
        await source.released(transaction.connection, [second.batch_id])
    assert await claim(database, numbers.next()) == 0
