"""Who brought a bundle into an inbox, and on which medium, as the inbox's journal tells."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from transfer.spool.journal_tail import JournalTail

if TYPE_CHECKING:
    from pathlib import Path

    from transfer.spool.journal import JournalEntry

BRINGING: Final = frozenset({"delivered", "received"})
MAX_REMEMBERED: Final = 20_000
_MAX_NAMES: Final = 8


class BroughtIndex:
    """The newest delivery of each file, kept up with the journal. One for each process."""

    def __init__(self, import_dir: Path) -> None:
        self._tail = JournalTail(import_dir)
        self._by_checksum: OrderedDict[str, dict[str, JournalEntry]] = OrderedDict()
        # A server asks from several threads.
        self._lock = threading.Lock()

    def find(self, checksum: str, filename: str) -> JournalEntry | None:
        """Who brought the file with this SHA-256 and name last, or under another name; None if nobody is known.

        One bundle may come on a medium and over the wire, and then lies in the inbox under two names.
        """
        with self._lock:
            self._keep_up()
            by_name = self._by_checksum.get(checksum)
        if by_name is None:
            return None
        return by_name.get(filename) or next(reversed(by_name.values()))

    def _keep_up(self) -> None:
        entries, fresh = self._tail.new_entries()
        if fresh:
            self._by_checksum.clear()
        for entry in entries:
            if entry.action in BRINGING and entry.sha256:
                by_name = self._by_checksum.setdefault(entry.sha256, {})
                # Newest last.
                by_name.pop(entry.file, None)
                by_name[entry.file] = entry
                while len(by_name) > _MAX_NAMES:
                    by_name.pop(next(iter(by_name)))
                self._by_checksum.move_to_end(entry.sha256)
        while len(self._by_checksum) > MAX_REMEMBERED:
            self._by_checksum.popitem(last=False)
