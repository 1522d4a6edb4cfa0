"""Varints and length-delimited frames of the payload: one encoding for each length, and a bound on every one."""

from __future__ import annotations

from typing import Final, Protocol

from transfer.bundle.limits import MAX_FRAME, MAX_PAYLOAD
from transfer.errors import LimitExceededError, MissingEndError, NonCanonicalError

# The varint of MAX_FRAME has three bytes; a longer one is beyond the limit or padded.
_MAX_PREFIX: Final = (MAX_FRAME.bit_length() + 6) // 7
_SEVEN_BITS: Final = 0x7F
_MORE: Final = 0x80


def encode_varint(value: int) -> bytes:
    """The shortest base-128 varint of a number that is not negative, as protobuf writes it."""
    if value <= _SEVEN_BITS:
        return bytes((value,))
    parts = bytearray()
    while value > _SEVEN_BITS:
        parts.append(value & _SEVEN_BITS | _MORE)
        value >>= 7
    parts.append(value)
    return bytes(parts)


class ByteSource(Protocol):
    """Where bytes come from; `readinto` returns 0 at the end."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fills some of the buffer and returns how much."""
        ...


class FrameReader:
    """Cuts a stream of bytes into frames, in one buffer that never grows.

    `max_payload` bounds all bytes that are read; a source that expands little into much is stopped there.
    """

    def __init__(self, source: ByteSource, *, max_frame: int = MAX_FRAME, max_payload: int = MAX_PAYLOAD) -> None:
        self._source = source
        self._max_frame = max_frame
        self._max_payload = max_payload
        self._buffer = bytearray(max_frame + 2 * _MAX_PREFIX)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0
        self.bytes_read = 0

    def next_frame(self) -> memoryview | None:
        """The next frame, valid until the next call; None where the stream ends between frames.

        Raises NonCanonicalError, LimitExceededError, and MissingEndError if the stream ends inside a frame.
        """
        length = self._read_prefix()
        if length is None:
            return None
        while self._end - self._start < length:
            if not self._fill():
                msg = f"The payload ends inside a frame: {self._end - self._start} of {length} bytes are there."
                raise MissingEndError(msg)
        frame = self._view[self._start : self._start + length]
        self._start += length
        return frame

    def at_end(self) -> bool:
        """Whether nothing is left to read."""
        return self._start == self._end and not self._fill()

    def _read_prefix(self) -> int | None:
        length = 0
        for place in range(_MAX_PREFIX):
            if self._start + place == self._end and not self._fill():
                if place == 0:
                    return None
                msg = "The payload ends inside the length of a frame."
                raise MissingEndError(msg)
            byte = self._buffer[self._start + place]
            length |= (byte & _SEVEN_BITS) << (7 * place)
            if byte < _MORE:
                return self._checked(length, place, byte)
        msg = f"A frame's length is longer than {_MAX_PREFIX} bytes; a frame has at most {self._max_frame}."
        raise LimitExceededError(msg)

    def _checked(self, length: int, place: int, last_byte: int) -> int:
        if place and not last_byte:
            msg = "A frame's length is padded with zero bits."
            raise NonCanonicalError(msg)
        if length > self._max_frame:
            msg = f"A frame claims {length} bytes; the limit is {self._max_frame}."
            raise LimitExceededError(msg)
        self._start += place + 1
        return length

    def _fill(self) -> bool:
        """Reads more behind what is there; whatever is left is first moved to the front."""
        if self._start:
            left = self._end - self._start
            self._buffer[:left] = self._buffer[self._start : self._end]
            self._start, self._end = 0, left
        count = self._source.readinto(self._view[self._end :])
        self._end += count
        self.bytes_read += count
        if self.bytes_read > self._max_payload:
            msg = f"The payload has more than {self._max_payload} bytes."
            raise LimitExceededError(msg)
        return count > 0
