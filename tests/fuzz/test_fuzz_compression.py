"""Fuzz of the compressed stream, sealed with the right keys: frames of any writer, changed ones, and frames by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.fuzzing import PAYLOADS, attempt, cases, changed, crafted, read
from tests.vectors.craft import framed, good_payload
from transfer.bundle.zstd_frame import ZstdFrameWalker

if TYPE_CHECKING:
    from pathlib import Path

MAGIC = b"\x28\xb5\x2f\xfd"


def whole(data: bytes) -> bytes | None:
    """What the library makes of exactly one frame, not a skippable one, that names no dictionary; or None."""
    if not data.startswith(MAGIC) or (data[4:5] and data[4] & 3):
        return None
    decompressor = zstandard.ZstdDecompressor(max_window_size=8 << 20).decompressobj()
    try:
        content = decompressor.decompress(data)
    except zstandard.ZstdError:
        return None
    return content if decompressor.eof and not decompressor.unused_data else None


def walks(data: bytes, step: int) -> bool:
    walker = ZstdFrameWalker()

    def walk() -> bool:
        for start in range(0, len(data), step):
            walker.feed(data[start : start + step])
        walker.finish()
        return True

    return bool(attempt(walk))


@st.composite
def written(draw: st.DrawFn, contents: st.SearchStrategy[bytes]) -> bytes:
    """A frame of a writer with any settings, flushed in any place."""
    level = draw(st.sampled_from([-5, 1, 3, 9]))
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level,
        write_checksum=draw(st.booleans()),
        write_content_size=draw(st.booleans()),
        window_log=draw(st.sampled_from([10, 17, 23])),
    )
    content = draw(contents)
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    if draw(st.booleans()):
        return compressor.compress(content)
    stream = compressor.compressobj()
    middle = draw(st.integers(0, len(content)))
    parts = [
        stream.compress(content[:middle]),
        stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK),
        stream.compress(content[middle:]),
        stream.flush(),
    ]
    return b"".join(parts)


@st.composite
def by_hand(draw: st.DrawFn) -> bytes:
    """A header of any shape, then raw and repeated blocks; sizes may lie."""
    descriptor = draw(st.one_of(st.sampled_from([0x00, 0x20, 0x60, 0xA0]), st.integers(0, 255)))
    head = draw(st.binary(max_size=9))
    parts = [MAGIC, bytes([descriptor]), head]
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from([0, 0, 1, 1, 2, 3]))
        content = draw(st.binary(max_size=20))
        size = draw(st.sampled_from([len(content), len(content), 0, 131_072, 131_073, 2**21 - 1]))
        last = draw(st.booleans())
        parts += [(size << 3 | kind << 1 | last).to_bytes(3, "little"), content[:1] if kind == 1 else content]
    return b"".join(parts)


FRAMES = st.one_of(written(st.binary(max_size=300)), by_hand())


@cases(400)
@given(st.one_of(FRAMES, changed(FRAMES)), st.integers(1, 50))
def test_what_the_library_takes_as_one_frame_walks_as_one(data: bytes, step: int) -> None:
    if whole(data) is not None:
        assert walks(data, step)


@cases(150)
@given(st.data())
def test_a_payload_compressed_by_any_writer_is_read(file: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(PAYLOADS)))
    craft, reader = crafted(name, compressed=data.draw(written(st.just(PAYLOADS[name]))))
    assert framed(*read(file, craft.build(), reader)) == PAYLOADS[name]


@cases(300)
@given(st.one_of(changed(written(st.just(good_payload()))), by_hand(), st.binary(max_size=100)))
def test_a_changed_frame_is_taken_only_if_it_is_one_whole_frame_of_the_payload(file: Path, compressed: bytes) -> None:
    craft, reader = crafted("good-requests", compressed=compressed)
    frames = attempt(lambda: read(file, craft.build(), reader))
    if frames is not None:
        assert whole(compressed) == framed(*frames)
