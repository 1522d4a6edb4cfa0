"""The folder that bundles leave from. It holds what the database says it should; the export run keeps it so.

EXPORT_DIR/<kind>/                 bundles that are not acknowledged, their sidecars, and `latest.pb.enc`
EXPORT_DIR/acknowledged/, voided/  bundles that no one needs to carry any more
EXPORT_DIR/.sealing/               files in the making
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from transfer.bundle.header import filename_of, parse_header
from transfer.bundle.names import KINDS, LATEST_NAME, kind_name, parse_bundle_filename, sidecar_filename
from transfer.bundle.peek import PeekedEnds, peek
from transfer.bundle.sidecar import render_sidecar
from transfer.bundle.verify import hash_file
from transfer.errors import BundleError, SpoolError, spool_error
from transfer.spool.durable import (
    copy_durably,
    is_half_file,
    make_folder,
    remove_durably,
    replace_durably,
    write_durably,
)
from transfer.spool.media_index import MediaIndex

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from airlock.bundle.v1.header_pb2 import BundleHeader
    from airlock.common.v1.network_pb2 import BundleKind

    from transfer.bundle.writer import SealedBundle

ACKNOWLEDGED: Final = "acknowledged"
VOIDED: Final = "voided"
_SEALING: Final = ".sealing"
_IDENTITY: Final = ("batch_id", "kind", "source_network", "destination_network", "epoch", "sequence")


@dataclass(frozen=True, slots=True)
class PublishedBundle:
    """A bundle under its final name. `adopted` when the file was there before, whose bytes then count."""

    path: Path
    digest: bytes
    checksum: str
    size: int
    records: int
    adopted: bool


@dataclass(frozen=True, slots=True)
class OutboxFile:
    """A bundle file that lies in a folder. `ends` is None if the file is damaged; its middle was not read."""

    path: Path
    kind: BundleKind.ValueType
    size: int
    ends: PeekedEnds | None

    @property
    def filename(self) -> str:
        """The name, by which the database knows it."""
        return self.path.name

    @property
    def sequence(self) -> int:
        """The number that its header claims; 0 for a damaged file."""
        try:
            return self.ends.header.sequence if self.ends is not None else 0
        except BundleError:
            return 0

    @property
    def epoch(self) -> int:
        """The epoch that its header claims; 0 for a damaged file."""
        try:
            return self.ends.header.epoch if self.ends is not None else 0
        except BundleError:
            return 0

    @property
    def digest(self) -> bytes | None:
        """The digest in its trailer."""
        return self.ends.digest if self.ends is not None else None


class Outbox:
    """One network's EXPORT_DIR. Every method may raise SpoolError; each can be repeated after a crash at any point."""

    def __init__(self, export_dir: str | os.PathLike[str]) -> None:
        self.root = Path(export_dir)
        self.media = MediaIndex(self.root)
        self._whole: dict[str, tuple[int, ...]] = {}

    def make_folders(self) -> None:
        """Makes every folder that is missing."""
        for name in (*map(kind_name, KINDS), ACKNOWLEDGED, VOIDED, _SEALING):
            make_folder(self.root / name)

    def temporary_path(self, filename: str) -> Path:
        """Where to seal a bundle: a name of its own at each call, so that two runs never write one file."""
        return self.root / _SEALING / f"{filename}.{uuid4().hex[:12]}"

    def final_path(self, kind: BundleKind.ValueType, filename: str) -> Path:
        """Where the bundle lies until it is acknowledged."""
        return self.root / kind_name(kind) / filename

    def publish(self, temporary: Path, header: BundleHeader, sealed: SealedBundle) -> PublishedBundle:
        """Gives a sealed bundle its final name, or adopts the file that has it: it may have been carried already.

        Then the sidecar, then `latest.pb.enc` if this is the newest of its kind.
        """
        adopted = self.adopt(header, sealed.records)
        if adopted is not None:
            self.discard_temporary(temporary)
            return adopted
        path = self.final_path(header.kind, filename_of(header))
        make_folder(path.parent)
        replace_durably(temporary, path)
        published = PublishedBundle(path, sealed.digest, sealed.checksum, sealed.size, sealed.records, adopted=False)
        self._complete(header, published)
        return published

    def adopt(self, header: BundleHeader, records: int) -> PublishedBundle | None:
        """The whole file that already has this batch's name, completed with sidecar and copy; None if there is none.

        `records` is the batch's count, for the sidecar.
        """
        path = self.final_path(header.kind, filename_of(header))
        if not path.exists():
            return None
        try:
            hashed = hash_file(path)
            found = parse_header(hashed.header_bytes)
        except BundleError:
            # A damaged file was never accepted anywhere; the caller seals the same rows again in its place.
            return None
        if not _is_same_batch(found, header):
            msg = f"{path} is another bundle than the batch of its name."
            raise SpoolError(msg, next_step="Move that file away; the next export run writes the right one.")
        published = PublishedBundle(path, hashed.digest, hashed.checksum, hashed.size, records, adopted=True)
        self._complete(found, published)
        return published

    def discard_temporary(self, temporary: Path) -> None:
        """Removes a sealed file that is not wanted after all."""
        remove_durably(temporary)

    def require_folder(self, kind: BundleKind.ValueType) -> None:
        """Raises SpoolError if the kind's folder is not there: its disk may not be mounted, and nothing is lost yet."""
        folder = self.root / kind_name(kind)
        if not folder.is_dir():
            msg = f"{folder} is not there."
            raise SpoolError(msg, next_step="Mount its disk; `migrate` makes the folders of a new one.")

    def is_whole(self, file: OutboxFile) -> bool:
        """Whether the middle is right too. Each file is read once by a process, and again when it has changed."""
        try:
            status = file.path.stat()
        except FileNotFoundError:
            # A run beside this one has just moved it.
            return False
        identity = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if self._whole.get(file.filename) == identity:
            return True
        try:
            hash_file(file.path)
        except BundleError:
            return False
        except SpoolError:
            if file.path.exists():
                raise
            return False
        self._whole[file.filename] = identity
        return True

    def waiting(self) -> list[OutboxFile]:
        """Everything that is to be carried, by kind and name. Without `latest.pb.enc` and sidecars."""
        return [file for kind in KINDS for file in _files(self.root / kind_name(kind))]

    def acknowledged(self) -> list[OutboxFile]:
        """What lies in `acknowledged/`."""
        return list(_files(self.root / ACKNOWLEDGED))

    def voided(self) -> list[OutboxFile]:
        """What lies in `voided/`."""
        return list(_files(self.root / VOIDED))

    def acknowledge(self, filename: str) -> bool:
        """Moves a waiting or voided bundle to `acknowledged/`; whether it was there to move."""
        return self._move(filename, ACKNOWLEDGED)

    def void(self, filename: str) -> bool:
        """Moves a waiting or acknowledged bundle to `voided/`; whether it was there to move."""
        return self._move(filename, VOIDED)

    def restore(self, filename: str) -> bool:
        """Brings a bundle back from `acknowledged/` or `voided/` to be carried; whether it was there."""
        named = parse_bundle_filename(filename)
        return named is not None and self._move(filename, kind_name(named.kind))

    def remove(self, file: OutboxFile) -> None:
        """Deletes a file that is done with, and its sidecar."""
        remove_durably(file.path.with_name(sidecar_filename(file.filename)))
        remove_durably(file.path)

    def clean_half_files(self, older_than: datetime) -> int:
        """Deletes what killed programs left half-written before that moment; how many files."""
        folders = (self.root / name for name in (*map(kind_name, KINDS), ACKNOWLEDGED, VOIDED))
        half = [path for folder in folders for path in _entries(folder) if is_half_file(path.name)]
        old = [path for path in (*_entries(self.root / _SEALING), *half) if _moved_before(path, older_than)]
        return sum(remove_durably(path) for path in old)

    def _complete(self, header: BundleHeader, published: PublishedBundle) -> None:
        """Sidecar and `latest` are for people: a disk without room for them must stop nothing, least of all imports."""
        with contextlib.suppress(SpoolError):
            sidecar = published.path.with_name(sidecar_filename(published.path.name))
            write_durably(sidecar, render_sidecar(header, published))
            latest = published.path.with_name(LATEST_NAME)
            if _is_newer(header, latest):
                copy_durably(published.path, latest)

    def _move(self, filename: str, folder: str) -> bool:
        named = parse_bundle_filename(filename)
        if named is None:
            msg = f"{filename!r} is not the name of a bundle."
            raise SpoolError(msg, next_step="Name a file of the outbox.")
        target = self.root / folder / filename
        for name in (kind_name(named.kind), ACKNOWLEDGED, VOIDED):
            source = self.root / name / filename
            if name == folder or not source.is_file():
                continue
            make_folder(target.parent)
            if name == kind_name(named.kind):
                _drop_latest_of(source)
            _move_sidecar(source, target)
            _touch(source)
            replace_durably(source, target)
            return True
        return False


