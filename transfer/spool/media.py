"""Decisions about media: one may be used, is lost, or is out of use. What is known of them is in `media_index`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from transfer.errors import MediumError, MediumLostError
from transfer.spool.journal import Journal
from transfer.spool.media_index import known_media
from transfer.spool.outbox import Outbox

if TYPE_CHECKING:
    from pathlib import Path

    from transfer.spool.journal import JournalEntry
    from transfer.spool.marker import Marker
    from transfer.spool.media_index import KnownMedium


@dataclass(frozen=True, slots=True)
class LostMedium:
    """What the loss of a medium means: which of its bundles still wait here, and which the other network has."""

    medium: KnownMedium
    waiting: tuple[JournalEntry, ...]
    settled: tuple[JournalEntry, ...]


def require_usable(export_dir: Path, marker: Marker) -> None:
    """Raises MediumLostError for a medium that was reported lost or retired here."""
    medium = known_media(Journal(export_dir).read()).get(str(marker.medium_id))
    if medium is not None and medium.state != "in use":
        msg = f"The medium {marker.name} was reported {medium.state} on {medium.since}."
        raise MediumLostError(msg)


def report_lost(export_dir: Path, name: str) -> LostMedium:
    """Notes that a medium is lost, and that what was on it may be in other hands. Raises MediumError if it is unknown.

    Nothing needs to be sealed or sent again: what is not acknowledged never left the outbox and goes with the next
    medium, byte for byte.
    """
    medium = find_medium(export_dir, name)
    waiting_names = {file.filename for file in Outbox(export_dir).waiting()}
    bundles = sorted(medium.bundles.values(), key=lambda entry: (entry.epoch, entry.sequence))
    waiting = tuple(entry for entry in bundles if entry.file in waiting_names)
    settled = tuple(entry for entry in bundles if entry.file not in waiting_names)
    journal = Journal(export_dir)
    note = f"possible disclosure of {len(bundles)} sealed bundles; {len(waiting)} of them wait to be taken again"
    journal.write(journal.entry("lost", medium=medium.name, medium_id=medium.medium_id, note=note))
    medium.state = "lost"
    return LostMedium(medium, waiting, settled)


def retire(export_dir: Path, name: str) -> KnownMedium:
    """Notes that a medium is out of use. Raises MediumError if it is unknown here."""
    medium = find_medium(export_dir, name)
    journal = Journal(export_dir)
    journal.write(journal.entry("retired", medium=medium.name, medium_id=medium.medium_id))
    medium.state = "retired"
    return medium


def find_medium(export_dir: Path, name: str) -> KnownMedium:
    """The medium of that name, the newest if the name was given twice. Raises MediumError."""
    media = [medium for medium in known_media(Journal(export_dir).read()).values() if medium.name == name]
    if not media:
        msg = f"This network knows of no medium {name!r}."
        raise MediumError(msg, next_step="`transfer medium list` shows those that it knows.")
    return media[-1]
