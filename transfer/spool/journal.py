"""The plain record of who put or took which file when: one JSON line an entry, only ever added to.

A spool has one, written by this network's programs; a medium has one too, which anybody may have written and nothing
trusts. A line that a power cut left half is passed over when the journal is read.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import socket
import stat
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from transfer.errors import SpoolError, as_text, spool_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from transfer.spool.marker import Marker

JOURNAL_NAME: Final = "journal.jsonl"
# A journal is read from its end; what lies further back than this is for people with an editor.
MAX_READ: Final = 64 * 1024 * 1024
MAX_LINE: Final = 4096
_MAX_TEXT: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One event. Texts are empty and numbers 0 where they do not apply."""

    at: str
    by: str
    # init, took, resent, delivered, lost, retired.
    action: str
    medium: str = ""
    medium_id: str = ""
    file: str = ""
    kind: str = ""
    epoch: int = 0
    sequence: int = 0
    size: int = 0
    # SHA-256 of the whole file, as `sha256sum` prints it.
    sha256: str = ""
    note: str = ""


def operator_name() -> str:
    """Who acts: AIRLOCK_OPERATOR, or the account and the machine."""
    named = os.environ.get("AIRLOCK_OPERATOR", "")
    if named:
        return as_text(named)[:_MAX_TEXT]
    try:
        account = getpass.getuser()
    except (KeyError, OSError):
        account = str(os.getuid())
    return as_text(f"{account}@{socket.gethostname()}")[:_MAX_TEXT]


def write_down(
    spool: Path, medium: Path, marker: Marker | None, action: str, files: Sequence[Mapping[str, Any]]
) -> SpoolError | None:
    """Notes what was carried in the spool's journal and, if the medium has a name, in the medium's.

    Returns why the spool's could not be written: what was carried is carried all the same. A medium may be full or
    read-only, and its journal is for people.
    """
    journal = Journal(spool)
    name = {"medium": marker.name, "medium_id": str(marker.medium_id)} if marker is not None else {}
    entries = [journal.entry(action, **name, **file) for file in files]
    if marker is not None:
        with contextlib.suppress(SpoolError):
            Journal(medium).write(*entries)
    try:
        journal.write(*entries)
    except SpoolError as error:
        return error
    return None


class Journal:
    """The journal of one folder. `write` may raise SpoolError; reading a missing journal gives nothing."""

    def __init__(self, folder: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = folder / JOURNAL_NAME
        self._clock = clock

    def entry(self, action: str, **values: Any) -> JournalEntry:  # noqa: ANN401 - the entry's own fields
        """An entry of now, by whoever runs this."""
        at = self._clock().astimezone(UTC).isoformat(timespec="seconds")
        return JournalEntry(at=at, by=operator_name(), action=action, **values)

    def write(self, *entries: JournalEntry) -> None:
        """Adds entries, durably. Several programs may write at once."""
        if not entries:
            return
        lines = b"".join(_line(entry) for entry in entries)
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                size = os.fstat(descriptor).st_size
                # A line that was cut off must not swallow the next one.
                torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                os.write(descriptor, (b"\n" if torn else b"") + lines)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise spool_error("Writing the journal", self.path, error) from error

    def read(self) -> list[JournalEntry]:
        """The entries, the oldest first, as far back as MAX_READ bytes. Raises SpoolError."""
        return list(_entries(self._lines()))

    def _lines(self) -> Iterable[bytes]:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise spool_error("Reading the journal", self.path, error) from error
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                msg = f"{self.path} is not a regular file."
                raise SpoolError(msg, next_step="Move it away; the next command begins a new journal.")
            if status.st_size > MAX_READ:
                file.seek(status.st_size - MAX_READ)
                file.readline(MAX_LINE)
            return file.read(MAX_READ).split(b"\n")


def _line(entry: JournalEntry) -> bytes:
    content = {name: value for name, value in asdict(entry).items() if value}
    return json.dumps(content, ensure_ascii=False).encode()[: MAX_LINE - 1] + b"\n"


def _entries(lines: Iterable[bytes]) -> Iterator[JournalEntry]:
    for line in lines:
        if not line or len(line) > MAX_LINE:
            continue
        with contextlib.suppress(ValueError, TypeError):
            content = json.loads(line)
            values: dict[str, Any] = {name: _plain(name, content[name]) for name in _NAMES if name in content}
            yield JournalEntry(**values)


def _plain(name: str, value: object) -> str | int:
    """A field of the type that it must have; a journal on a medium may hold anything. Raises TypeError."""
    number = name in _NUMBERS
    if number and isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    if not number and isinstance(value, str):
        return as_text(value)[:_MAX_TEXT]
    raise TypeError(name)


_NAMES: Final = tuple(field.name for field in fields(JournalEntry))
_NUMBERS: Final = frozenset({"epoch", "sequence", "size"})


class JournalTail:
    """Gives what was added to a journal since it was asked last, so that a long one is read once."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL_NAME
        self._identity: tuple[int, int] | None = None
        self._position = 0

    def new_entries(self) -> tuple[list[JournalEntry], bool]:
        """The new entries, and whether they are all that there are: at first, or after the file was exchanged."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                identity = (status.st_dev, status.st_ino)
                fresh = identity != self._identity or status.st_size < self._position
                if fresh:
                    self._identity, self._position = identity, max(0, status.st_size - MAX_READ)
                file.seek(self._position)
                data = file.read(MAX_READ)
        except OSError:
            fresh, self._identity, self._position = self._identity is not None, None, 0
            return [], fresh
        whole = data.rfind(b"\n") + 1
        self._position += whole
        return list(_entries(data[:whole].split(b"\n"))), fresh
