"""The plain record of who put or took which file when: one JSON line an entry, only ever added to.

A spool has one, written by this network's programs; a medium has one too, which anybody may have written and nothing
trusts. Their names differ, so that a medium's journal that is copied into a spool by hand replaces nothing there. A
line that a power cut left half is passed over when the journal is read.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import getpass
import json
import os
import socket
import stat
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self

from transfer.errors import SpoolError, as_text, spool_error
from transfer.spool.durable import fsync_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

MEDIUM_JOURNAL: Final = "journal.jsonl"
SPOOL_JOURNAL: Final = ".journal.jsonl"
# A journal is shown from its end; what lies further back than this is searched for what a decision needs, no more.
MAX_READ: Final = 16 * 1024 * 1024
MAX_LINE: Final = 4096
_MAX_TEXT: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One event. Texts are empty and numbers 0 where they do not apply."""

    # ISO 8601 with its offset.
    at: str
    by: str
    # On a medium: init, met, took, held, resent, delivered, lost, retired. Without one: received, released, discarded.
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


class Journal:
    """The journal of one folder. `write` may raise SpoolError; reading a missing journal gives nothing."""

    def __init__(self, path: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = path
        self._clock = clock

    @classmethod
    def of_spool(cls, folder: Path) -> Self:
        """The journal of an outbox or inbox."""
        return cls(folder / SPOOL_JOURNAL)

    @classmethod
    def of_medium(cls, folder: Path) -> Self:
        """The journal that a medium carries with it."""
        return cls(folder / MEDIUM_JOURNAL)

    def entry(self, action: str, **values: Any) -> JournalEntry:  # noqa: ANN401 - the entry's own fields
        """An entry of now, by whoever runs this."""
        at = self._clock().astimezone(UTC).isoformat(timespec="milliseconds")
        return JournalEntry(at=at, by=operator_name(), action=action, **values)

    def write(self, *entries: JournalEntry) -> None:
        """Adds entries, durably. Several programs may write at once."""
        if not entries:
            return
        lines = b"".join(_line(entry) for entry in entries)
        descriptor = self._opened("Writing", os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            # A line that was cut off must not swallow the next one.
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            rest = memoryview((b"\n" if torn else b"") + lines)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
            if not size:
                # A new name is on the disk once its folder is.
                fsync_directory(self.path.parent)
        except OSError as error:
            raise spool_error("Writing", self.path, error) from error
        finally:
            os.close(descriptor)

    def read(self) -> list[JournalEntry]:
        """The entries, the oldest first, as far back as MAX_READ bytes. Raises SpoolError."""
        with self._reading() as file:
            if file is None:
                return []
            size = os.fstat(file.fileno()).st_size
            if size > MAX_READ:
                file.seek(size - MAX_READ)
                file.readline(MAX_LINE)
            return list(entries_of(file.read(MAX_READ).split(b"\n")))

    def search(self, values: Iterable[str], *, and_the_tail: bool = False) -> Iterator[JournalEntry]:
        """The entries of which a field is one of `values`, however far back, the oldest first; few of them, at best.

        With `and_the_tail` also all those that `read` gives, in their places. For a spool's journal, which only grows
        by what was carried: a medium's may have any length. Raises SpoolError.
        """
        texts = [json.dumps(value, ensure_ascii=False).encode() for value in values]
        with self._reading() as file:
            if file is None:
                return
            tail = os.fstat(file.fileno()).st_size - MAX_READ
            position = 0
            while line := file.readline(MAX_LINE + 1):
                position += len(line)
                if (and_the_tail and position > tail) or any(text in line for text in texts):
                    yield from entries_of([line.rstrip(b"\n")])

    @contextlib.contextmanager
    def _reading(self) -> Iterator[BinaryIO | None]:
        """The open file; None if there is none."""
        try:
            descriptor = self._opened("Reading", os.O_RDONLY)
        except FileNotFoundError:
            yield None
            return
        with os.fdopen(descriptor, "rb") as file:
            try:
                yield file
            except OSError as error:
                raise spool_error("Reading", self.path, error) from error

    def _opened(self, doing: str, flags: int) -> int:
        """Opens it; never through a link, nor a pipe that waits. Raises FileNotFoundError, SpoolError."""
        try:
            return open_regular_file(self.path, flags)
        except FileNotFoundError:
            if flags & os.O_CREAT:
                raise spool_error(doing, self.path, FileNotFoundError(errno.ENOENT, "No such folder")) from None
            raise
        except IsNotRegularError:
            msg = f"{self.path} is not a regular file."
            raise SpoolError(msg, next_step="Move it away; the next command begins a new journal.") from None
        except OSError as error:
            raise spool_error(doing, self.path, error) from error


class IsNotRegularError(OSError):
    """What was to be opened is a folder, a pipe or a device."""


def open_regular_file(path: Path, flags: int) -> int:
    """A descriptor of a regular file; no link is followed. Raises OSError."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o640)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise IsNotRegularError
    return descriptor


def _line(entry: JournalEntry) -> bytes:
    content = {name: value for name, value in asdict(entry).items() if value}
    return json.dumps(content, ensure_ascii=False).encode()[: MAX_LINE - 1] + b"\n"


def entries_of(lines: Iterable[bytes]) -> Iterator[JournalEntry]:
    """The entries that lines hold; a line that holds none is passed over."""
    for line in lines:
        if not line or len(line) > MAX_LINE:
            continue
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            content = json.loads(line)
            values: dict[str, Any] = {name: _plain(name, content[name]) for name in _NAMES if name in content}
            yield JournalEntry(**values)


def _plain(name: str, value: object) -> str | int:
    """A field of the type that it must have; a journal on a medium may hold anything. TypeError or ValueError."""
    number = name in _NUMBERS
    if number and isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    if number or not isinstance(value, str):
        raise TypeError(name)
    if name == "at":
        return datetime.fromisoformat(value).astimezone(UTC).isoformat(timespec="milliseconds")
    # No database takes U+0000.
    return as_text(value).replace("\0", "\ufffd")[:_MAX_TEXT]


_NAMES: Final = tuple(field.name for field in fields(JournalEntry))
_NUMBERS: Final = frozenset({"epoch", "sequence", "size"})
