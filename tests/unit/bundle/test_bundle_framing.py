"""Varints and frames: one encoding for each, and a bound on everything."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.bundle.framing import FrameReader, encode_varint
from transfer.errors import BundleError, LimitExceededError, MissingEndError, NonCanonicalError


class Trickle(io.RawIOBase):
    """Gives out its bytes in pieces of the given sizes, as decompressors do."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._data = data
        self._sizes = sizes or [1]
        self._turn = 0
        self.asked = 0

    def readinto(self, buffer: memoryview) -> int:
        size = min(self._sizes[self._turn % len(self._sizes)], len(buffer), len(self._data))
        self._turn += 1
        self.asked = max(self.asked, len(buffer))
        buffer[:size] = self._data[:size]
        self._data = self._data[size:]
        return size


def frames_of(data: bytes, sizes: list[int], max_frame: int = 300) -> list[bytes]:
    reader = FrameReader(Trickle(data, sizes), max_frame=max_frame)
    frames = []
    while (frame := reader.next_frame()) is not None:
        frames.append(bytes(frame))
    assert reader.at_end()
    assert reader.bytes_read == len(data)
    return frames


@given(st.lists(st.binary(max_size=300), max_size=20), st.lists(st.integers(1, 400), max_size=5))
def test_frames_come_out_as_they_went_in_however_the_bytes_trickle(frames: list[bytes], sizes: list[int]) -> None:
    data = b"".join(encode_varint(len(frame)) + frame for frame in frames)
    assert frames_of(data, sizes) == frames


@given(st.binary(max_size=400), st.lists(st.integers(1, 400), max_size=5))
def test_what_is_taken_encodes_to_the_same_bytes_again(data: bytes, sizes: list[int]) -> None:
    try:
        frames = frames_of(data, sizes)
    except BundleError:
        return
    assert b"".join(encode_varint(len(frame)) + frame for frame in frames) == data


@given(st.integers(0, 2**64))
def test_a_varint_is_as_short_as_protobuf_writes_it(value: int) -> None:
    encoded = encode_varint(value)
    assert sum((byte & 0x7F) << 7 * place for place, byte in enumerate(encoded)) == value
    assert len(encoded) == max(1, -(-value.bit_length() // 7))


@pytest.mark.parametrize("padded", [b"\x80\x00", b"\x85\x00", b"\xff\x80\x00"])
def test_a_padded_length_is_refused(padded: bytes) -> None:
    with pytest.raises(NonCanonicalError, match="padded"):
        frames_of(padded + bytes(100), [7])


def test_a_length_beyond_the_limit_is_refused_before_memory_is_asked_for() -> None:
    source = Trickle(encode_varint(301) + bytes(301), [1000])
    reader = FrameReader(source, max_frame=300)
    with pytest.raises(LimitExceededError, match="claims 301 bytes"):
        reader.next_frame()
    assert source.asked < 320


def test_a_length_that_never_ends_is_refused() -> None:
    with pytest.raises(LimitExceededError, match="longer than"):
        frames_of(b"\xff" * 50, [50])


@pytest.mark.parametrize("data", [b"\x80", b"\x05abcd", b"\x01a\x02"])
def test_a_stream_that_ends_inside_a_frame_is_cut(data: bytes) -> None:
    with pytest.raises(MissingEndError, match="ends inside"):
        frames_of(data, [1])


def test_a_source_that_expands_without_end_is_stopped() -> None:
    reader = FrameReader(Trickle(bytes(5000), [100]), max_frame=300, max_payload=1000)
    with pytest.raises(LimitExceededError, match="more than 1000"):
        list(iter(reader.next_frame, None))
