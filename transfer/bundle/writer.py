"""Seals a bundle, record by record, in constant memory. Where the file goes afterwards is the spool's business."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Self

import zstandard
from airlock.bundle.v1.frame_pb2 import End, Frame, ResultChunk
from cryptography.cobblestone import Cobblestone256Encryptor

from transfer.bundle.framing import encode_varint
from transfer.bundle.header import parse_header
from transfer.bundle.layout import Trailer, TrailerSignature, pack_prelude
from transfer.bundle.limits import (
    BLOCK_BYTES,
    BLOCK_RECORDS,
    MAX_CHUNK_DATA,
    MAX_FRAME,
    MAX_PAYLOAD,
    MAX_RECORD,
)
from transfer.bundle.sealing import encryption_context
from transfer.bundle.signing import SENDER, SigningKey, pre_authentication
from transfer.errors import LimitExceededError, spool_error

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
    from airlock.bundle.v1.header_pb2 import BundleHeader

    from transfer.bundle.keyring import Keyring

# Protobuf tags (field number << 3 | 2) of Frame.acknowledgements, Frame.records and RecordBlock.records.
_ACKNOWLEDGEMENTS_TAG: Final = b"\x0a"
_RECORDS_TAG: Final = b"\x12"
_RECORD_TAG: Final = b"\x0a"
_WRITE_BYTES: Final = 256 * 1024
# Level 1 with tables that fit a processor's nearest cache: a fifth faster than plain level 1, and as small.
_COMPRESSION: Final = zstandard.ZstdCompressionParameters.from_level(1, window_log=17, hash_log=13)


@dataclass(frozen=True, slots=True)
class SealedBundle:
    """A durable, complete bundle file. `digest` stands in its trailer; `checksum` is what `sha256sum` prints."""

    path: Path
    digest: bytes
    checksum: str
    size: int
    records: int
    chunks: int
    payload_bytes: int


class BundleWriter:
    """Writes one bundle to `path`, replacing what is left there of an earlier attempt.

    `acknowledgements` is the first frame, rendered by the caller. Records come serialised. Used as a context manager it
    removes the file unless `finish` was reached. Every method may raise SpoolError: NoSpaceError when the disk is full.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        header: BundleHeader,
        keyring: Keyring,
        signing_key: SigningKey,
        acknowledgements: bytes | Acknowledgements,
    ) -> None:
        header_bytes = header.SerializeToString(deterministic=True)
        # A header that no reader would take is refused here, by the same rules.
        parse_header(header_bytes)
        key = keyring.direction_key(header.key_version, header.source_network, header.destination_network)
        head = pack_prelude(len(header_bytes)) + header_bytes
        first = acknowledgements if isinstance(acknowledgements, bytes) else acknowledgements.SerializeToString()

        self._path = Path(path)
        self._signing_key = signing_key
        self._payload_offset = len(head)
        self._encryptor = Cobblestone256Encryptor(key, encryption_context(head))
        self._compressor = zstandard.ZstdCompressor(compression_params=_COMPRESSION).compressobj()
        self._hash = hashlib.sha256()
        self._size = 0
        self._payload_bytes = 0
        self._records = 0
        self._chunks = 0
        # Each record of the open block is two entries, its prefix and itself.
        self._block: list[bytes] = []
        self._block_bytes = 0
        self._finished = False
        self._file = _create(self._path)
        try:
            self._write(head)
            self._add_frame(_ACKNOWLEDGEMENTS_TAG + encode_varint(len(first)) + first)
        except BaseException:
            self.abort()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._finished:
            self.abort()

    def add_record(self, serialised: bytes) -> None:
        """Adds one serialised `airlock.bundle.v1.Record`. Raises LimitExceededError if it is too long."""
        self.add_records((serialised,))

    def add_records(self, serialised: Iterable[bytes]) -> None:
        """Adds several records, in order. Raises LimitExceededError if one is too long."""
        for record in serialised:
            prefix = _record_prefix(len(record))
            added = len(prefix) + len(record)
            if self._block_bytes + added > BLOCK_BYTES:
                self._close_block()
            self._block.append(prefix)
            self._block.append(record)
            self._block_bytes += added
            if len(self._block) == 2 * BLOCK_RECORDS:
                self._close_block()

    def add_chunk(self, chunk: ResultChunk) -> None:
        """Adds a further piece of the answer whose record was added last. Raises LimitExceededError."""
        if len(chunk.data) > MAX_CHUNK_DATA:
            msg = f"A chunk of {len(chunk.data)} bytes is beyond the limit of {MAX_CHUNK_DATA}."
            raise LimitExceededError(msg)
        self._close_block()
        self._add_frame(Frame(chunk=chunk).SerializeToString())
        self._chunks += 1

    def finish(self) -> SealedBundle:
        """Writes End and trailer and makes the file durable; its folder is flushed by the spool's rename."""
        self._close_block()
        self._add_frame(Frame(end=End(records=self._records, chunks=self._chunks)).SerializeToString())
        self._write(self._encryptor.update(self._compressor.flush()))
        self._write(self._encryptor.finalize())
        trailer = self._sign()
        digest = self._hash.digest()
        self._write(trailer)
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise spool_error("Writing", self._path, error) from error
        self._finished = True
        return SealedBundle(
            path=self._path,
            digest=digest,
            checksum=self._hash.hexdigest(),
            size=self._size,
            records=self._records,
            chunks=self._chunks,
            payload_bytes=self._payload_bytes,
        )

    def abort(self) -> None:
        """Removes the unfinished file. Harmless after `finish`."""
        if self._finished:
            return
        self._finished = True
        # Closing flushes, which fails again on a full disk; the file goes all the same.
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _sign(self) -> bytes:
        digest = self._hash.digest()
        message = pre_authentication(SENDER, self._payload_offset, digest)
        signature = TrailerSignature(SENDER, self._signing_key.key_id, self._signing_key.sign(message))
        return Trailer((signature,), digest).pack()

    def _close_block(self) -> None:
        if self._block:
            self._add_frame(b"".join((_RECORDS_TAG, encode_varint(self._block_bytes), *self._block)))
            self._records += len(self._block) // 2
            self._block.clear()
            self._block_bytes = 0

    def _add_frame(self, frame: bytes) -> None:
        if len(frame) > MAX_FRAME:
            msg = f"A frame of {len(frame)} bytes is beyond the limit of {MAX_FRAME}."
            raise LimitExceededError(msg)
        prefix = encode_varint(len(frame))
        self._payload_bytes += len(prefix) + len(frame)
        if self._payload_bytes > MAX_PAYLOAD:
            msg = f"The payload is beyond the limit of {MAX_PAYLOAD} bytes."
            raise LimitExceededError(msg)
        for part in (prefix, frame):
            compressed = self._compressor.compress(part)
            if compressed:
                self._write(self._encryptor.update(compressed))

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        self._size += len(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise spool_error("Writing", self._path, error) from error


@lru_cache(maxsize=4096)
def _record_prefix(length: int) -> bytes:
    """Tag and length of a record in its block."""
    if length > MAX_RECORD:
        msg = f"A record of {length} bytes is beyond the limit of {MAX_RECORD}."
        raise LimitExceededError(msg)
    return _RECORD_TAG + encode_varint(length)


def _create(path: Path) -> BinaryIO:
    """A new file for this writer alone; a link or another's file of that name is replaced, never written through."""
    try:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        return os.fdopen(descriptor, "wb", buffering=_WRITE_BYTES)
    except OSError as error:
        raise spool_error("Creating", path, error) from error
