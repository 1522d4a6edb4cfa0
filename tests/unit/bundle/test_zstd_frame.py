"""The walk over a zstd frame agrees with the compressor, and sees what the decompressor lets pass."""

from __future__ import annotations

import os

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from transfer.bundle.zstd_frame import ZstdFrameWalker
from transfer.errors import CompressionError, DataAfterEndError, TransferError

CONTENTS = {
    "empty": b"",
    "one byte": b"x",
    "text": b"the same again and again " * 5000,
    "one letter": bytes(700_000),
    "noise": os.urandom(300_000),
}


def walk(data: bytes, step: int = 1 << 20) -> None:
    walker = ZstdFrameWalker()
    for start in range(0, len(data), step):
        walker.feed(data[start : start + step])
    walker.finish()


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("sized", [False, True])
def test_a_whole_frame_is_taken_and_every_cut_refused(content: bytes, checksum: bool, sized: bool) -> None:
    data = zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=sized).compress(content)
    walk(data)
    walk(data, step=7)
    for length in {0, 3, 5, 6, len(data) // 2, len(data) - 1}:
        with pytest.raises(CompressionError):
            walk(data[:length])


def test_frames_written_in_pieces_are_taken() -> None:
    compressor = zstandard.ZstdCompressor(level=1).compressobj()
    pieces = [compressor.compress(piece) for piece in CONTENTS.values()]
    walk(b"".join([*pieces, compressor.flush()]), step=1000)


@pytest.mark.parametrize(
    "tail", [b"\x00", zstandard.ZstdCompressor().compress(b""), b"\x50\x2a\x4d\x18\x00\x00\x00\x00"]
)
def test_bytes_behind_the_frame_are_refused(tail: bytes) -> None:
    data = zstandard.ZstdCompressor().compress(b"content")
    with pytest.raises(DataAfterEndError):
        walk(data + tail)


@pytest.mark.parametrize("log", [24, 27])
def test_a_window_beyond_8_mib_is_refused_before_a_byte_is_decompressed(log: int) -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=log, write_content_size=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = compressor.compress(b"content") + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    with pytest.raises(CompressionError, match="window"):
        walk(data)


def test_a_single_segment_beyond_8_mib_is_refused() -> None:
    size = (8 << 20) + 1
    with pytest.raises(CompressionError, match="window"):
        walk(b"\x28\xb5\x2f\xfd\xa0" + size.to_bytes(4, "little"))


def test_a_dictionary_is_refused() -> None:
    dictionary = zstandard.ZstdCompressionDict(b"a dictionary of words " * 50, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    data = bytearray(zstandard.ZstdCompressor(dict_data=dictionary).compress(b"words"))
    data[4] |= 1
    with pytest.raises(CompressionError, match="dictionary"):
        walk(bytes(data))


@pytest.mark.parametrize("block", [(3 << 1) | 1, (200_000 << 3) | 1])
def test_a_block_of_a_reserved_type_or_size_is_refused(block: int) -> None:
    with pytest.raises(CompressionError, match="block"):
        walk(b"\x28\xb5\x2f\xfd\x00\x00" + block.to_bytes(3, "little"))


@given(st.binary(max_size=60), st.booleans())
def test_noise_gives_an_error_of_ours_or_is_a_frame(noise: bytes, magic: bool) -> None:
    data = (b"\x28\xb5\x2f\xfd" if magic else b"") + noise
    try:
        walk(data, step=5)
    except TransferError:
        return
    assert zstandard.frame_content_size(data) >= -1
