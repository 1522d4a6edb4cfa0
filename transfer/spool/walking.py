"""Looking through a medium that no one vouches for: no link is followed, every count is bounded, nothing is changed."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from transfer.errors import MediumError, MediumMissingError, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_ENTRIES: Final = 100_000
MAX_DEPTH: Final = 16

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK keeps a named pipe from waiting for its writer.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Found:
    """An entry, by its path below the folder that was opened; `obstacle` says why it is no regular file."""

    path: PurePath
    size: int
    obstacle: str | None


@contextlib.contextmanager
def opened_medium(medium: Path) -> Iterator[int]:
    """A descriptor of the medium's folder; only here may the path lead through links. Raises MediumMissingError."""
    try:
        descriptor = os.open(medium, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        msg = f"{medium} is not a folder that can be read: {error.strerror}."
        raise MediumMissingError(msg) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def walk(root: int) -> Iterator[Found]:
    """Everything below an open folder but the folders, by name. Raises MediumError beyond MAX_ENTRIES."""
    seen = 0
    waiting = [PurePath()]
    while waiting:
        folder = waiting.pop()
        try:
            entries = _entries(root, folder)
        except OSError as error:
            yield Found(folder, 0, f"cannot be listed: {error.strerror}")
            continue
        folders: list[PurePath] = []
        for name, mode, size in entries:
            seen += 1
            if seen > MAX_ENTRIES:
                msg = f"The medium holds more than {MAX_ENTRIES} files."
                raise MediumError(msg, next_step="Remove what does not belong there, or use a fresh medium.")
            path = folder / name
            if stat.S_ISDIR(mode) and len(path.parts) < MAX_DEPTH:
                folders.append(path)
            else:
                yield Found(path, size, _obstacle(mode))
        waiting += reversed(folders)


def _entries(root: int, folder: PurePath) -> list[tuple[str, int, int]]:
    descriptor = _open_beneath(root, folder.parts, _OPEN_FOLDER)
    try:
        entries = []
        with os.scandir(descriptor) as listing:
            for entry in listing:
                status = entry.stat(follow_symlinks=False)
                entries.append((entry.name, status.st_mode, status.st_size))
                if len(entries) > MAX_ENTRIES:
                    break
        return sorted(entries)
    finally:
        os.close(descriptor)


def _obstacle(mode: int) -> str | None:
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISLNK(mode):
        return "is a link, and links are not followed"
    if stat.S_ISDIR(mode):
        return f"is a folder more than {MAX_DEPTH} deep"
    return "is not a regular file"


def open_found(root: int, path: PurePath) -> int:
    """Opens a file that `walk` found, refusing links in every step of its path. UnreadableError or MediumError."""
    try:
        descriptor = _open_beneath(root, path.parts, _OPEN_FILE)
    except OSError as error:
        msg = f"Opening {path} failed: {error.strerror or error}."
        raise UnreadableError(msg) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        msg = f"{path} is no longer a regular file."
        raise MediumError(msg)
    return descriptor


def _open_beneath(root: int, parts: tuple[str, ...], flags: int) -> int:
    folder = os.dup(root)
    try:
        for part in parts[:-1]:
            deeper = os.open(part, _OPEN_FOLDER, dir_fd=folder)
            os.close(folder)
            folder = deeper
        return os.open(parts[-1] if parts else ".", flags, dir_fd=folder)
    finally:
        os.close(folder)
