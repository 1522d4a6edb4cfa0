"""Who brought a bundle into an inbox, and on which medium, as the inbox's journal tells."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from transfer.spool.journal import JournalTail

if TYPE_CHECKING:
    from pathlib import Path

    from transfer.spool.journal import JournalEntry

BRINGING: Final = frozenset({"delivered", "received"})
MAX_REMEMBERED: Final = 20_000


class BroughtIndex:
    """The newest delivery of each file, kept up with the journal. One for each process."""

    def __init__(self, import_dir: Path) -> None:
        self._tail = JournalTail(import_dir)
        self._by_checksum: OrderedDict[str, JournalEntry] = OrderedDict()

    def find(self, checksum: str) -> JournalEntry | None:
        """Who brought the file with this SHA-256 last; None if it was dropped in by hand."""
        entries, fresh = self._tail.new_entries()
        if fresh:
            self._by_checksum.clear()
        for entry in entries:
            if entry.action in BRINGING and entry.sha256:
                self._by_checksum[entry.sha256] = entry
                self._by_checksum.move_to_end(entry.sha256)
        while len(self._by_checksum) > MAX_REMEMBERED:
            self._by_checksum.popitem(last=False)
        return self._by_checksum.get(checksum)
