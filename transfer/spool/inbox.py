"""The folder that bundles arrive in: finding whole files, taking a private copy, and putting them away afterwards.

    IMPORT_DIR/<kind>/     the inbox; a bundle may be dropped anywhere below IMPORT_DIR, under any name
    IMPORT_DIR/archive/    bundles that were applied
    IMPORT_DIR/quarantine/ what was refused, each with a `.reason.json`
    IMPORT_DIR/released/   what came back from either of the two, part of the inbox
    IMPORT_DIR/.staging/   private copies of the bundle that is being applied

Names, times, modes and owners of dropped files mean nothing here, and links are never followed.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from transfer.bundle.hashing import HashedFile, hash_descriptor
from transfer.bundle.names import KINDS, SIDECAR_SUFFIX, kind_name, parse_bundle_filename
from transfer.bundle.peek import peek_descriptor
from transfer.bundle.verify import open_regular
from transfer.errors import BundleError, SpoolError, TransferError, spool_error
from transfer.spool.brought import BroughtIndex
from transfer.spool.durable import durable_file, is_half_file, make_folder, remove_durably, replace_durably
from transfer.spool.journal import MEDIUM_JOURNAL
from transfer.spool.marker import MARKER_NAME
from transfer.spool.quarantine import Quarantine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ARCHIVE: Final = "archive"
QUARANTINE: Final = "quarantine"
RELEASED: Final = "released"
_STAGING: Final = ".staging"
_NOT_SCANNED: Final = frozenset({ARCHIVE, QUARANTINE})

# A file that is not whole may still be on its way; one that nobody has written to for so long is not.
SETTLED_AFTER: Final = timedelta(seconds=10)
MAX_DEPTH: Final = 16
MAX_ENTRIES: Final = 100_000
# How many files one scan reads through; the next scan takes the rest.
MAX_FILES: Final = 500

_LAST: Final = (1, 0, 0)


@dataclass(frozen=True, slots=True)
class InboxFile:
    """A file that was found. Whole ones are staged; settled ones that are not whole belong in quarantine; others wait.

    `error` says why a file is not whole. `identity` tells whether it is still the same file later.
    """

    path: Path
    size: int
    identity: tuple[int, int, int, int]
    whole: bool
    settled: bool
    error: TransferError | None


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A private copy of a whole file. `hashed` saves `verify_file` from reading it again."""

    path: Path
    source: InboxFile
    hashed: HashedFile