def _files(folder: Path) -> Iterator[OutboxFile]:
    for path in _entries(folder):
        named = parse_bundle_filename(path.name)
        if named is None or path.is_symlink() or not path.is_file():
            continue
        try:
            yield OutboxFile(path, named.kind, path.stat().st_size, _ends(path))
        except (FileNotFoundError, SpoolError):
            # A run beside this one may just have moved it.
            if path.exists():
                raise


def _ends(path: Path) -> PeekedEnds | None:
    try:
        return peek(path)
    except BundleError:
        return None


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise spool_error("Listing", folder, error) from error


def _is_same_batch(found: BundleHeader, header: BundleHeader) -> bool:
    """Whether two headers are of one batch; the key may have been changed between two attempts to seal it."""
    return all(getattr(found, field) == getattr(header, field) for field in _IDENTITY)


def _is_newer(header: BundleHeader, latest: Path) -> bool:
    """Whether a bundle of this header belongs in `latest`; a damaged or missing one gives way."""
    try:
        other = peek(latest).header
    except (BundleError, SpoolError):
        return True
    return (header.epoch, header.sequence) >= (other.epoch, other.sequence)


def _drop_latest_of(path: Path) -> None:
    """`latest.pb.enc` goes with the bundle that it copies, and so does one that cannot be read."""
    latest = path.with_name(LATEST_NAME)
    try:
        if not latest.exists() or peek(latest).digest != peek(path).digest:
            return
    except BundleError:
        pass
    remove_durably(latest)


def _move_sidecar(source: Path, target: Path) -> None:
    sidecar = source.with_name(sidecar_filename(source.name))
    if sidecar.is_file():
        replace_durably(sidecar, target.with_name(sidecar.name))


def _touch(path: Path) -> None:
    """From now on counts how long a moved file is kept."""
    try:
        os.utime(path)
    except OSError as error:
        raise spool_error("Touching", path, error) from error


def _moved_before(path: Path, moment: datetime) -> bool:
    try:
        return path.stat().st_mtime < moment.timestamp()
    except FileNotFoundError:
        return False
