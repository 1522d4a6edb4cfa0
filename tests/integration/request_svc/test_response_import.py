"""What answers do to their requests: each ends one, once; whatever cannot be applied harms no other."""

from __future__ import annotations

import hashlib
import random
from datetime import timedelta
from uuid import uuid4

import orjson
import pytest
from airlock.bundle.v1 import record_pb2
from airlock.bundle.v1.frame_pb2 import ResultChunk
from airlock.bundle.v1.record_pb2 import Record
from airlock.common.v1 import failure_reason_pb2 as failures

from common.batches.tables import parked_records
from common.errors import ResultNotReadyError
from request_svc.adapters.tables import requests, responses, result_chunks
from tests.integration.request_svc.request_world import NOW, World, answer, ending, user_message
from transfer.errors import ChunkOrderError, HashMismatchError, LimitExceededError, MalformedRecordError

FOUND = b'{"hits": {"total": {"value": 1}, "max_score": 1.0, "hits": [{"_id": "7"}]}}'


async def test_an_answer_completes_its_request_and_is_read_byte_for_byte(world: World) -> None:
    request = await world.submit()
    counts = await world.import_responses(answer(request.request_id, FOUND, cache_hit=True, executions=3))
    assert counts["completed"] == 1
    details = await world.get(request.request_id)
    assert details.request.status == "completed"
    assert details.request.retry_count == 2
    assert details.response is not None
    assert details.response.cache_hit
    assert details.response.result_sha256 == hashlib.sha256(FOUND).digest()
    assert details.data == orjson.loads(FOUND)
    assert [event.step for event in details.timeline] == ["CREATED", "EXECUTED", "ANSWER_SEALED", "RECEIVED"]
    assert await world.result(request.request_id) == [FOUND]


async def test_answers_that_doubles_would_change_are_left_out_with_a_reason_and_streamed_exactly(world: World) -> None:
    exact = b'{"b":9007199254740993, "a":1.10, "a2": "\\ud83d"}'
    request = await world.submit()
    await world.import_responses(answer(request.request_id, exact))
    details = await world.get(request.request_id)
    assert details.data is None
    assert details.data_omitted == "the answer holds a whole number beyond 2^53"
    assert await world.result(request.request_id) == [exact]


async def test_small_answers_are_at_hand_after_the_commit_and_read_from_the_database_without_the_cache(
    world: World,
) -> None:
    small, large = await world.submit(), await world.submit()
    large_answer = b'{"a":"' + b"x" * 70_000 + b'"}'
    await world.import_responses(answer(small.request_id, FOUND), answer(large.request_id, large_answer))
    assert world.cache.kept == {small.request_id: FOUND}
    world.cache.away = True
    assert await world.result(small.request_id) == [FOUND]
    assert await world.result(large.request_id) == [large_answer]


async def test_a_bundle_that_rolls_back_leaves_nothing_in_the_cache(world: World) -> None:
    request = await world.submit()
    bad = answer(request.request_id, FOUND)
    with pytest.raises(ChunkOrderError):
        await world.import_responses(answer(request.request_id, FOUND), [*bad, _chunk(request.request_id, 0, b"x")])
    assert world.cache.kept == {}
    assert await world.status(request.request_id) == "pending"


async def test_a_failure_is_told_with_its_reason(world: World) -> None:
    request = await world.submit()
    refused = ending(
        request.request_id,
        record_pb2.OUTCOME_FAILED,
        failure_reason=failures.FAILURE_REASON_REFUSED,
        message="index salaries\0 may not be searched",
        executions=0,
    )
    assert (await world.import_responses(refused))["failed"] == 1
    details = await world.get(request.request_id)
    assert (details.request.status, details.request.failure_reason) == ("failed", "REFUSED")
    assert details.request.error_message == "index salaries\ufffd may not be searched"
    assert details.response is None
    with pytest.raises(ResultNotReadyError, match="failed and has no answer: index salaries"):
        await world.result(request.request_id)


