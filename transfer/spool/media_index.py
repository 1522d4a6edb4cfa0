"""What a journal tells of media: what was put on each here, and which are lost or out of use."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from transfer.spool.journal import Journal
from transfer.spool.journal_tail import JournalTail

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from transfer.spool.journal import JournalEntry

IN_USE: Final = "in use"
LOST: Final = "lost"
RETIRED: Final = "retired"
# After these a bundle is on a medium.
_PUT_ON_IT: Final = frozenset({"took", "resent", "held"})
_STATES: Final = {"lost": LOST, "retired": RETIRED}
# These say which way a medium may carry.
_MARKINGS: Final = frozenset({"init", "met"})


@dataclass(slots=True)
class KnownMedium:
    """One medium. `bundles` are those that were put on it here, by file name; the newest entry of each."""

    medium_id: str
    name: str
    direction: str = ""
    state: str = IN_USE
    since: str = ""
    last_seen: str = ""
    bundles: dict[str, JournalEntry] = field(default_factory=dict)
    # The same by epoch and number.
    numbers: dict[int, set[int]] = field(default_factory=dict)


class MediaIndex:
    """The media of an outbox, kept up with its journal. One for each process."""

    def __init__(self, export_dir: Path) -> None:
        self._tail = JournalTail(export_dir)
        self._media: dict[str, KnownMedium] = {}
        # A server asks from several threads.
        self._lock = threading.Lock()

    def places(self, filenames: Iterable[str]) -> dict[str, list[str]]:
        """On which media each of these files is; those that are lost or retired do not count."""
        with self._lock:
            media = self._in_use()
            return {
                filename: list(dict.fromkeys(medium.name for medium in media if filename in medium.bundles))
                for filename in filenames
            }

    def loads(self, epoch: int, numbers: Collection[int]) -> tuple[dict[str, int], int]:
        """How many of these numbers of an epoch are on each medium, by its name, and how many on none."""
        loads: dict[str, set[int]] = {}
        with self._lock:
            for medium in self._in_use():
                on_it = _common(medium.numbers.get(epoch, set()), numbers)
                if on_it:
                    loads.setdefault(medium.name, set()).update(on_it)
        placed = set().union(*loads.values())
        return {name: len(on_it) for name, on_it in sorted(loads.items())}, len(numbers) - len(placed)

    def _in_use(self) -> list[KnownMedium]:
        entries, fresh = self._tail.new_entries()
        if fresh:
            self._media = {}
        known_media(entries, self._media)
        return [medium for medium in self._media.values() if medium.state == IN_USE]


def _common(on_it: set[int], numbers: Collection[int]) -> set[int]:
    """Those of a medium's numbers that are among `numbers`."""
    if on_it and isinstance(numbers, range) and numbers.start <= min(on_it) and max(on_it) < numbers.stop:
        # A status asks this of thousands, which mostly are all of them.
        return on_it
    return {number for number in on_it if number in numbers}


def all_media(spool: Path) -> dict[str, KnownMedium]:
    """Every medium that a spool's journal tells of, by id. Bundles are known as far back as MAX_READ, states for ever.

    Raises SpoolError.
    """
    return known_media(Journal.of_spool(spool).search(_MARKINGS | _STATES.keys(), and_the_tail=True))


def medium_of(spool: Path, medium_id: str) -> KnownMedium | None:
    """The medium with this id, with everything that was ever put on it; None if it is not known. Raises SpoolError."""
    return known_media(Journal.of_spool(spool).search([medium_id])).get(medium_id)


def media_called(spool: Path, name: str) -> list[KnownMedium]:
    """The media that have this name now, each with everything that was ever put on it. Raises SpoolError.

    A decision about a medium needs all that was written of it, for it may come back years later.
    """
    journal = Journal.of_spool(spool)
    # What was put on a medium before it was renamed stands under its earlier name.
    ids = {entry.medium_id for entry in journal.search([name]) if entry.medium == name and entry.medium_id}
    media = known_media(journal.search(ids)) if ids else {}
    return [medium for medium_id, medium in media.items() if medium_id in ids and medium.name == name]


def known_media(entries: Iterable[JournalEntry], media: dict[str, KnownMedium] | None = None) -> dict[str, KnownMedium]:
    """The media that journal entries tell of, by id, in the order in which they came to be known.

    `media` is what earlier entries told; it is brought up to date.
    """
    media = {} if media is None else media
    for entry in entries:
        if not entry.medium_id:
            continue
        medium = media.setdefault(entry.medium_id, KnownMedium(entry.medium_id, entry.medium))
        medium.name, medium.last_seen = entry.medium, entry.at
        if entry.action in _MARKINGS:
            medium.direction = entry.note
        elif entry.action in _STATES:
            medium.state, medium.since = _STATES[entry.action], entry.at
        elif entry.action in _PUT_ON_IT:
            medium.bundles[entry.file] = entry
            medium.numbers.setdefault(entry.epoch, set()).add(entry.sequence)
    return media
