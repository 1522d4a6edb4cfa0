"""Fuzz of what is inside the encryption: plaintext, frames and records of a sender who holds every key."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest
from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
from airlock.bundle.v1.frame_pb2 import Frame, ResultChunk
from airlock.bundle.v1.record_pb2 import OUTCOME_FAILED, Cancellation, Record
from airlock.bundle.v1.replication_pb2 import Index, IndexField, Setting, TableState, User
from airlock.common.v1.failure_reason_pb2 import FAILURE_REASON_REFUSED
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz.fuzzing import PAYLOADS, attempt, cases, changed, crafted, read
from tests.fuzz.messages import messages, nearly
from tests.vectors.craft import acknowledgements, block, chunk, end, framed, request, response, varint
from tests.vectors.good import inheriting_user, premium
from transfer.bundle.rules import check_rules
from transfer.errors import MalformedFrameError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.sampled_from(sorted(PAYLOADS))
ANSWER = b"an answer in three pieces"
SHORT = [name for name in sorted(PAYLOADS) if len(PAYLOADS[name]) < 4000]
STATE = Acknowledgements(epoch=1, cumulative=4, running_digest=bytes(32), highest_seen=4, highest_digest=bytes(32))
PIECE = ResultChunk(request_id=b"\x01" * 16, offset=5, data=ANSWER[5:])
GOOD_RECORDS = [
    request(1),
    response(b"{}"),
    response(b"", outcome=OUTCOME_FAILED, failure_reason=FAILURE_REASON_REFUSED, message="Not allowed."),
    Record(cancellation=Cancellation(request_id=bytes(16), cancelled_at_micros=1)),
    Record(table_state=TableState(table_digest=bytes(32))),
    Record(
        user=User(
            id=bytes(16),
            username="u",
            email="e",
            hashed_password="h",
            role="user",
            profile_type="p",
            priority=1,
            revision=1,
        )
    ),
    Record(user=inheriting_user()),
    Record(profile_type=premium()),
    Record(setting=Setting(key="query.max_depth", int_value=3, revision=1)),
    Record(index=Index(name="cities", fields=[IndexField(name="name", type="text")], revision=1)),
]
SEARCH_OF_NO_MEANING = request(1)
SEARCH_OF_NO_MEANING.request.search.track_total_hits.SetInParent()
RECORDS = st.one_of(messages(Record), *map(nearly, GOOD_RECORDS))
# Each is good somewhere; most orders of them are not.
PARTS = [
    acknowledgements(),
    block(request(1)),
    block(request(2), request(3)),
    block(response(b"{}")),
    block(response(ANSWER, 5)),
    chunk(ANSWER[5:9], 5),
    chunk(ANSWER[9:], 9),
    chunk(b"", 5),
    block(),
    b"",
    b"\xff",
]


def check(file: Path, name: str, payload: bytes) -> list[Frame] | None:
    """Reads a payload under the keys and the header of a good vector; what is taken must be what was sealed."""
    craft, reader = crafted(name, payload=payload)
    frames = attempt(lambda: read(file, craft.build(), reader))
    if frames is not None:
        assert len(framed(*frames)) == len(payload)
        assert all(keeps_its_rules(frame) for frame in frames)
    return frames


def keeps_its_rules(frame: Frame) -> bool:
    """Whether the validator agrees, but for what a search says: that is for whoever executes it."""
    judged = Frame()
    judged.CopyFrom(frame)
    for record in judged.records.records:
        if record.request.HasField("search"):
            record.request.search.CopyFrom(request().request.search)
    return check_rules(judged) is None


@cases(200)
@given(st.data())
def test_any_change_of_a_plaintext_is_read_whole_or_refused(file: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(SHORT))
    check(file, name, data.draw(changed(st.sampled_from([PAYLOADS[name], *(PAYLOADS[other] for other in SHORT)]))))


@cases(150)
@given(NAMES, st.binary(max_size=300), st.booleans())
def test_any_plaintext_is_read_whole_or_refused(file: Path, name: str, noise: bytes, begin_well: bool) -> None:
    check(file, name, (framed(acknowledgements()) if begin_well else b"") + noise)


@cases(200)
@given(NAMES, st.lists(st.binary(max_size=60), max_size=4), st.integers(0, 4), st.integers(0, 2))
def test_any_frame_is_read_whole_or_refused(
    file: Path, name: str, frames: list[bytes], records: int, chunks: int
) -> None:
    check(file, name, framed(acknowledgements(), *frames, end(records, chunks)))


@cases(300)
@given(
    st.sampled_from(["good-requests", "good-responses", "good-status"]),
    st.lists(st.sampled_from(PARTS), max_size=6),
    st.one_of(st.none(), st.tuples(st.integers(0, 6), st.integers(0, 3))),
)
def test_frames_in_any_order_are_taken_only_in_the_order_of_the_format(
    file: Path, name: str, middle: list[Frame | bytes], counts: tuple[int, int] | None
) -> None:
    whole = [frame for frame in middle if isinstance(frame, Frame)]
    right = (sum(len(frame.records.records) for frame in whole), sum(frame.HasField("chunk") for frame in whole))
    payload = framed(acknowledgements(), *middle, end(*(counts or right)))
    frames = check(file, name, payload)
    if frames is not None:
        assert framed(*frames) == payload
        assert counts in {None, right}
        assert len(whole) == len(middle)
        kinds = {record.WhichOneof("content") for frame in whole for record in frame.records.records}
        assert kinds <= {"good-requests": {"request"}, "good-responses": {"response"}, "good-status": set()}[name]
        total = sum(record.response.total_length for frame in whole for record in frame.records.records)
        held = sum(len(record.response.data) for frame in whole for record in frame.records.records)
        assert total == held + sum(len(frame.chunk.data) for frame in whole)


@cases(200)
@given(NAMES, st.lists(RECORDS, min_size=1, max_size=2))
@example("good-requests", [SEARCH_OF_NO_MEANING])
def test_a_record_that_is_taken_keeps_the_rules_beside_its_fields(file: Path, name: str, records: list[Record]) -> None:
    payload = framed(acknowledgements(), block(*records), end(len(records)))
    frames = check(file, name, payload)
    if frames is not None:
        assert list(frames[1].records.records) == records


@cases(200)
@given(st.one_of(messages(Acknowledgements), nearly(STATE)))
def test_acknowledgements_are_taken_exactly_if_they_keep_their_rules(file: Path, state: Acknowledgements) -> None:
    payload = framed(Frame(acknowledgements=state), end(0))
    # Under the header of schema 1.1, which knows every field.
    frames = check(file, "good-announcing", payload)
    assert (frames is not None) == (check_rules(state) is None)


@cases(200)
@given(st.one_of(messages(ResultChunk), nearly(PIECE)), st.sampled_from([5, 5, 0, len(ANSWER)]))
def test_a_piece_is_taken_only_as_the_next_of_its_answer(file: Path, piece: ResultChunk, inline: int) -> None:
    payload = framed(acknowledgements(), block(response(ANSWER, inline)), Frame(chunk=piece), end(1, 1))
    frames = check(file, "good-responses", payload)
    if frames is not None:
        assert (piece.offset, piece.data) == (inline, ANSWER[inline:])


@pytest.mark.parametrize("tag", [b"\x22", b"\x3a", b"\x52"], ids=["above", "voided", "reads_features"])
def test_a_list_that_is_too_long_is_refused_before_its_entries_cost_memory(file: Path, tag: bytes) -> None:
    state = b"\x1a\x20" + bytes(32) + (tag + b"\x00") * 4_000
    frame = b"\x0a" + varint(len(state)) + state
    craft, reader = crafted("good-status", payload=framed(frame, end(0)))
    data = craft.build()
    tracemalloc.start()
    try:
        with pytest.raises(MalformedFrameError):
            read(file, data, reader)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
