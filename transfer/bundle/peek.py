"""A look at the two ends of a bundle file, without reading its middle. For order and reports; nothing trusts it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from transfer.bundle.header import parse_header
from transfer.bundle.layout import MAX_TRAILER, PRELUDE_BYTES, parse_prelude, parse_trailer
from transfer.bundle.limits import MAX_FILE
from transfer.bundle.verify import open_regular
from transfer.errors import LimitExceededError, TruncatedError, spool_error

if TYPE_CHECKING:
    from airlock.bundle.v1.header_pb2 import BundleHeader


@dataclass(frozen=True, slots=True)
class PeekedEnds:
    """What a file's two ends claim: header, the digest and the signers' key ids in the trailer, size. UNVERIFIED."""

    header_bytes: bytes
    digest: bytes
    size: int
    signers: tuple[bytes, ...] = ()

    @property
    def header(self) -> BundleHeader:
        """The header message. Raises a BundleError if it is none that this version knows."""
        return parse_header(self.header_bytes)


def peek(path: str | os.PathLike[str]) -> PeekedEnds:
    """Reads at most 66 KiB of a file. Raises a BundleError if its ends are not those of a bundle, or SpoolError."""
    descriptor = open_regular(path)
    try:
        return peek_descriptor(descriptor)
    except OSError as error:
        raise spool_error("Reading", path, error) from error
    finally:
        os.close(descriptor)


def peek_descriptor(descriptor: int) -> PeekedEnds:
    """As `peek`, on an open file. An OSError passes through."""
    size = os.fstat(descriptor).st_size
    if size > MAX_FILE:
        msg = f"The file has {size} bytes; a bundle has at most {MAX_FILE}."
        raise LimitExceededError(msg)
    length = parse_prelude(os.pread(descriptor, PRELUDE_BYTES, 0))
    trailer, trailer_length = parse_trailer(os.pread(descriptor, MAX_TRAILER, max(0, size - MAX_TRAILER)))
    if PRELUDE_BYTES + length + trailer_length > size:
        msg = f"The header claims {length} bytes, more than the file holds."
        raise TruncatedError(msg)
    signers = tuple(one.key_id for one in trailer.signatures)
    return PeekedEnds(os.pread(descriptor, length, PRELUDE_BYTES), trailer.digest, size, signers)
