"""Where an index lies: its name is a link to one of its generations, and turning the link replaces the index whole.

Searches under way go on in the generation in which they began, so the one before the newest stays until the next load.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Final

from response_svc.search.embedded.layout import META

if TYPE_CHECKING:
    from collections.abc import Iterator

# Neither sign stands in the name of an index, so no two indices can meet in a name.
_GENERATION: Final = "@"
_BUILDING: Final = "#"


@contextmanager
def loading(directory: Path, name: str) -> Iterator[None]:
    """One load below a directory at a time, in whatever process; another waits. What a killed load left is removed."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in directory.glob(f".{name}{_BUILDING}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(lock)


@contextmanager
def building(directory: Path, name: str) -> Iterator[Path]:
    """A folder to build in, which becomes the index at the end of the block, and is removed if that raises."""
    folder = directory / Path(mkdtemp(prefix=f".{name}{_BUILDING}", dir=directory)).name
    try:
        yield folder
        folder.chmod(0o755)
        _put_in_place(directory, name, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _put_in_place(directory: Path, name: str, built: Path) -> None:
    place = directory / name
    before = place.resolve().name
    generation = directory / built.name.replace(_BUILDING, _GENERATION)
    built.rename(generation)
    link = directory / f".{name}.link"
    link.unlink(missing_ok=True)
    link.symlink_to(generation.name)
    if place.is_dir() and not place.is_symlink():
        # From a release that had no generations.
        shutil.rmtree(place)
    link.replace(place)
    for old in directory.glob(f".{name}{_GENERATION}*"):
        if old.name not in {before, generation.name}:
            shutil.rmtree(old, ignore_errors=True)


def generation_of(place: Path) -> tuple[int, int] | None:
    """What tells one generation from another; None where there is no index."""
    try:
        found = (place / META).stat()
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns)