class Inbox:
    """One network's IMPORT_DIR. Every method may raise SpoolError; each can be repeated after a crash at any point."""

    def __init__(
        self, import_dir: str | os.PathLike[str], clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.root = Path(import_dir)
        self._clock = clock
        self.quarantine_folder = Quarantine(self.root / QUARANTINE, clock)
        self.brought = BroughtIndex(self.root)
        # Whether this process has compared the archive with its database.
        self.archive_was_compared = False

    def require_folder(self) -> None:
        """Raises SpoolError if the inbox is not there: its disk may not be mounted, and nothing new is no news then."""
        if not self.root.is_dir():
            msg = f"{self.root} is not there."
            raise SpoolError(msg, next_step="Mount its disk; `migrate` makes the folders of a new one.")

    def make_folders(self) -> None:
        """Makes every folder that is missing."""
        for name in (*map(kind_name, KINDS), ARCHIVE, QUARANTINE, _STAGING):
            make_folder(self.root / name)

    def scan(self) -> list[InboxFile]:
        """What lies in the inbox: whole files in the order of their numbers, then the others. At most MAX_FILES."""
        obstacles: list[tuple[Path, SpoolError]] = []
        looked_at = [self._look(path) for path in _regular_files(self.root, obstacles)]
        looked_at += [(_LAST, _unreadable(path, error)) for path, error in obstacles]
        looked_at.sort(key=lambda pair: (pair[0], str(pair[1].path)))
        return [self._read_through(file) if file.whole else file for _, file in looked_at[:MAX_FILES]]

    def paths(self) -> list[Path]:
        """Every file that a scan would look at."""
        return list(_regular_files(self.root, []))

    def stage(self, file: InboxFile) -> StagedFile:
        """Copies a file for ourselves while hashing it. Raises a BundleError if it changed since the scan."""
        make_folder(self.root / _STAGING)
        path = self.root / _STAGING / uuid4().hex
        descriptor = open_regular(file.path)
        try:
            with durable_file(path) as copy:
                hashed = hash_descriptor(descriptor, copy.write)
        finally:
            os.close(descriptor)
        return StagedFile(path, file, hashed)

    def archive(self, staged: StagedFile, filename: str) -> Path:
        """Keeps the applied bundle under its proper name and takes it out of the inbox."""
        target = self.root / ARCHIVE / filename
        make_folder(target.parent)
        replace_durably(staged.path, target)
        self._take_out(staged.source)
        return target

    def quarantine(
        self, file: InboxFile | StagedFile, error: TransferError, details: dict[str, str | int] | None = None
    ) -> Path:
        """Sets a refused file aside with the reason beside it; returns where it lies now.

        `details` are shown with the reason, such as the number that a signed header names.
        """
        if isinstance(file, InboxFile):
            self._require_unchanged(file)
            name = str(file.path.relative_to(self.root))
            path = self.quarantine_folder.put(file.path, name, error, details)
            self._drop_sidecar(file.path)
            return path
        name = str(file.source.path.relative_to(self.root))
        path = self.quarantine_folder.put(file.path, name, error, details, checksum=file.hashed.checksum)
        self._take_out(file.source)
        return path

    def discard(self, staged: StagedFile) -> None:
        """Drops the private copy and leaves the inbox as it is: the next scan finds the file again."""
        remove_durably(staged.path)

    def release(self, name: str) -> Path:
        """Brings a file back from quarantine, to be imported by the next scan."""
        return self.quarantine_folder.release(name, self.root / RELEASED)

    def archived(self) -> list[str]:
        """The proper names of the bundles in the archive."""
        return [entry.name for entry in _entries(self.root / ARCHIVE) if parse_bundle_filename(entry.name) is not None]

    def bring_back(self, filename: str) -> Path:
        """Takes a bundle out of the archive, to be imported again by the next scan."""
        source, target = self.root / ARCHIVE / filename, self.root / RELEASED / filename
        make_folder(target.parent)
        replace_durably(source, target)
        return target

    def clean_archive(self, older_than: datetime) -> int:
        """Deletes bundles that were archived before that moment; returns how many."""
        return self._clean(_entries(self.root / ARCHIVE), older_than)

    def clean_half_files(self, older_than: datetime) -> int:
        """Deletes private copies and half files that killed programs left before that moment; how many."""
        folders = [self.root / kind_name(kind) for kind in KINDS]
        half = [entry for folder in folders for entry in _entries(folder) if is_half_file(entry.name)]
        return self._clean([*_entries(self.root / _STAGING), *half], older_than)

    @staticmethod
    def _clean(entries: list[os.DirEntry[str]], older_than: datetime) -> int:
        count = 0
        for entry in entries:
            # Another clean-up may run beside this one.
            with contextlib.suppress(FileNotFoundError):
                regular = entry.is_file(follow_symlinks=False)
                if regular and entry.stat(follow_symlinks=False).st_ctime < older_than.timestamp():
                    count += remove_durably(Path(entry.path))
        return count

    def _look(self, path: Path) -> tuple[tuple[int, int, int], InboxFile]:
        """A look at both ends: cheap enough for every file, and it gives the order."""
        try:
            descriptor = open_regular(path)
        except TransferError as error:
            return _LAST, _unreadable(path, error)
        try:
            place, damage = _place(descriptor)
            return place, self._file(path, os.fstat(descriptor), damage)
        except OSError as error:
            return _LAST, _unreadable(path, spool_error("Reading", path, error))
        finally:
            os.close(descriptor)

    def _read_through(self, file: InboxFile) -> InboxFile:
        """Whether the middle is right too."""
        try:
            descriptor = open_regular(file.path)
        except TransferError as error:
            return _unreadable(file.path, error)
        try:
            hash_descriptor(descriptor)
            return self._file(file.path, os.fstat(descriptor), None)
        except BundleError as error:
            return self._file(file.path, os.fstat(descriptor), error)
        except OSError as error:
            return _unreadable(file.path, spool_error("Reading", file.path, error))
        finally:
            os.close(descriptor)

    def _file(self, path: Path, status: os.stat_result, error: TransferError | None) -> InboxFile:
        # The change time is this machine's own; a copy can set the modification time to anything.
        changed = datetime.fromtimestamp(status.st_ctime, UTC)
        settled = self._clock() - changed >= SETTLED_AFTER
        return InboxFile(path, status.st_size, _identity(status), whole=error is None, settled=settled, error=error)

    def _require_unchanged(self, file: InboxFile) -> None:
        """A file that was judged a while ago may have been copied once more, and be whole by now."""
        try:
            status = file.path.stat(follow_symlinks=False)
        except OSError as error:
            raise spool_error("Looking at", file.path, error) from error
        if _identity(status) != file.identity:
            msg = f"{file.path} has changed since it was looked at."
            raise SpoolError(msg, next_step="Nothing is to be done: the next scan looks at it again.")

    def _take_out(self, file: InboxFile) -> None:
        """Removes the file from the inbox, unless another one has its name by now."""
        try:
            status = file.path.stat(follow_symlinks=False)
        except FileNotFoundError:
            return
        except OSError as error:
            raise spool_error("Looking at", file.path, error) from error
        if _identity(status) == file.identity:
            remove_durably(file.path)
            self._drop_sidecar(file.path)

    def _drop_sidecar(self, path: Path) -> None:
        sidecar = path.with_name(f"{path.name}.meta.json")
        if sidecar.is_file() and not sidecar.is_symlink():
            with contextlib.suppress(SpoolError):
                remove_durably(sidecar)


def _unreadable(path: Path, error: TransferError) -> InboxFile:
    """A file that this process cannot read; it stays where it is until someone gives leave."""
    return InboxFile(path, 0, (0, 0, 0, 0), whole=False, settled=False, error=error)


def _place(descriptor: int) -> tuple[tuple[int, int, int], BundleError | None]:
    """Where a file comes in the order of a scan, and why it is surely not whole."""
    try:
        ends = peek_descriptor(descriptor)
    except BundleError as error:
        return _LAST, error
    try:
        header = ends.header
    except BundleError:
        # Perhaps of a later version: whole all the same, and refused with its reason once its signature is checked.
        return (0, 0, 0), None
    else:
        return (0, header.epoch, header.sequence), None


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _regular_files(root: Path, obstacles: list[tuple[Path, SpoolError]]) -> Iterator[Path]:
    """Every regular file below `root` that may be a bundle. Hidden names are half files and other systems' leavings.

    A folder below that cannot be listed, such as a volume's own lost+found, goes to `obstacles` and stops nothing.
    """
    folders = [(root, 0)]
    seen = 0
    while folders:
        folder, depth = folders.pop()
        try:
            entries = _entries(folder)
        except SpoolError as error:
            if folder == root:
                raise
            obstacles.append((folder, error))
            continue
        for entry in entries:
            seen += 1
            if seen > MAX_ENTRIES:
                msg = f"{root} holds more than {MAX_ENTRIES} files and folders."
                raise SpoolError(msg, next_step="Take out what does not belong there.")
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if depth < MAX_DEPTH and not (depth == 0 and entry.name in _NOT_SCANNED):
                    folders.append((Path(entry.path), depth + 1))
            elif entry.is_file(follow_symlinks=False) and not _lies_beside_bundles(entry.name):
                yield Path(entry.path)


def _lies_beside_bundles(name: str) -> bool:
    """Whether a file is one that comes along when somebody copies a whole medium in."""
    return name in {MARKER_NAME, MEDIUM_JOURNAL} or name.endswith(SIDECAR_SUFFIX)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise spool_error("Listing", folder, error) from error
