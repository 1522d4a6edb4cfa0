"""Which rows a bundle of requests claims, what it holds, and what becomes of them afterwards."""

from __future__ import annotations

from datetime import timedelta

from airlock.bundle.v1.record_pb2 import Record
from sqlalchemy import text

from common.search.body import read_body
from request_svc.adapters.tables import requests
from request_svc.adapters.wire import micros
from tests.integration.request_svc.request_world import NOW, World, answer, principal


async def test_the_most_urgent_travel_first_and_then_the_oldest(world: World) -> None:
    late = await world.submit(now=NOW + timedelta(minutes=2))
    early = await world.submit(now=NOW)
    low = await world.submit(now=NOW - timedelta(days=1), priority=1)
    urgent = await world.submit(now=NOW + timedelta(days=1), caller=principal(role="admin"), priority=10)
    batch, claimed = await world.claim()
    records = await world.records(batch)
    expected = [urgent, early, late, low]
    assert claimed == 4
    assert [record.request.id for record in records] == [request.request_id.bytes for request in expected]
    assert await world.status(low.request_id) == "queued"


async def test_a_record_holds_the_whole_question_in_one_encoding(world: World) -> None:
    body = b'{"query":{"match":{"name":"Tehran"}},"size":0}'
    until = NOW + timedelta(days=3, microseconds=1)
    request = await world.submit(body, not_after=until, accept_partial=True, priority=2)
    batch, _ = await world.claim()
    async with world.database.transaction() as transaction:
        [[written]] = [part async for part in world.source.pieces(transaction.connection, batch)]
    assert isinstance(written, bytes)
    record = Record.FromString(written)
    assert record.request.search == read_body(body)
    assert record.request.user_id == principal().user_id.bytes
    assert (record.request.index, record.request.priority, record.request.accept_partial) == ("cities", 2, True)
    assert record.request.created_at_micros == micros(NOW)
    assert record.request.not_after_micros == micros(until)
    assert record.request.id == request.request_id.bytes
    assert record.SerializeToString(deterministic=True) == written


async def test_a_bundle_gives_the_same_bytes_at_every_call_whatever_happens_to_its_rows(world: World) -> None:
    submitted = [await world.submit() for _ in range(40)]
    batch, _ = await world.claim()
    before = await world.records(batch)
    await world.cancel(submitted[3].request_id)
    await world.seal(batch)
    await world.import_responses(answer(submitted[5].request_id, b"{}"))
    assert await world.records(batch) == before


async def test_reading_a_bundle_can_be_broken_off_at_any_piece(world: World) -> None:
    await world.submit()
    submitted = await world.submit()
    batch, _ = await world.claim()
    await world.cancel(submitted.request_id)
    async with world.database.transaction() as transaction:
        pieces = world.source.pieces(transaction.connection, batch)
        async for _ in pieces:
            break
        # What ran on to the cancellations would raise RuntimeError here, and hide why it was broken off.
        await pieces.aclose()
        assert (await transaction.connection.execute(text("SELECT 1"))).scalar_one() == 1


async def test_two_claims_never_hold_the_same_row(world: World) -> None:
    for _ in range(5):
        await world.submit()
    first, claimed = await world.claim()
    second, left = await world.claim()
    assert (claimed, left) == (5, 0)
    assert await world.records(second) == []
    assert len(await world.records(first)) == 5


async def test_a_bundle_holds_at_most_500_records(world: World) -> None:
    await _fill(world, rows=620, length=10)
    _, first = await world.claim()
    _, second = await world.claim()
    assert (first, second) == (500, 120)


async def test_a_bundle_holds_at_most_64_mib(world: World) -> None:
    await _fill(world, rows=300, length=250_000)
    batch, claimed = await world.claim()
    assert claimed == 64 * 1024 * 1024 // (250_000 + 1024)
    assert (await world.claim())[1] == 300 - claimed
    async with world.database.transaction() as transaction:
        parts = [part async for part in world.source.pieces(transaction.connection, batch)]
    assert sum(len(piece) for part in parts for piece in part if isinstance(piece, bytes)) <= 64 * 1024 * 1024


async def test_rows_that_another_run_holds_are_left_to_it(world: World) -> None:
    held = await world.submit()
    free = await world.submit()
    async with world.database.transaction() as transaction:
        await transaction.connection.execute(
            text("SELECT 1 FROM requests WHERE id = :id FOR UPDATE"), {"id": held.request_id}
        )
        batch, claimed = await world.claim()
    assert claimed == 1
    assert (await world.records(batch))[0].request.id == free.request_id.bytes


async def test_sealed_and_acknowledged_rows_move_on_and_being_told_twice_changes_nothing(world: World) -> None:
    request = await world.submit()
    batch, _ = await world.claim()
    await world.seal(batch)
    assert await world.status(request.request_id) == "exported"
    await world.acknowledge(batch)
    first = (await world.get(request.request_id)).request
    await world.acknowledge(batch)
    await world.seal(batch)
    assert (await world.get(request.request_id)).request == first
    assert (first.status, first.export_sequence) == ("processing", batch.sequence)
    assert first.acknowledged_at == NOW + timedelta(hours=1)


async def test_an_acknowledgement_before_the_seal_is_recorded_still_counts(world: World) -> None:
    request = await world.submit()
    batch, _ = await world.claim()
    await world.acknowledge(batch)
    await world.seal(batch)
    assert await world.status(request.request_id) == "processing"


async def test_a_released_bundle_gives_back_what_has_not_ended(world: World) -> None:
    waiting, answered, cancelled = [await world.submit() for _ in range(3)]
    batch, _ = await world.claim()
    await world.seal(batch)
    await world.acknowledge(batch)
    await world.import_responses(answer(answered.request_id, b"{}"))
    await world.cancel(cancelled.request_id)
    await world.release(batch)
    await world.release(batch)
    assert await world.status(waiting.request_id) == "pending"
    assert await world.status(answered.request_id) == "completed"
    assert await world.status(cancelled.request_id) == "cancelled"
    next_batch, _ = await world.claim()
    kinds = [record.WhichOneof("content") for record in await world.records(next_batch)]
    assert kinds == ["request", "cancellation"]


async def test_a_cancellation_travels_as_a_record_and_again_if_its_bundle_is_lost(world: World) -> None:
    request = await world.submit()
    batch, _ = await world.claim()
    await world.cancel(request.request_id)
    await world.seal(batch)
    assert await world.status(request.request_id) == "cancelled"
    lost, claimed = await world.claim()
    assert claimed == 1
    [record] = await world.records(lost)
    assert record.cancellation.request_id == request.request_id.bytes
    assert record.cancellation.cancelled_at_micros == micros(NOW + timedelta(minutes=5))
    await world.release(lost)
    again, _ = await world.claim()
    assert await world.records(again) == [record]
    await world.acknowledge(again)
    await world.release(again)
    assert (await world.claim())[1] == 0


async def _fill(world: World, *, rows: int, length: int) -> None:
    """Pending rows with a search of that many bytes that is none: only its length matters to a claim."""
    statement = text(
        """
        INSERT INTO requests (id, user_id, index_name, query_type, query_params, body, search, created_at)
        SELECT gen_random_uuid(), :user_id, 'cities', 'match_all', '{}', '',
            convert_to(repeat('x', :length), 'UTF8'), :at
        FROM generate_series(1, :rows)
        """
    )
    values = {"user_id": principal().user_id, "length": length, "at": NOW, "rows": rows}
    async with world.database.transaction() as transaction:
        await transaction.connection.execute(statement, values)
    stored = await world.rows(requests.c.id)
    assert len(stored) == rows
