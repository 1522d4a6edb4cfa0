"""What `take` and `deliver` write into the journals about a medium and what was carried with it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from transfer.errors import SpoolError
from transfer.spool.journal import Journal
from transfer.spool.media_index import medium_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from transfer.spool.marker import Marker


def write_down(
    spool: Path, medium: Path, marker: Marker | None, happened: Iterable[tuple[str, Mapping[str, Any]]]
) -> SpoolError | None:
    """Notes actions and the files they were about in the spool's journal and, if the medium has a name, in its own.

    Returns why the spool's could not be written: what was carried is carried all the same. A medium may be full or
    read-only, and its journal is for people.
    """
    journal = Journal.of_spool(spool)
    entries = [journal.entry(action, **named(marker), **file) for action, file in happened]
    if not entries:
        return None
    if marker is not None:
        with contextlib.suppress(SpoolError):
            Journal.of_medium(medium).write(*(entry for entry in entries if entry.action != "held"))
    try:
        if marker is not None and medium_of(spool, str(marker.medium_id)) is None:
            # It was marked elsewhere, and its direction is news here: before what was carried with it.
            met = journal.entry("met", **named(marker), note=marker.direction.value)
            entries.insert(0, replace(met, at=entries[0].at))
        journal.write(*entries)
    except SpoolError as error:
        return error
    return None


def named(marker: Marker | None) -> dict[str, str]:
    """The medium, as an entry names it."""
    return {"medium": marker.name, "medium_id": str(marker.medium_id)} if marker is not None else {}
