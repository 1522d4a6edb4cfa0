"""Files that may be bundles to carry: how they are found, how urgent each is, and whether two copies are the same.

What is done with them is for `take` and `deliver`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from airlock.bundle.v1.header_pb2 import BundleHeader
from airlock.common.v1 import network_pb2
from google.protobuf.message import DecodeError

from transfer.bundle.hashing import HashedFile, hash_descriptor
from transfer.bundle.header import filename_of
from transfer.bundle.names import BUNDLE_SUFFIX, kind_name, network_name
from transfer.bundle.peek import PeekedEnds, peek_descriptor
from transfer.errors import BundleError, TransferError, UnreadableError, spool_error
from transfer.spool.walking import Found, open_found, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path, PurePath

# The small ones first, which tell the other side what arrived and who may ask; then each stream in its order.
_URGENCY: Final = {
    network_pb2.BUNDLE_KIND_STATUS: 0,
    network_pb2.BUNDLE_KIND_USERS: 1,
    network_pb2.BUNDLE_KIND_PROFILE_TYPES: 2,
    network_pb2.BUNDLE_KIND_SETTINGS: 3,
    network_pb2.BUNDLE_KIND_REQUESTS: 4,
    network_pb2.BUNDLE_KIND_RESPONSES: 4,
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file whose ends are those of a bundle. Its header is unverified: good enough for order, place and reports."""

    path: PurePath
    header: BundleHeader
    size: int

    @property
    def filename(self) -> str:
        """The name that a bundle with this header has, whatever this copy is called."""
        return filename_of(self.header)

    @property
    def urgency(self) -> tuple[int, int, int, str]:
        """Sorts the most urgent first."""
        return (_URGENCY[self.header.kind], self.header.epoch, self.header.sequence, str(self.path))


@dataclass(frozen=True, slots=True)
class CarriedFile:
    """A bundle that is whole, and where it is now."""

    path: Path
    header: BundleHeader
    size: int
    checksum: str


def journalled(one: CarriedFile) -> dict[str, str | int]:
    """What a journal says of a bundle that was carried."""
    header = one.header
    return {
        "file": filename_of(header),
        "kind": kind_name(header.kind),
        "epoch": header.epoch,
        "sequence": header.sequence,
        "size": one.size,
        "sha256": one.checksum,
    }


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """A file that looked like a bundle and was not carried, and why."""

    path: PurePath
    error: TransferError
    # Its number; 0 where its ends are too damaged to say.
    sequence: int = 0


class Meter:
    """Counts bytes for a progress bar; each bundle counts twice, for writing and for reading back."""

    def __init__(self, total: int, on_progress: Callable[[int, int], None]) -> None:
        self._total = total
        self._done = 0
        self._on_progress = on_progress

    def advance(self, count: int) -> None:
        """`count` more bytes are dealt with."""
        self._done += count
        self._on_progress(self._done, self._total)


def look(root: int) -> Iterator[Candidate | RefusedFile | Found]:
    """Everything below an open folder: candidates, files that only pretend to be, and what is none of ours."""
    for found in walk(root):
        if found.obstacle is not None or not _has_bundle_name(found.path):
            yield found
            continue
        try:
            yield _candidate(root, found)
        except TransferError as error:
            yield RefusedFile(found.path, error)


def _has_bundle_name(path: PurePath) -> bool:
    """Whether an entry is called as a bundle is; hidden names are half files of an interrupted copy."""
    return path.name.endswith(BUNDLE_SUFFIX) and not path.name.startswith(".")


def _candidate(root: int, found: Found) -> Candidate:
    descriptor = open_found(root, found.path)
    try:
        ends = peek_descriptor(descriptor)
        return Candidate(found.path, _header_of(ends), ends.size)
    except OSError as error:
        raise spool_error("Reading", found.path, error) from error
    finally:
        os.close(descriptor)


def _header_of(ends: PeekedEnds) -> BundleHeader:
    """The header, also of a newer schema: the import must see such a bundle to ask for an upgrade."""
    try:
        return ends.header
    except BundleError:
        header = _loosely(ends.header_bytes)
        if header is None:
            raise
        return header


def _loosely(data: bytes) -> BundleHeader | None:
    """A header whose fields for place and order can be used, whatever else it holds."""
    try:
        header = BundleHeader.FromString(data)
        filename_of(header)
        network_name(header.destination_network)
    except (DecodeError, ValueError, OverflowError):
        return None
    return header if header.kind in _URGENCY and header.destination_network else None


def hash_open(descriptor: int, path: PurePath) -> HashedFile:
    """Reads an open candidate whole. Raises a BundleError if it is damaged, UnreadableError if it cannot be read."""
    try:
        return hash_descriptor(descriptor)
    except OSError as error:
        msg = f"Reading {path} failed: {error.strerror or error}."
        raise UnreadableError(msg) from error


def same_as(hashed: HashedFile, path: Path) -> bool:
    """Whether `path` is a whole bundle with the same bytes; a damaged one, a link or nothing is not."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.fstat(descriptor).st_size == hashed.size and hash_descriptor(descriptor).checksum == hashed.checksum
    except (BundleError, OSError):
        return False
    finally:
        os.close(descriptor)
