"""Opens the payload of a verified bundle: decrypts, decompresses, cuts and checks frames, one at a time.

Plaintext lives in memory only, a frame at a time. Whatever the iterator gives out is authentic, but the bundle is whole
only once the iterator is exhausted: apply its records in one transaction and commit after that.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final, Self, cast

import zstandard
from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
from airlock.bundle.v1.frame_pb2 import Frame
from buf.validate import validate_pb2
from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.exceptions import InvalidTag
from google.protobuf.message import DecodeError

from transfer.bundle.framing import FrameReader
from transfer.bundle.layout import MIN_CIPHERTEXT
from transfer.bundle.limits import BLOCK_RECORDS, MAX_WINDOW, SCHEMA_MAJOR
from transfer.bundle.records import PayloadRules
from transfer.bundle.rules import check_rules
from transfer.bundle.sealing import encryption_context
from transfer.bundle.verify import VerifiedBundle, open_regular
from transfer.bundle.versions import needed_minor
from transfer.bundle.zstd_frame import ZstdFrameWalker
from transfer.errors import (
    BundleError,
    CompressionError,
    CountMismatchError,
    DataAfterEndError,
    FrameOrderError,
    LimitExceededError,
    MalformedFrameError,
    MissingEndError,
    NonCanonicalError,
    TamperedPayloadError,
    TruncatedError,
    UnknownFieldError,
    WrongKeyError,
    spool_error,
)

if TYPE_CHECKING:
    from types import TracebackType

    from transfer.bundle.keyring import Keyring

_SALT_AND_COMMITMENT: Final = 24 + 32
_PLAIN_CHUNK: Final = 16 * 1024
_SEALED_CHUNK: Final = _PLAIN_CHUNK + 16
_CHUNKS_AT_ONCE: Final = 8

_HIGHEST: Final = 2**63 - 1
_DIGEST: Final = 32
_MAX_REASON: Final = 64
# The longest that each list may be, as `max_items` stands beside its field.
_LIST_LIMITS: Final = {
    field.name: limit
    for field in Acknowledgements.DESCRIPTOR.fields
    if (limit := field.GetOptions().Extensions[validate_pb2.field].repeated.max_items)
}


@dataclass(frozen=True, slots=True)
class Counts:
    """What a whole payload held."""

    records: int
    chunks: int
    payload_bytes: int


class _Decrypted:
    """The compressed payload as a stream; every byte it gives out has passed its chunk's authentication."""

    def __init__(self, descriptor: int, bundle: VerifiedBundle, key: bytes) -> None:
        self._descriptor = descriptor
        self._path = bundle.path
        self._position = bundle.payload_offset
        self._end = bundle.payload_end
        self._decryptor = Cobblestone256Decryptor(key, encryption_context(bundle.head))
        self._walker = ZstdFrameWalker()
        # Two buffers for the whole payload; fresh ones for each piece cost more than their decryption.
        self._sealed = memoryview(bytearray(_CHUNKS_AT_ONCE * _SEALED_CHUNK))
        self._plain = memoryview(bytearray((_CHUNKS_AT_ONCE + 1) * _PLAIN_CHUNK))
        self._finalised = False
        self._commit()

    def read(self, _size: int) -> bytes | memoryview:
        """Up to eight chunks, valid until the next call; empty at the end, when last chunk and frame proved whole."""
        while self._position < self._end:
            data = self._decrypt(self._next(len(self._sealed)))
            if data:
                self._walker.feed(data)
                return data
        if self._finalised:
            return b""
        self._finalised = True
        rest = self._finalise()
        self._walker.feed(rest)
        self._walker.finish()
        return rest

    def drain(self) -> None:
        """Reads what is left, so that the last chunk is checked too."""
        while self.read(0):
            pass

    def _commit(self) -> None:
        """The salt and the key commitment come first and tell a wrong key from a changed payload."""
        if self._end - self._position < MIN_CIPHERTEXT:
            msg = f"The encrypted payload has {self._end - self._position} bytes, fewer than an empty one."
            raise TamperedPayloadError(msg)
        try:
            self._decryptor.update(self._next(_SALT_AND_COMMITMENT))
        except InvalidTag:
            msg = "The payload was not sealed with this key and header."
            raise WrongKeyError(msg) from None

    def _next(self, length: int) -> memoryview:
        length = min(length, self._end - self._position)
        try:
            count = os.preadv(self._descriptor, [self._sealed[:length]], self._position)
        except OSError as error:
            raise spool_error("Reading", self._path, error) from error
        if not count:
            msg = "The file became shorter while it was read."
            raise TruncatedError(msg)
        self._position += count
        return self._sealed[:count]

    def _decrypt(self, data: memoryview) -> memoryview:
        try:
            return self._plain[: self._decryptor.update_into(data, self._plain)]
        except InvalidTag:
            raise self._tampered() from None

    def _finalise(self) -> bytes:
        try:
            return self._decryptor.finalize()
        except InvalidTag:
            raise self._tampered() from None

    def _tampered(self) -> TamperedPayloadError:
        place = f"before byte {self._position} of the file"
        return TamperedPayloadError(f"The encrypted payload fails its authentication {place}.")


class _Decompressed:
    """The payload as a stream of bytes, decompressed into the buffer of whoever reads, never further."""

    def __init__(self, source: _Decrypted) -> None:
        decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
        self._reader = decompressor.stream_reader(cast("IO[bytes]", source), read_size=_CHUNKS_AT_ONCE * _PLAIN_CHUNK)

    def readinto(self, buffer: memoryview) -> int:
        try:
            return self._reader.readinto(buffer)
        except zstandard.ZstdError:
            msg = "The payload is not a valid zstd frame within a window of 8 MiB."
            raise CompressionError(msg) from None


