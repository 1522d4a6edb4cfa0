"""`take`: what waits in an outbox goes onto a medium, the most urgent first, as far as there is room.

It may run twice and be stopped anywhere: a bundle is on the medium whole or not at all, and stays in the outbox in
any case.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from transfer.bundle.names import kind_name, sidecar_filename
from transfer.bundle.peek import peek
from transfer.bundle.verify import open_regular
from transfer.errors import BundleError, MediumError, NoSpaceError, PlaceTakenError, SpoolError
from transfer.spool.candidates import Candidate, CarriedFile, Meter, RefusedFile, hash_open, journalled, same_as
from transfer.spool.copying import MARGIN_BYTES, Disk, copy_bundle
from transfer.spool.durable import fsync_directory, make_folder, write_durably
from transfer.spool.marker import Marker, read_marker
from transfer.spool.media import require_usable
from transfer.spool.noting import write_down
from transfer.spool.outbox import Outbox
from transfer.spool.places import refuse_nesting, require_outbox
from transfer.spool.walking import opened_medium

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path

    from transfer.bundle.hashing import HashedFile

_MAX_SIDECAR: Final = 64 * 1024


@dataclass(slots=True)
class TakeReport:
    """What a run did. `left_behind` had no room; `refused` is damaged in the outbox itself."""

    taken: list[CarriedFile] = field(default_factory=list)
    already_there: list[CarriedFile] = field(default_factory=list)
    left_behind: list[Candidate] = field(default_factory=list)
    refused: list[RefusedFile] = field(default_factory=list)
    # What the medium's marker says; None for a medium without a name.
    marker: Marker | None = None
    # Why the outbox's journal could not be written.
    unwritten: SpoolError | None = None


def take(
    export_dir: Path,
    medium: Path,
    *,
    numbers: Collection[int] | None = None,
    disk: Disk | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> TakeReport:
    """Copies every waiting bundle that fits, with its sidecar, and returns once all of it is durable on the medium.

    With `numbers` only those of the latest epoch, again even if they are on the medium already. The journals of the
    outbox and of the medium say what was put there. Raises MediumMissingError, MediumError if one folder lies in the
    other or the medium may not carry these bundles, ReadBackError, SpoolError.
    """
    disk, report = disk or Disk(), TakeReport()
    refuse_nesting(export_dir, medium)
    require_outbox(export_dir)
    with opened_medium(medium):
        waiting = _waiting(export_dir, report)
        if numbers is not None:
            waiting = _numbered(waiting, numbers, report)
        report.marker, noted = _marker_for(export_dir, medium, waiting)
        _refuse_links(medium, waiting)
        meter = Meter(2 * sum(one.size for one in waiting), on_progress)
        try:
            for candidate in waiting:
                try:
                    _take_one(export_dir, candidate, medium, disk, meter, report, again=numbers is not None)
                except NoSpaceError:
                    # The medium had less room than it said. Something smaller may still fit.
                    report.left_behind.append(candidate)
                except (BundleError, PlaceTakenError) as error:
                    # One bad place keeps nothing else from being carried.
                    report.refused.append(RefusedFile(candidate.path, error, candidate.header.sequence))
            fsync_directory(medium)
        finally:
            # Also what was put there before somebody pressed Ctrl-C must be known once the medium is lost.
            action = "took" if numbers is None else "resent"
            happened = [(action, journalled(one)) for one in report.taken]
            if report.marker is not None:
                # A run that was killed could not note these.
                held = (journalled(one) for one in report.already_there)
                happened += [("held", one) for one in held if one["file"] not in noted]
            report.unwritten = write_down(export_dir, medium, report.marker, happened)
    return report


def _marker_for(export_dir: Path, medium: Path, waiting: Iterable[Candidate]) -> tuple[Marker | None, Collection[str]]:
    """The marker, and which files are known to be on the medium."""
    marker = read_marker(medium)
    if marker is None:
        return None, ()
    known = require_usable(export_dir, marker)
    for one in waiting:
        marker.require(one.header.source_network, one.path)
    return marker, known.bundles.keys() if known is not None else ()


def _refuse_links(medium: Path, waiting: Iterable[Candidate]) -> None:
    for name in {kind_name(one.header.kind) for one in waiting}:
        if (medium / name).is_symlink():
            msg = f"{medium / name} is a link, and nothing is written through a link."
            raise MediumError(msg, next_step="Remove it from the medium; the folder is made anew.")


def _waiting(export_dir: Path, report: TakeReport) -> list[Candidate]:
    """What the outbox offers, the most urgent first."""
    waiting: list[Candidate] = []
    for file in Outbox(export_dir).waiting():
        path = file.path.relative_to(export_dir)
        try:
            # Where the ends are no bundle's, looking again says why.
            waiting.append(Candidate(path, (file.ends or peek(file.path)).header, file.size))
        except BundleError as error:
            report.refused.append(RefusedFile(path, error, file.sequence))
    return sorted(waiting, key=lambda one: one.urgency)


def _numbered(waiting: list[Candidate], numbers: Collection[int], report: TakeReport) -> list[Candidate]:
    """Those with these numbers. What is damaged and has another one is not of interest."""
    # Until its next export run an outbox still holds numbers of an epoch that has ended.
    epoch = max((one.header.epoch for one in waiting), default=0)
    report.refused = [one for one in report.refused if not one.sequence or one.sequence in numbers]
    return [one for one in waiting if one.header.epoch == epoch and one.header.sequence in numbers]


def _take_one(
    export_dir: Path,
    candidate: Candidate,
    medium: Path,
    disk: Disk,
    meter: Meter,
    report: TakeReport,
    *,
    again: bool,
) -> None:
    target = medium / kind_name(candidate.header.kind) / candidate.path.name
    for place, fits in ((target.parent, target.parent.is_dir()), (target, target.is_file())):
        if place.exists() and not fits:
            msg = f"{place} is in the way of a bundle."
            raise PlaceTakenError(msg)
    source = _open_waiting(export_dir / candidate.path)
    if source is None:
        meter.advance(2 * candidate.size)
        return
    try:
        if target.exists() and not again:
            hashed = hash_open(source, candidate.path)
            if same_as(hashed, target):
                meter.advance(2 * candidate.size)
                report.already_there.append(_carried(target, candidate, hashed))
                return
        if disk.room(medium) < candidate.size + MARGIN_BYTES:
            report.left_behind.append(candidate)
            return
        # Whoever reads the medium at the other end is another user on another machine.
        make_folder(target.parent, mode=0o755)
        hashed = copy_bundle(source, target, disk, meter.advance)
    finally:
        os.close(source)
    _copy_sidecar(export_dir / candidate.path, target)
    report.taken.append(_carried(target, candidate, hashed))


def _open_waiting(bundle: Path) -> int | None:
    """None if the export run has moved the file since it was listed: nobody needs to carry it any more."""
    try:
        return open_regular(bundle)
    except SpoolError:
        if bundle.exists():
            raise
        return None


def _copy_sidecar(bundle: Path, target: Path) -> None:
    """The sidecar is for people: whether it is there, or has room, stops nothing."""
    name = sidecar_filename(bundle.name)
    with contextlib.suppress(SpoolError, OSError):
        with bundle.with_name(name).open("rb") as file:
            content = file.read(_MAX_SIDECAR)
        write_durably(target.with_name(name), content)


def _carried(target: Path, candidate: Candidate, hashed: HashedFile) -> CarriedFile:
    return CarriedFile(target, candidate.header, hashed.size, hashed.checksum)
