"""Following a spool's journal, so that a long one is read once and a server's answers stay quick."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from transfer.spool.journal import MAX_READ, SPOOL_JOURNAL, entries_of, open_regular_file

if TYPE_CHECKING:
    from pathlib import Path

    from transfer.spool.journal import JournalEntry


class JournalTail:
    """Gives what was added since it was asked last. Not for several threads at once: its owner holds a lock."""

    def __init__(self, spool: Path) -> None:
        self._path = spool / SPOOL_JOURNAL
        self._identity: tuple[int, int] | None = None
        self._position = 0

    def new_entries(self) -> tuple[list[JournalEntry], bool]:
        """The new entries, and whether they are all that there are: at first, or after the file was exchanged."""
        try:
            with os.fdopen(open_regular_file(self._path, os.O_RDONLY), "rb") as file:
                status = os.fstat(file.fileno())
                identity = (status.st_dev, status.st_ino)
                fresh = identity != self._identity or status.st_size < self._position
                if fresh:
                    self._identity, self._position = identity, max(0, status.st_size - MAX_READ)
                file.seek(self._position)
                data = file.read(MAX_READ)
        except OSError:
            fresh, self._identity, self._position = self._identity is not None, None, 0
            return [], fresh
        whole = data.rfind(b"\n") + 1
        self._position += whole
        return list(entries_of(data[:whole].split(b"\n"))), fresh
