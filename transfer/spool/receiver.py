"""A bundle that arrives in pieces over the wire, and lies in the inbox once it is whole."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from transfer.bundle.header import filename_of, parse_header
from transfer.bundle.limits import MAX_FILE
from transfer.bundle.names import kind_name
from transfer.bundle.verify import hash_file
from transfer.errors import LimitExceededError, spool_error
from transfer.spool.durable import make_folder, replace_durably

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from transfer.spool.inbox import Inbox


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A bundle that lies in the inbox, durably. Its signature is checked by the import."""

    path: Path
    filename: str
    size: int
    checksum: str


class Receiver:
    """Takes one bundle piece by piece. A context manager: what is not committed is removed."""

    def __init__(self, inbox: Inbox) -> None:
        self._root = inbox.root
        make_folder(self._root / ".staging")
        self._path = self._root / ".staging" / f"{uuid4().hex}.received"
        self._size = 0
        try:
            self._file = self._path.open("xb")
        except OSError as error:
            raise spool_error("Creating", self._path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Adds the next piece. Raises LimitExceededError, SpoolError or NoSpaceError."""
        self._size += len(data)
        if self._size > MAX_FILE:
            msg = f"A bundle has at most {MAX_FILE} bytes."
            raise LimitExceededError(msg)
        try:
            self._file.write(data)
        except OSError as error:
            raise spool_error("Writing", self._path, error) from error

    def commit(self) -> ReceivedFile:
        """Puts the file into the inbox; one that is there already is replaced by itself.

        Raises a BundleError if it is not whole, or SpoolError.
        """
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise spool_error("Writing", self._path, error) from error
        hashed = hash_file(self._path)
        header = parse_header(hashed.header_bytes)
        # Two bundles may claim one name; the digest keeps an impostor from replacing the true one.
        target = self._root / kind_name(header.kind) / f"{hashed.digest.hex()[:16]}_{filename_of(header)}"
        make_folder(target.parent)
        replace_durably(self._path, target)
        return ReceivedFile(target, target.name, hashed.size, hashed.checksum)