class PayloadReader:
    """Iterates over the frames of a payload between its acknowledgements and its End. A context manager.

    Construction decrypts and checks the first frame, which is then `acknowledgements`. Every step may raise a
    BundleError or SpoolError; nothing of the bundle may be kept then. `counts` is set once the iterator is exhausted.
    """

    def __init__(self, bundle: VerifiedBundle, keyring: Keyring) -> None:
        header = bundle.header
        key = keyring.direction_key(header.key_version, header.source_network, header.destination_network)
        self._counts: Counts | None = None
        self._rules = PayloadRules(header.kind, header.schema_minor)
        self._schema_minor = header.schema_minor
        self._descriptor: int | None = open_regular(bundle.path)
        try:
            self._source = _Decrypted(self._descriptor, bundle, key)
            self._frames = FrameReader(_Decompressed(self._source))
            self.acknowledgements = self._first()
        except BaseException:
            self.close()
            raise

    @property
    def counts(self) -> Counts:
        """What the payload held. ValueError before the iterator is exhausted."""
        if self._counts is None:
            msg = "the payload has not been read to its end"
            raise ValueError(msg)
        return self._counts

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file. May be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Frame:
        if self._counts is not None:
            raise StopIteration
        frame = self._parse()
        content = frame.WhichOneof("content")
        if content == "records":
            self._rules.check_block(frame.records)
            return frame
        if content == "chunk":
            self._rules.check_chunk(frame.chunk)
            return frame
        if content == "end":
            self._check_end(frame)
            raise StopIteration
        msg = "A frame after the first holds acknowledgements again or nothing at all."
        raise FrameOrderError(msg)

    def _first(self) -> Acknowledgements:
        frame = self._parse()
        if frame.WhichOneof("content") != "acknowledgements":
            msg = "The first frame does not hold the acknowledgements."
            raise FrameOrderError(msg)
        broken = _broken_entry(frame.acknowledgements) or check_rules(_without_entries(frame.acknowledgements))
        if broken is not None:
            msg = f"The acknowledgements break a rule: {broken}."
            raise MalformedFrameError(msg)
        if needed_minor(frame.acknowledgements) > self._schema_minor:
            msg = f"The acknowledgements hold a field that schema {SCHEMA_MAJOR}.{self._schema_minor} does not have."
            raise UnknownFieldError(msg)
        return frame.acknowledgements

    def _parse(self) -> Frame:
        data = self._frames.next_frame()
        if data is None:
            msg = "The payload ends without an End frame."
            raise MissingEndError(msg)
        try:
            frame = Frame.FromString(cast("bytes", data))
        except DecodeError:
            msg = "A frame is not a Frame message."
            raise MalformedFrameError(msg) from None
        if len(frame.records.records) > BLOCK_RECORDS:
            msg = f"A block has {len(frame.records.records)} records; the limit is {BLOCK_RECORDS}."
            raise LimitExceededError(msg)
        frame.DiscardUnknownFields()
        if frame.ByteSize() != len(data):
            raise _why_longer(data)
        return frame

    def _check_end(self, frame: Frame) -> None:
        """The payload must end here, with whole answers, right counts, and the last chunk authentic."""
        self._rules.check_end()
        told = (frame.end.records, frame.end.chunks)
        seen = (self._rules.records, self._rules.chunks)
        if told != seen:
            msg = (
                f"The End frame counts {told[0]} records and {told[1]} chunks; the payload has {seen[0]} and {seen[1]}."
            )
            raise CountMismatchError(msg)
        if not self._frames.at_end():
            msg = "Bytes follow the End frame."
            raise DataAfterEndError(msg)
        self._source.drain()
        self._counts = Counts(*seen, payload_bytes=self._frames.bytes_read)
        self.close()


def _broken_entry(acknowledgements: Acknowledgements) -> str | None:
    """The first rule that a list or one of its entries breaks.

    By hand: the validator judges every entry of a list that is too long, at several KiB of memory each.
    """
    for field, limit in _LIST_LIMITS.items():
        if len(getattr(acknowledgements, field)) > limit:
            return f"{field}: at most {limit} entries"
    for run in acknowledgements.above:
        numbers = 1 <= run.first <= _HIGHEST and 1 <= run.last <= _HIGHEST
        if not numbers or len(run.running_digest) != _DIGEST or len(run.refused_reason) > _MAX_REASON:
            return "above: a number, a digest or a reason is out of bounds"
    for voided in acknowledgements.voided:
        if not 1 <= voided.sequence <= _HIGHEST or len(voided.digest) != _DIGEST:
            return "voided: a number or a digest is out of bounds"
    return None


def _without_entries(acknowledgements: Acknowledgements) -> Acknowledgements:
    """What is left for the validator."""
    rest = Acknowledgements()
    rest.CopyFrom(acknowledgements)
    rest.ClearField("above")
    rest.ClearField("voided")
    return rest


def _why_longer(data: memoryview) -> BundleError:
    """Why a frame is longer than what is known of it: a later schema's field, or an encoding that is too long."""
    frame = Frame.FromString(bytes(data))
    size = frame.ByteSize()
    frame.DiscardUnknownFields()
    if frame.ByteSize() != size:
        return UnknownFieldError("A frame has a field that this version does not know.")
    return NonCanonicalError("A frame is not encoded in the shortest form.")
