"""`deliver`: the bundles that a medium brings go into an inbox, each whole, and nothing else is touched.

It may run twice and be stopped anywhere. Nothing on the medium is deleted. Signatures are checked by the import, not
here: what is refused here is only what could never be imported, because it is damaged or cannot be read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from transfer.bundle.names import BUNDLE_SUFFIX, SIDECAR_SUFFIX, kind_name, network_name
from transfer.errors import (
    BundleError,
    MarkerError,
    MediumError,
    MixedDirectionsError,
    NoSpaceError,
    SpoolError,
    UnreadableError,
)
from transfer.spool.candidates import (
    Candidate,
    CarriedFile,
    Meter,
    RefusedFile,
    hash_open,
    journalled,
    look,
    same_as,
)
from transfer.spool.copying import MARGIN_BYTES, Disk, copy_bundle
from transfer.spool.durable import make_folder
from transfer.spool.inbox import ARCHIVE
from transfer.spool.journal import MEDIUM_JOURNAL
from transfer.spool.marker import MARKER_NAME, Marker, read_marker
from transfer.spool.noting import write_down
from transfer.spool.places import refuse_nesting, require_inbox
from transfer.spool.walking import Found, open_found, opened_medium

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airlock.common.v1.network_pb2 import Network

    from transfer.bundle.hashing import HashedFile


@dataclass(slots=True)
class DeliverReport:
    """What a run did.

    `left_behind` had no room, `other_direction` is for the other network, `untouched` is no regular file or not named
    as a bundle is.
    """

    delivered: list[CarriedFile] = field(default_factory=list)
    already_there: list[CarriedFile] = field(default_factory=list)
    left_behind: list[Candidate] = field(default_factory=list)
    other_direction: list[Candidate] = field(default_factory=list)
    refused: list[RefusedFile] = field(default_factory=list)
    untouched: list[Found] = field(default_factory=list)
    # What the medium's marker says; None for a medium without a name.
    marker: Marker | None = None
    # Why the marker cannot be read.
    damaged_marker: MarkerError | None = None
    # Why the inbox's journal could not be written.
    unwritten: SpoolError | None = None


def deliver(
    medium: Path,
    import_dir: Path,
    *,
    destination: Network.ValueType | None = None,
    again: bool = False,
    disk: Disk | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> DeliverReport:
    """Copies every whole bundle for `destination` into `import_dir/<kind>/`, the most urgent first.

    With `again` also what was imported before, for a network whose database was restored. What the disk has no room for
    is left behind. Without `destination` all bundles must have the same one, else MixedDirectionsError. Raises
    MediumMissingError and SpoolError.
    """
    disk, report = disk or Disk(), DeliverReport()
    refuse_nesting(import_dir, medium)
    require_inbox(import_dir)
    with opened_medium(medium) as root:
        candidates = _candidates(root, destination, report)
        report.marker = _marker_for(medium, candidates, report)
        meter = Meter(2 * sum(one.size for one in candidates), on_progress)
        try:
            for candidate in candidates:
                try:
                    _deliver_one(root, candidate, import_dir, again, disk, meter, report)
                except NoSpaceError:
                    # Something smaller may still fit.
                    report.left_behind.append(candidate)
                except (BundleError, MediumError, UnreadableError) as error:
                    # One bad place on a medium keeps nothing else on it from being delivered.
                    report.refused.append(RefusedFile(candidate.path, error))
        finally:
            happened = [("delivered", journalled(one)) for one in report.delivered]
            report.unwritten = write_down(import_dir, medium, report.marker, happened)
    return report


def _marker_for(medium: Path, candidates: list[Candidate], report: DeliverReport) -> Marker | None:
    """A damaged marker keeps no bundle from arriving: the import trusts signatures, and no marker."""
    try:
        marker = read_marker(medium)
    except MarkerError as error:
        report.damaged_marker = error
        return None
    if marker is not None:
        for one in candidates:
            marker.require(one.header.source_network, one.path)
    return marker


def _candidates(root: int, destination: Network.ValueType | None, report: DeliverReport) -> list[Candidate]:
    candidates: list[Candidate] = []
    for one in look(root):
        if isinstance(one, Candidate):
            candidates.append(one)
        elif isinstance(one, RefusedFile):
            report.refused.append(one)
        elif one.obstacle is not None or not _is_known(one):
            report.untouched.append(one)
    destinations = {one.header.destination_network for one in candidates}
    if destination is None:
        if len(destinations) > 1:
            names = " and ".join(sorted(network_name(one) for one in destinations))
            msg = f"The medium holds bundles for the networks {names}."
            raise MixedDirectionsError(msg)
        destination = next(iter(destinations), None)
    report.other_direction += [one for one in candidates if one.header.destination_network != destination]
    ours = [one for one in candidates if one.header.destination_network == destination]
    return sorted(ours, key=lambda one: one.urgency)


def _is_known(found: Found) -> bool:
    """Whether a file is one that `take` leaves beside bundles: no news to anyone."""
    name = found.path.name
    if len(found.path.parts) == 1 and name in {MARKER_NAME, MEDIUM_JOURNAL}:
        return True
    return name.endswith(SIDECAR_SUFFIX) or (name.endswith(BUNDLE_SUFFIX) and not name.startswith("."))


def _deliver_one(
    root: int,
    candidate: Candidate,
    import_dir: Path,
    again: bool,
    disk: Disk,
    meter: Meter,
    report: DeliverReport,
) -> None:
    target = import_dir / kind_name(candidate.header.kind) / candidate.filename
    archived = import_dir / ARCHIVE / candidate.filename
    source = open_found(root, candidate.path)
    try:
        if target.exists() or (archived.exists() and not again):
            hashed = hash_open(source, candidate.path)
            other = _other_name(target, hashed)
            for place in (target, other) if again else (target, other, archived):
                if same_as(hashed, place):
                    meter.advance(2 * candidate.size)
                    report.already_there.append(_carried(place, candidate, hashed))
                    return
            target = other if target.exists() else target
        if disk.room(import_dir) < candidate.size + MARGIN_BYTES:
            # The service stages and journals on this disk; it must not be filled to its last byte.
            report.left_behind.append(candidate)
            return
        make_folder(target.parent)
        hashed = copy_bundle(source, target, disk, meter.advance)
    finally:
        os.close(source)
    report.delivered.append(_carried(target, candidate, hashed))


def _other_name(target: Path, hashed: HashedFile) -> Path:
    """Another file of that name is there. The import decides between them, so both must be in the inbox."""
    stem = target.name.removesuffix(BUNDLE_SUFFIX)
    return target.with_name(f"{stem}_{hashed.checksum[:16]}{BUNDLE_SUFFIX}")


def _carried(path: Path, candidate: Candidate, hashed: HashedFile) -> CarriedFile:
    return CarriedFile(path, candidate.header, hashed.size, hashed.checksum)