async def test_an_expired_request_fails_with_that_reason(world: World) -> None:
    request = await world.submit(not_after=NOW + timedelta(minutes=1))
    expired = ending(
        request.request_id, record_pb2.OUTCOME_FAILED, failure_reason=failures.FAILURE_REASON_EXPIRED, executions=0
    )
    await world.import_responses(expired)
    assert (await world.get(request.request_id)).request.failure_reason == "EXPIRED"


async def test_a_second_answer_is_counted_and_dropped(world: World) -> None:
    request = await world.submit()
    first = answer(request.request_id, FOUND)
    failed = ending(
        request.request_id, record_pb2.OUTCOME_FAILED, failure_reason=failures.FAILURE_REASON_TIMEOUT, message="late"
    )
    assert await world.import_responses(first, failed) == {"completed": 1, "failed": 0, "repeated": 1}
    assert await world.import_responses(failed, _long(request.request_id)[1]) == {
        "completed": 0,
        "failed": 0,
        "repeated": 2,
    }
    assert await world.result(request.request_id) == [FOUND]
    assert await world.rows(result_chunks.c.n) == []


async def test_an_answer_to_an_unknown_request_is_parked_and_stops_nothing(world: World) -> None:
    known, unknown = await world.submit(), uuid4()
    counts = await world.import_responses(answer(unknown, FOUND), _long(uuid4())[1], answer(known.request_id, FOUND))
    assert counts == {"completed": 1, "failed": 0, "parked": 2}
    parked = await world.rows(parked_records, where=parked_records.c.record_id == unknown)
    assert Record.FromString(bytes(parked[0].record)).response.data == FOUND
    assert len(await world.rows(parked_records.c.id)) == 2
    assert await world.rows(result_chunks.c.n) == []


async def test_a_cancelled_request_stays_cancelled_when_its_answer_comes_late(world: World) -> None:
    short, long = await world.submit(), await world.submit()
    batch, _ = await world.claim()
    await world.seal(batch)
    for request in (short, long):
        await world.cancel(request.request_id)
    counts = await world.import_responses(answer(short.request_id, FOUND), _long(long.request_id)[1])
    assert counts == {"completed": 0, "failed": 0, "late": 2}
    assert await world.status(short.request_id) == await world.status(long.request_id) == "cancelled"
    assert await world.rows(responses.c.id) == await world.rows(result_chunks.c.n) == []


async def test_the_other_networks_word_that_it_gave_a_request_up_is_kept(world: World) -> None:
    request = await world.submit()
    batch, _ = await world.claim()
    await world.seal(batch)
    await world.cancel(request.request_id)
    counts = await world.import_responses(ending(request.request_id, record_pb2.OUTCOME_CANCELLED))
    assert counts["cancellations_confirmed"] == 1
    assert (await world.claim())[1] == 0


async def test_a_request_whose_cancellation_this_database_has_lost_is_cancelled_by_the_answer(world: World) -> None:
    request = await world.submit()
    await world.import_responses(ending(request.request_id, record_pb2.OUTCOME_CANCELLED))
    details = await world.get(request.request_id)
    assert details.request.status == "cancelled"
    assert details.request.cancelled_at is not None
    assert details.response is None


async def test_an_answer_that_comes_while_its_request_waits_to_travel_again_ends_it(world: World) -> None:
    request = await world.submit()
    batch, _ = await world.claim()
    await world.seal(batch)
    await world.release(batch)
    await world.import_responses(answer(request.request_id, FOUND))
    assert (await world.claim())[1] == 0
    assert await world.status(request.request_id) == "completed"


