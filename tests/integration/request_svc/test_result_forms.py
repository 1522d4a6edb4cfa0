"""The hits of stored answers as lines and as CSV, and what is refused before the first byte goes out."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest

from common.errors import ResultFormatError, ResultNotReadyError
from request_svc.domain.hit_row import MAX_ROW_BYTES
from request_svc.usecases.read_hits import MAX_PIECE_BYTES, hit_lines, hit_table
from tests.integration.request_svc.request_world import World, answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from request_svc.usecases.read_result import StoredResult

HITS = [
    b'{"_id":"1","_score":1.0,"_source":{"name":"\\u062a\xd9\x87","n":9007199254740993,"a":[1.0]}}',
    b'{"_id":"2", "_source":{"x":{"y":1e3}}}',
]
NONE: list[bytes] = []


def engine_answer(hits: Sequence[bytes], more: bytes = b"") -> bytes:
    """What an engine would write around these hits."""
    return b'{"took":1,"hits":{"total":{"value":9},"hits":[' + b",".join(hits) + b"]}" + more + b"}"


async def stored(world: World, data: bytes) -> StoredResult:
    """An answer with these bytes, as it is after its import."""
    request = await world.submit()
    await world.import_responses(answer(request.request_id, data))
    return await world.found(request.request_id)


async def lines(result: StoredResult) -> tuple[int, list[bytes]]:
    hits = await hit_lines(result)
    return hits.count, [piece async for piece in hits.pieces]


async def table(result: StoredResult, *columns: str) -> tuple[int, bytes]:
    hits = await hit_table(result, columns, spreadsheet=False)
    return hits.count, b"".join([piece async for piece in hits.pieces])


async def test_lines_are_the_hits_as_the_engine_wrote_them(world: World) -> None:
    result = await stored(world, engine_answer(HITS, b',"aggregations":{"a":{"value":1}}'))
    assert await lines(result) == (2, [b"".join(hit + b"\n" for hit in HITS)])


async def test_a_hit_that_was_written_over_several_lines_becomes_one(world: World) -> None:
    hit = json.dumps({"_id": "1", "_source": {"a": ["\n", 1]}}, indent=1).encode()
    count, [line] = await lines(await stored(world, engine_answer([hit])))
    assert (count, line.count(b"\n")) == (1, 1)
    assert json.loads(line) == json.loads(hit)


async def test_a_table_has_the_columns_that_the_hits_have(world: World) -> None:
    count, data = await table(await stored(world, engine_answer(HITS)))
    assert count == 2
    assert data.decode() == "_id,_score,name,n,a,x.y\r\n1,1.0,ته,9007199254740993,[1.0],\r\n2,,,,,1e3\r\n"


async def test_a_table_has_the_columns_that_are_named(world: World) -> None:
    assert await table(await stored(world, engine_answer(HITS)), "x.y", "_id") == (2, b"x.y,_id\r\n,1\r\n1e3,2\r\n")


async def test_an_answer_without_hits_is_one_empty_piece_or_a_line_of_names(world: World) -> None:
    result = await stored(world, engine_answer(NONE, b',"aggregations":{"a":{"value":1}}'))
    assert await lines(result) == (0, [b""])
    assert await table(result) == (0, b"_id,_score\r\n")


@pytest.mark.parametrize("length", [262143, 262144, 262145, 524288, 3_000_000])
async def test_long_answers_give_the_same_in_pieces_that_fit_a_message(world: World, length: int) -> None:
    hits = [b'{"_id":"%d","_source":{"t":"%s"}}' % (n, b'\\"x,' * 500) for n in range(length // 2100)]
    padding = length - len(engine_answer(hits, b',"pad":""'))
    data = engine_answer(hits, b',"pad":"%s"' % (b"x" * padding))
    assert len(data) == length
    result = await stored(world, data)
    count, pieces = await lines(result)
    assert count == len(hits)
    assert b"".join(pieces) == b"".join(hit + b"\n" for hit in hits)
    assert max(map(len, pieces)) <= MAX_PIECE_BYTES
    made = await hit_table(result, (), spreadsheet=False)
    parts = [piece async for piece in made.pieces]
    assert max(map(len, parts)) <= MAX_PIECE_BYTES
    rows = list(csv.reader(io.StringIO(b"".join(parts).decode(), newline="")))
    assert [row[2] for row in rows[1:]] == [json.loads(hit)["_source"]["t"] for hit in hits]


async def test_a_hit_of_megabytes_passes_as_a_line_and_is_no_row(world: World) -> None:
    hit = b'{"_id":"1","_source":{"t":"' + b"x" * (MAX_ROW_BYTES + 1) + b'"}}'
    result = await stored(world, engine_answer([hit]))
    count, pieces = await lines(result)
    assert (count, b"".join(pieces)) == (1, hit + b"\n")
    with pytest.raises(ResultFormatError, match=r"as csv: a hit is longer than 1048576 bytes. With `format=json`"):
        await table(result)


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b'{"error":"x"}', "the answer has no list of hits"),
        (b'{"a": \xff\0}', "a value should follow the colon"),
        (engine_answer(HITS)[:-1], "the answer ends before its last brace"),
        (engine_answer(HITS) + b"x", "nothing should follow"),
    ],
)
async def test_what_no_engine_writes_is_refused_before_the_first_byte(world: World, data: bytes, cause: str) -> None:
    result = await stored(world, data)
    for read in (lines, table):
        with pytest.raises(ResultFormatError, match=cause):
            await read(result)
    assert [piece async for piece in result.pieces()] == [data]


async def test_a_request_without_an_answer_has_it_in_no_form(world: World) -> None:
    request = await world.submit()
    with pytest.raises(ResultNotReadyError):
        await world.found(request.request_id)
