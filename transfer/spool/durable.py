"""Writes that survive a power cut: a file appears under its name whole, or not at all."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from transfer.errors import spool_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedWriter
    from pathlib import Path

COPY_BYTES: Final = 1024 * 1024
# Hidden, so that neither a scan nor a courier takes it for a file.
_TEMPORARY_SUFFIX: Final = ".part"


def temporary_beside(path: Path) -> Path:
    """A hidden name in the same folder that no one else uses."""
    return path.with_name(f".{path.name}.{uuid4().hex[:12]}{_TEMPORARY_SUFFIX}")


def is_half_file(name: str) -> bool:
    """Whether a file is called as `temporary_beside` names one."""
    return name.startswith(".") and name.endswith(_TEMPORARY_SUFFIX)


def fsync_directory(folder: str | os.PathLike[str]) -> None:
    """Makes the names in a folder durable. Raises SpoolError."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise spool_error("Flushing", folder, error) from error


def make_folder(folder: Path, mode: int = 0o750) -> None:
    """Makes a folder and its parents, durably; one that is there is fine. Raises SpoolError."""
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise spool_error("Making the folder", folder, error) from error
    fsync_directory(folder.parent)


@contextlib.contextmanager
def durable_file(path: Path) -> Iterator[BufferedWriter]:
    """A new file, flushed to the disk at the end of the block and removed if that fails. Raises SpoolError."""
    try:
        with path.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        _remove(path)
        raise spool_error("Writing", path, error) from error
    except BaseException:
        _remove(path)
        raise


def write_durably(path: Path, data: bytes) -> None:
    """Writes a small file, replacing what has its name. Raises SpoolError or NoSpaceError."""
    temporary = temporary_beside(path)
    with durable_file(temporary) as file:
        file.write(data)
    replace_durably(temporary, path)


def copy_durably(source: Path, target: Path) -> None:
    """Copies a file to another name, replacing what has it. Raises SpoolError or NoSpaceError."""
    temporary = temporary_beside(target)
    with durable_file(temporary) as copy, source.open("rb") as original:
        while data := original.read(COPY_BYTES):
            copy.write(data)
    replace_durably(temporary, target)


def replace_durably(source: Path, target: Path) -> None:
    """Renames a file, whose bytes are durable already, within one file system. Raises SpoolError."""
    try:
        source.replace(target)
    except OSError as error:
        raise spool_error("Renaming to", target, error) from error
    fsync_directory(target.parent)
    if source.parent != target.parent:
        fsync_directory(source.parent)


def remove_durably(path: Path) -> bool:
    """Removes a file and says whether it was there. Raises SpoolError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise spool_error("Removing", path, error) from error
    fsync_directory(path.parent)
    return True


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