@pytest.mark.parametrize("length", [128 * 1024 + 1, 256 * 1024, 256 * 1024 + 1, 512 * 1024, 3_000_001])
async def test_answers_of_any_length_come_out_as_they_went_in(world: World, length: int) -> None:
    request = await world.submit()
    data, records = _long(request.request_id, length)
    await world.import_responses(records)
    pieces = await world.result(request.request_id)
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 256 * 1024
    stored = await world.rows(result_chunks.c.n)
    assert len(stored) == (0 if length <= 256 * 1024 else -(-length // (256 * 1024)))


async def test_an_answer_of_30_mib_passes_in_pieces(world: World) -> None:
    request = await world.submit()
    data, records = _long(request.request_id, 30 * 1024 * 1024)
    await world.import_responses(records)
    details = await world.get(request.request_id)
    assert details.data is None
    assert "more than the 262144 that are shown inline" in details.data_omitted
    digest = hashlib.sha256()
    for piece in await world.result(request.request_id):
        digest.update(piece)
    assert digest.digest() == hashlib.sha256(data).digest()
    assert len(await world.rows(result_chunks.c.n)) == 120


async def test_an_answer_that_is_not_json_is_kept_and_streamed_all_the_same(world: World) -> None:
    request, other = await world.submit(), await world.submit()
    await world.import_responses(answer(request.request_id, b'{"a": \xff\0}'), answer(other.request_id, FOUND))
    assert (await world.get(request.request_id)).data_omitted == "the answer is not plain JSON"
    world.cache.away = True
    assert (await world.get(request.request_id)).data_omitted == "the answer is not plain JSON"
    assert await world.result(request.request_id) == [b'{"a": \xff\0}']
    assert await world.result(other.request_id) == [FOUND]


async def test_many_answers_in_one_bundle_end_all_their_requests(world: World) -> None:
    made = [await world.submit() for _ in range(230)]
    counts = await world.import_responses([piece for one in made for piece in answer(one.request_id, FOUND)])
    assert counts["completed"] == 230
    assert {row.status for row in await world.rows(requests.c.status)} == {"completed"}


def _short_hash(records: list[Record | ResultChunk]) -> list[Record | ResultChunk]:
    records[0].response.sha256 = b"\1" * 32  # type: ignore[union-attr]
    return records


BROKEN = {
    "wrong hash": (lambda one: _short_hash(answer(one, FOUND)), HashMismatchError),
    "wrong hash of a long one": (lambda one: _short_hash(_long(one)[1]), HashMismatchError),
    "a piece is missing": (lambda one: _long(one)[1][:-1], ChunkOrderError),
    "pieces out of order": (lambda one: [*_long(one)[1][:1], *_long(one)[1][:0:-1]], ChunkOrderError),
    "a piece of nothing": (lambda one: [_chunk(one, 0, b"x")], ChunkOrderError),
    "a piece of another": (lambda one: [_long(one)[1][0], _chunk(uuid4(), 131072, b"x")], ChunkOrderError),
    "longer than it says": (lambda one: [*answer(one, FOUND, total_length=3)], LimitExceededError),
    "completed without data": (lambda one: ending(one, record_pb2.OUTCOME_COMPLETED), MalformedRecordError),
    "failed without reason": (lambda one: ending(one, record_pb2.OUTCOME_FAILED), MalformedRecordError),
    "no outcome": (lambda one: ending(one, record_pb2.OUTCOME_UNSPECIFIED), MalformedRecordError),
    "a user": (lambda _: [Record(user=user_message("eve"))], MalformedRecordError),
}


@pytest.mark.parametrize(("make", "error"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_bundle_with_a_broken_answer_is_refused_whole(
    world: World, make: object, error: type[Exception]
) -> None:
    good, bad = await world.submit(), await world.submit()
    with pytest.raises(error):
        await world.import_responses(answer(good.request_id, FOUND), make(bad.request_id))  # type: ignore[operator]
    assert await world.status(good.request_id) == await world.status(bad.request_id) == "pending"


def _long(request_id: object, length: int = 700_000) -> tuple[bytes, list[Record | ResultChunk]]:
    filling = random.Random(length).randbytes(length // 2).hex().encode()
    data = b'{"a":"' + filling[: length - 8].ljust(length - 8, b"0") + b'"}'
    return data, answer(request_id, data)  # type: ignore[arg-type]


def _chunk(request_id: object, offset: int, data: bytes) -> ResultChunk:
    return ResultChunk(request_id=request_id.bytes, offset=offset, data=data)  # type: ignore[attr-defined]
