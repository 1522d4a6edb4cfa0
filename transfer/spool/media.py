"""Decisions about media: one gets a name, may be used, is lost, or is out of use. `media_index` says what is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from transfer.errors import MarkerError, MediumError, MediumLostError, MediumRetiredError, SpoolError
from transfer.spool.journal import Journal
from transfer.spool.marker import Direction, make_marker, read_marker
from transfer.spool.media_index import IN_USE, LOST, media_called, medium_of
from transfer.spool.noting import named
from transfer.spool.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transfer.spool.journal import JournalEntry
    from transfer.spool.marker import Marker
    from transfer.spool.media_index import KnownMedium


@dataclass(frozen=True, slots=True)
class MarkedMedium:
    """A medium that was given a name. `unwritten` says why a journal could not note it."""

    marker: Marker
    unwritten: SpoolError | None


@dataclass(frozen=True, slots=True)
class LostMedium:
    """What the loss of a medium means: which of its bundles still wait here, and which need not be carried again."""

    name: str
    waiting: tuple[JournalEntry, ...]
    settled: tuple[JournalEntry, ...]

    @property
    def bundles(self) -> tuple[JournalEntry, ...]:
        """Everything that is known to have been on it."""
        return self.waiting + self.settled


def mark(
    medium: Path,
    name: str,
    direction: Direction | None = None,
    export_dir: Path | None = None,
    *,
    rename: bool = False,
    replaces: bool = False,
) -> MarkedMedium:
    """Gives a medium a name; one that is marked already keeps its id, so that what is on it stays known.

    `rename` lets a marked one take another name, `replaces` lets it take the name of one that was wiped or is gone,
    which is then out of use. Without a direction it keeps the one that it, or the one whose name it takes, had; else it
    may carry both ways. A damaged marker gives way to the new one. Raises MarkerError, MediumLostError or
    MediumRetiredError for one that was reported so and not wiped, MediumMissingError or SpoolError.
    """
    try:
        present = read_marker(medium)
    except MarkerError:
        present = None
    if present is not None and present.name != name and not rename:
        msg = f"{medium} is the medium {present.name} already."
        raise MarkerError(msg, next_step="With --rename it takes the new name, and what is on it stays known.")
    namesakes: list[KnownMedium] = []
    if export_dir is not None:
        own_id = str(present.medium_id) if present is not None else ""
        if own_id:
            _require_in_use(medium_of(export_dir, own_id))
        namesakes = [one for one in media_called(export_dir, name) if one.medium_id != own_id]
        _require_free(namesakes, name, replaces=replaces)
    if direction is None:
        direction = present.direction if present is not None else _direction_of(namesakes)
    marker = make_marker(medium, name, direction, present.medium_id if present is not None else None)
    return MarkedMedium(marker, _note_marked(medium, export_dir, marker, namesakes))


def _direction_of(namesakes: Sequence[KnownMedium]) -> Direction:
    known = [Direction(one.direction) for one in namesakes if one.state == IN_USE and one.direction in set(Direction)]
    return known[-1] if known else Direction.BOTH


def _require_free(namesakes: Sequence[KnownMedium], name: str, *, replaces: bool) -> None:
    """A name stands for one medium: whoever reports it lost must not mean two."""
    if any(one.state == LOST for one in namesakes):
        msg = f"A medium {name} was reported lost; its name is never given again, for it may come back."
        raise MarkerError(msg, next_step="Choose another name.")
    if any(one.state == IN_USE for one in namesakes) and not replaces:
        msg = f"Another medium is called {name}."
        raise MarkerError(
            msg, next_step="Choose another name; if that one was wiped or is gone, say --replaces, which retires it."
        )


def _note_marked(
    medium: Path, export_dir: Path | None, marker: Marker, namesakes: Sequence[KnownMedium]
) -> SpoolError | None:
    places = [Journal.of_medium(medium), *([Journal.of_spool(export_dir)] if export_dir is not None else [])]
    unwritten = None
    for journal in places:
        retired = [
            journal.entry("retired", medium=one.name, medium_id=one.medium_id, note="its name was given to another")
            for one in namesakes
            if one.state == IN_USE
        ]
        try:
            journal.write(*retired, journal.entry("init", **named(marker), note=marker.direction.value))
        except SpoolError as error:
            # The other journal may well be written.
            unwritten = error
    return unwritten


def require_usable(export_dir: Path, marker: Marker) -> KnownMedium | None:
    """What is known of a marked medium. Raises MediumLostError for one that was reported lost or retired here."""
    medium = medium_of(export_dir, str(marker.medium_id))
    _require_in_use(medium)
    return medium


def _require_in_use(medium: KnownMedium | None) -> None:
    if medium is not None and medium.state != IN_USE:
        if medium.state == LOST:
            msg = f"The medium {medium.name} was reported lost on {medium.since}."
            raise MediumLostError(msg)
        msg = f"The medium {medium.name} was put out of use on {medium.since}."
        raise MediumRetiredError(msg)


def report_lost(export_dir: Path, name: str) -> LostMedium:
    """Notes that a medium is lost, and that what was on it may be in other hands. Raises MediumError if it is unknown.

    All media of that name are meant. Nothing needs to be sealed or sent again: what is not acknowledged never left the
    outbox and goes with the next medium, byte for byte.
    """
    media = _of_name(export_dir, name)
    waiting_names = {file.filename for file in Outbox(export_dir).waiting()}
    by_name = {entry.file: entry for medium in media for entry in medium.bundles.values()}
    bundles = sorted(by_name.values(), key=lambda entry: (entry.epoch, entry.sequence))
    waiting = tuple(entry for entry in bundles if entry.file in waiting_names)
    settled = tuple(entry for entry in bundles if entry.file not in waiting_names)
    note = f"possible disclosure of {len(bundles)} sealed bundles; {len(waiting)} of them wait to be taken again"
    journal = Journal.of_spool(export_dir)
    journal.write(*(journal.entry("lost", medium=one.name, medium_id=one.medium_id, note=note) for one in media))
    return LostMedium(name, waiting, settled)


def retire(export_dir: Path, name: str) -> None:
    """Notes that the media of a name are out of use. Raises MediumError if none is known, or if one is lost."""
    media = _of_name(export_dir, name)
    if any(medium.state == LOST for medium in media):
        msg = f"The medium {name} was reported lost, and stays so."
        raise MediumError(msg, next_step="`take` refuses it already; nothing is to be done.")
    journal = Journal.of_spool(export_dir)
    journal.write(*(journal.entry("retired", medium=one.name, medium_id=one.medium_id) for one in media))


def _of_name(export_dir: Path, name: str) -> list[KnownMedium]:
    media = media_called(export_dir, name)
    if not media:
        msg = f"This network knows of no medium {name!r}."
        raise MediumError(msg, next_step="`transfer medium list` shows those that it knows.")
    return media
