"""Fuzz of varints, frames and the prelude, against a second implementation that is written for clarity alone."""

from __future__ import annotations

import io

from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz.fuzzing import TELLING, attempt, cases, changed
from tests.vectors import craft
from transfer.bundle.framing import FrameReader, encode_varint
from transfer.bundle.layout import pack_prelude, parse_prelude
from transfer.errors import BundleError, LimitExceededError, MissingEndError, NonCanonicalError

MAX_FRAME = 40
SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=5)
LENGTHS = st.one_of(
    st.integers(0, 2 * MAX_FRAME).map(craft.varint),
    st.integers(0, 2**70).map(craft.varint),
    st.binary(min_size=1, max_size=5),
    st.sampled_from(TELLING),
)
STREAMS = st.lists(st.tuples(LENGTHS, st.binary(max_size=MAX_FRAME)), max_size=6).map(
    lambda parts: b"".join(length + content for length, content in parts)
)
FRAMED = st.lists(st.binary(max_size=MAX_FRAME), max_size=8).map(lambda frames: craft.framed(*frames))


class Trickle(io.RawIOBase):
    """Gives out bytes in pieces of the given sizes."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._data = data
        self._sizes = sizes
        self._turn = 0

    def readinto(self, buffer: memoryview) -> int:
        size = min(self._sizes[self._turn % len(self._sizes)], len(buffer), len(self._data))
        self._turn += 1
        buffer[:size] = self._data[:size]
        self._data = self._data[size:]
        return size


def reference(data: bytes) -> list[bytes] | type[BundleError]:
    """The frames, or the first thing that is wrong with them, as the format's text says it."""
    frames = []
    while data:
        prefix = next((data[:size] for size in range(1, 4) if len(data) >= size and data[size - 1] < 0x80), None)
        if prefix is None:
            return LimitExceededError if len(data) >= 3 else MissingEndError
        length = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(prefix))
        if craft.varint(length) != prefix:
            return NonCanonicalError
        if length > MAX_FRAME:
            return LimitExceededError
        if len(data) < len(prefix) + length:
            return MissingEndError
        frames.append(data[len(prefix) : len(prefix) + length])
        data = data[len(prefix) + length :]
    return frames


def frames_of(data: bytes, sizes: list[int]) -> list[bytes] | type[BundleError]:
    reader = FrameReader(Trickle(data, sizes), max_frame=MAX_FRAME)
    try:
        frames = [bytes(frame) for frame in iter(reader.next_frame, None)]
    except BundleError as refusal:
        return type(refusal)
    assert reader.at_end()
    assert reader.bytes_read == len(data)
    return frames


@cases(300)
@given(st.one_of(STREAMS, FRAMED, changed(FRAMED)), SIZES)
@example(b"\x80\x80", [1])
@example(b"\x80\x80\x80", [1])
@example(b"\x80\x80\x00", [2])
def test_frames_are_cut_as_a_second_implementation_cuts_them(data: bytes, sizes: list[int]) -> None:
    found = frames_of(data, sizes)
    assert found == reference(data)
    if isinstance(found, list):
        assert b"".join(encode_varint(len(frame)) + frame for frame in found) == data


@cases(200)
@given(st.integers(0, 2**70))
def test_a_number_has_the_varint_of_a_second_implementation(value: int) -> None:
    assert encode_varint(value) == craft.varint(value)


@cases(200)
@given(STREAMS, st.integers(0, 300))
def test_never_more_than_the_bound_on_the_payload_is_given_out(data: bytes, bound: int) -> None:
    reader = FrameReader(Trickle(data, [7]), max_frame=MAX_FRAME, max_payload=bound)
    frames = attempt(lambda: [bytes(frame) for frame in iter(reader.next_frame, None)])
    if frames is not None:
        assert len(data) <= bound


@cases(300)
@given(
    st.one_of(
        st.binary(max_size=40),
        changed(st.integers(1, 65_536).map(pack_prelude)),
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 70_000)).map(
            lambda parts: (
                craft.MAGIC + parts[0].to_bytes(2, "big") + parts[1].to_bytes(2, "big") + parts[2].to_bytes(4, "big")
            )
        ),
    )
)
@example(b"")
@example(craft.MAGIC[:3])
@example(craft.MAGIC + b"\x00\x01\x00\x00\x00\x01\x00\x00")
@example(craft.MAGIC + b"\x00\x01\x00\x00\x00\x01\x00\x01")
@example(craft.MAGIC + b"\x00\x01\x00\x00\x00\x00\x00\x00")
def test_a_prelude_that_is_taken_is_the_one_that_a_writer_packs(data: bytes) -> None:
    length = attempt(lambda: parse_prelude(data))
    if length is not None:
        assert pack_prelude(length) == data[:16]
