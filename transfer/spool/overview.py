"""What a network's folders alone tell of its streams: good enough for a station that cannot reach the service."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from transfer.bundle.header import from_micros
from transfer.bundle.names import kind_name, parse_bundle_filename
from transfer.errors import BundleError
from transfer.spool.inbox import Inbox

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from transfer.spool.outbox import Outbox


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """A bundle in the outbox. What it says of itself is not verified."""

    filename: str
    kind: str
    epoch: int
    sequence: int
    size: int
    sealed_at: datetime | None
    media: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InboxOverview:
    """An inbox: what waits to be imported, what was imported, what was refused and why."""

    waiting: int
    archived: int
    newest_archived_at: datetime | None
    quarantined: Counter[str]


def waiting_files(outbox: Outbox) -> list[WaitingFile]:
    """Everything that waits to be carried, by epoch and number. Damaged files have the number 0."""
    waiting = outbox.waiting()
    places = outbox.media.places(file.filename for file in waiting)
    files = []
    for file in waiting:
        media = tuple(places[file.filename])
        try:
            header = file.ends.header if file.ends is not None else None
        except BundleError:
            header = None
        if header is None:
            files.append(WaitingFile(file.filename, kind_name(file.kind), 0, 0, file.size, None, media))
            continue
        sealed_at = from_micros(header.created_at_micros)
        number = (header.epoch, header.sequence)
        files.append(WaitingFile(file.filename, kind_name(header.kind), *number, file.size, sealed_at, media))
    return sorted(files, key=lambda one: (one.epoch, one.sequence, one.filename))


def inbox_overview(import_dir: Path) -> InboxOverview:
    """What lies in the folders of an inbox."""
    inbox = Inbox(import_dir)
    archived = inbox.archived()
    defects = Counter(str(file.reason.get("defect", "unknown")) for file in inbox.quarantine_folder.files())
    return InboxOverview(
        waiting=len(inbox.paths()),
        archived=len(archived),
        newest_archived_at=max(filter(None, map(_made_at, archived)), default=None),
        quarantined=defects,
    )


def _made_at(filename: str) -> datetime | None:
    named = parse_bundle_filename(filename)
    return None if named is None else named.created_at
