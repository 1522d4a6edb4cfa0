"""Copying one bundle so that it appears whole or not at all, is durable, and reads back as what was written."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from transfer.bundle.hashing import HashedFile, hash_descriptor
from transfer.errors import BundleError, ReadBackError, UnreadableError, spool_error
from transfer.spool.durable import replace_durably, temporary_beside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Left free beside each copy: for a sidecar, and for what the file system needs for two more names.
MARGIN_BYTES: Final = 64 * 1024


class Disk:
    """What a full or failing disk refuses. A test gives one that refuses on purpose."""

    def room(self, folder: Path) -> int:
        """How many bytes may still be written below `folder`."""
        status = os.statvfs(folder)
        return status.f_bavail * status.f_frsize

    def write(self, descriptor: int, piece: memoryview) -> None:
        """Writes all of `piece`."""
        while piece:
            piece = piece[os.write(descriptor, piece) :]

    def flush(self, descriptor: int) -> None:
        """Returns once everything written is on the disk."""
        os.fsync(descriptor)


def copy_bundle(source: int, target: Path, disk: Disk, on_bytes: Callable[[int], None]) -> HashedFile:
    """Copies the open file `source` to `target`, replacing what is there, and returns its hashes.

    `on_bytes` is told of every byte twice: when it is written and when it is read back. Raises a BundleError if the
    source is no whole bundle, UnreadableError if it cannot be read, ReadBackError if the copy is not the same,
    SpoolError or NoSpaceError; then nothing is left behind.
    """
    temporary = temporary_beside(target)
    try:
        written = _write(source, temporary, disk, on_bytes)
        _read_back(temporary, written, on_bytes)
        replace_durably(temporary, target)
    except OSError as error:
        raise spool_error("Copying to", target, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return written


def _write(source: int, temporary: Path, disk: Disk, on_bytes: Callable[[int], None]) -> HashedFile:
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:

        def sink(piece: memoryview) -> None:
            try:
                disk.write(descriptor, piece)
            except OSError as error:
                raise spool_error("Writing to", temporary.parent, error) from error
            on_bytes(len(piece))

        written = _read(source, sink)
        disk.flush(descriptor)
        # Whatever is still in memory would be read back from there instead of from the medium.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
    return written


def _read(source: int, sink: Callable[[memoryview], None]) -> HashedFile:
    try:
        return hash_descriptor(source, sink)
    except OSError as error:
        msg = f"The bundle cannot be read to its end: {error.strerror or error}."
        raise UnreadableError(msg) from error


def _read_back(temporary: Path, written: HashedFile, on_bytes: Callable[[int], None]) -> None:
    descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = hash_descriptor(descriptor, lambda piece: on_bytes(len(piece)))
    except BundleError as error:
        msg = f"What was written to {temporary.parent} reads back damaged: {error.message}"
        raise ReadBackError(msg) from error
    finally:
        os.close(descriptor)
    if found.checksum != written.checksum:
        msg = f"What was written to {temporary.parent} reads back as another file."
        raise ReadBackError(msg)
