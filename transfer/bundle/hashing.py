"""One pass over a file's bytes that yields everything its trailer is compared with."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from transfer.bundle.layout import MAX_TRAILER, PRELUDE_BYTES, Trailer, parse_prelude, parse_trailer
from transfer.bundle.limits import MAX_FILE, MAX_HEADER
from transfer.errors import HashMismatchError, LimitExceededError, TruncatedError

if TYPE_CHECKING:
    from collections.abc import Callable

READ_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class HashedFile:
    """A file whose trailer is well formed and whose hash is right. Its signatures are not checked yet."""

    header_bytes: bytes
    trailer: Trailer
    checksum: str
    size: int
    payload_offset: int
    payload_end: int

    @property
    def digest(self) -> bytes:
        """SHA-256 of every byte before the trailer."""
        return self.trailer.digest


def hash_descriptor(descriptor: int, sink: Callable[[memoryview], object] | None = None) -> HashedFile:
    """Reads an open file from its start, hands every piece to `sink`, and checks prelude, trailer and hash.

    Raises NotABundleError, FormatVersionError, UnknownFlagsError, TruncatedError, TrailingBytesError,
    HashMismatchError, NonCanonicalError, LimitExceededError or MalformedHeaderError. The sink has then had the whole
    file all the same, unless the file is longer than any bundle.
    """
    size = os.fstat(descriptor).st_size
    if size > MAX_FILE:
        msg = f"The file has {size} bytes; a bundle has at most {MAX_FILE}."
        raise LimitExceededError(msg)
    hasher = _Hasher(size)
    buffer = bytearray(READ_BYTES)
    view = memoryview(buffer)
    os.lseek(descriptor, 0, os.SEEK_SET)
    while count := os.readv(descriptor, [buffer]):
        hasher.update(view[:count])
        if sink is not None:
            sink(view[:count])
    return hasher.finish()


class _Hasher:
    """Holds the file's beginning and end while its middle passes by."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._head = bytearray()
        self._tail = b""
        self._seen = 0
        self._body = hashlib.sha256()

    def update(self, piece: memoryview) -> None:
        self._seen += len(piece)
        if self._seen > self._size:
            msg = "The file grew while it was read."
            raise TruncatedError(msg)
        room = PRELUDE_BYTES + MAX_HEADER - len(self._head)
        if room > 0:
            self._head += piece[:room]
        # Where the trailer begins is known at the end only; so the hash runs MAX_TRAILER bytes behind.
        if len(piece) >= MAX_TRAILER:
            self._body.update(self._tail)
            self._body.update(piece[:-MAX_TRAILER])
            self._tail = bytes(piece[-MAX_TRAILER:])
        else:
            joined = self._tail + bytes(piece)
            cut = max(0, len(joined) - MAX_TRAILER)
            self._body.update(joined[:cut])
            self._tail = joined[cut:]

    def finish(self) -> HashedFile:
        header_length = parse_prelude(bytes(self._head[:PRELUDE_BYTES]))
        if self._seen != self._size:
            msg = "The file shrank while it was read."
            raise TruncatedError(msg)
        trailer, trailer_length = parse_trailer(self._tail)
        payload_offset = PRELUDE_BYTES + header_length
        payload_end = self._size - trailer_length
        whole = self._body.copy()
        whole.update(self._tail)
        self._body.update(self._tail[: len(self._tail) - trailer_length])
        if self._body.digest() != trailer.digest:
            msg = "The file's SHA-256 is not the one in its trailer."
            raise HashMismatchError(msg)
        if payload_end < payload_offset:
            msg = f"The header claims {header_length} bytes, more than the file holds."
            raise TruncatedError(msg)
        return HashedFile(
            header_bytes=bytes(self._head[PRELUDE_BYTES:payload_offset]),
            trailer=trailer,
            checksum=whole.hexdigest(),
            size=self._size,
            payload_offset=payload_offset,
            payload_end=payload_end,
        )
