"""Walks over the blocks of one zstd frame (RFC 8878), without decompressing, to see that it is whole and alone.

The decompressor itself accepts a cut frame and ignores what follows one, both without a word.
"""

from __future__ import annotations

from typing import Final

from transfer.bundle.limits import MAX_WINDOW
from transfer.errors import CompressionError, DataAfterEndError

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_MAX_BLOCK: Final = 128 * 1024
_RLE, _RESERVED = 1, 3
_DICTIONARY_OR_RESERVED = 0b1011
_CONTENT_SIZE_BYTES = (0, 2, 4, 8)


class ZstdFrameWalker:
    """Fed every compressed byte in order; `finish` says whether they were exactly one frame."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._need = 5
        self._skip = 0
        self._in_header = True
        self._last_block = False
        self._checksum_bytes = 0
        self._whole = False

    def feed(self, data: bytes | memoryview) -> None:
        """Takes the next bytes. Raises CompressionError or, for a byte after the frame, DataAfterEndError."""
        position = 0
        while position < len(data):
            if self._whole:
                msg = "Bytes follow the compressed payload."
                raise DataAfterEndError(msg)
            if self._skip:
                step = min(self._skip, len(data) - position)
                self._skip -= step
            else:
                step = min(self._need - len(self._pending), len(data) - position)
                self._pending += data[position : position + step]
                if len(self._pending) == self._need:
                    self._step()
            position += step
            self._whole = self._last_block and not self._skip

    def finish(self) -> None:
        """Raises CompressionError if the frame is cut."""
        if not self._whole:
            msg = "The compressed payload is cut."
            raise CompressionError(msg)

    def _step(self) -> None:
        if self._in_header:
            self._read_header()
        else:
            self._read_block()

    def _read_header(self) -> None:
        """Sizes of the header's fields follow from its descriptor, the fifth byte."""
        header = self._pending
        if header[:4] != _MAGIC:
            msg = "The payload is not compressed with zstd."
            raise CompressionError(msg)
        descriptor = header[4]
        single_segment = descriptor >> 5 & 1
        size_code = descriptor >> 6
        size_bytes = 1 if single_segment and not size_code else _CONTENT_SIZE_BYTES[size_code]
        if descriptor & _DICTIONARY_OR_RESERVED:
            msg = "The compressed payload uses a dictionary or a reserved bit."
            raise CompressionError(msg)
        self._need = 5 + (1 - single_segment) + size_bytes
        if len(header) < self._need:
            return
        self._check_window(header, single_segment, size_bytes, size_code)
        self._checksum_bytes = 4 if descriptor >> 2 & 1 else 0
        self._in_header = False
        self._expect_block()

    def _check_window(self, header: bytearray, single_segment: int, size_bytes: int, size_code: int) -> None:
        if single_segment:
            window = int.from_bytes(header[5 : 5 + size_bytes], "little") + (256 if size_code == 1 else 0)
        else:
            base = 1 << (10 + (header[5] >> 3))
            window = base + base // 8 * (header[5] & 7)
        if window > MAX_WINDOW:
            msg = f"The compressed payload needs a window of {window} bytes; the limit is {MAX_WINDOW}."
            raise CompressionError(msg)

    def _expect_block(self) -> None:
        self._pending.clear()
        self._need = 3

    def _read_block(self) -> None:
        block = int.from_bytes(self._pending, "little")
        kind, size = block >> 1 & 3, block >> 3
        if kind == _RESERVED or size > _MAX_BLOCK:
            msg = "The compressed payload has a block of a reserved type or size."
            raise CompressionError(msg)
        self._last_block = bool(block & 1)
        self._skip = 1 if kind == _RLE else size
        if self._last_block:
            self._skip += self._checksum_bytes
        self._expect_block()
