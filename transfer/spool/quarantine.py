"""Refused files, each with the reason beside it, until an operator releases or discards them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from transfer.errors import NotQuarantinedError, TransferError, as_text, spool_error
from transfer.spool.durable import make_folder, remove_durably, replace_durably, write_durably

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

REASON_SUFFIX: Final = ".reason.json"
_MAX_REASON: Final = 64 * 1024
_MAX_NAME: Final = 150
_TIMES: Final = re.compile(r"^(\d{8}T\d{12}_)+")
_REASON_LOST: Final = {
    "defect": "unknown",
    "message": "Why it was refused was written beside it and is not there any more.",
    "next_step": "Release it: the next import accepts it, or says again what is wrong.",
}
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class QuarantinedFile:
    """A refused file. `reason` is what its `.reason.json` holds, or says that this was lost."""

    name: str
    path: Path
    size: int
    reason: dict[str, Any]


class Quarantine:
    """The quarantine folder. Every method may raise SpoolError."""

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        self._folder = folder
        self._clock = clock

    def put(
        self,
        path: Path,
        original: str,
        error: TransferError,
        details: dict[str, str | int] | None = None,
        *,
        checksum: str = "",
    ) -> Path:
        """Moves a file in, under a name of its own. The reason is written first: no file lies there without one.

        `checksum` is the SHA-256 of a whole file. One that lies there already, refused for the same reason, is counted
        and not kept twice: every medium brings what is not acknowledged again.
        """
        make_folder(self._folder)
        now = self._clock()
        known = self._same(checksum, error.defect) if checksum else None
        if known is not None:
            again = {**known.reason, "times": int(known.reason.get("times", 1)) + 1, "last_brought_at": now.isoformat()}
            write_durably(_reason_path(known.path), _rendered({**again, **(details or {})}))
            remove_durably(path)
            return known.path
        # A dropped file's name is the courier's; only its harmless letters are kept.
        # One that comes back from here has a time before its name already.
        plain = _TIMES.sub("", Path(original).name)
        safe = _UNSAFE.sub("_", plain)[-_MAX_NAME:].lstrip(".")
        target = self._free(f"{now:%Y%m%dT%H%M%S%f}_{safe or 'file'}")
        reason: dict[str, Any] = {
            "defect": error.defect,
            "message": error.message,
            "next_step": error.next_step,
            "original": as_text(original),
            "quarantined_at": now.isoformat(),
            "sha256": checksum,
            "times": 1,
            **(details or {}),
        }
        write_durably(_reason_path(target), _rendered(reason))
        replace_durably(path, target)
        return target

    def count(self) -> int:
        """How many files there are."""
        return len(self._names())

    def files(self) -> list[QuarantinedFile]:
        """All refused files, the oldest first. SpoolError if the folder is not there: its disk may not be mounted."""
        if not self._folder.is_dir():
            raise spool_error("Listing", self._folder, FileNotFoundError(errno.ENOENT, "No such folder"))
        files = []
        for name in self._names():
            # One may be released or discarded meanwhile.
            with contextlib.suppress(FileNotFoundError):
                files.append(_file(self._folder / name))
        return files

    def find(self, name: str) -> QuarantinedFile:
        """One refused file."""
        return _file(self._known(name))

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._folder) as entries:
                return sorted(
                    entry.name
                    for entry in entries
                    if not entry.name.startswith(".")
                    and not entry.name.endswith(REASON_SUFFIX)
                    and entry.is_file(follow_symlinks=False)
                )
        except FileNotFoundError:
            return []
        except OSError as error:
            raise spool_error("Listing", self._folder, error) from error

    def _same(self, checksum: str, defect: str) -> QuarantinedFile | None:
        return next(
            (
                file
                for file in self.files()
                if file.reason.get("sha256") == checksum and file.reason.get("defect") == defect
            ),
            None,
        )

    def release(self, name: str, folder: Path) -> Path:
        """Moves a file to `folder` and forgets the reason."""
        path = self._known(name)
        make_folder(folder)
        target = folder / name
        replace_durably(path, target)
        remove_durably(_reason_path(path))
        return target

    def discard(self, name: str) -> None:
        """Deletes a file and its reason."""
        path = self._known(name)
        remove_durably(path)
        remove_durably(_reason_path(path))

    def _known(self, name: str) -> Path:
        path = self._folder / name
        if path.parent != self._folder or name.endswith(REASON_SUFFIX) or name.startswith(".") or not _is_regular(path):
            msg = f"{name!r} is not in quarantine."
            raise NotQuarantinedError(msg)
        return path

    def _free(self, name: str) -> Path:
        target = self._folder / name
        number = 1
        while target.exists() or target.is_symlink():
            number += 1
            target = self._folder / f"{name}.{number}"
        return target


def _file(path: Path) -> QuarantinedFile:
    return QuarantinedFile(path.name, path, path.stat().st_size, _read_reason(_reason_path(path)))


def _rendered(reason: dict[str, Any]) -> bytes:
    return json.dumps(reason, indent=2).encode() + b"\n"


def _reason_path(path: Path) -> Path:
    return path.with_name(f"{path.name}{REASON_SUFFIX}")


def _is_regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _read_reason(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            reason = json.loads(file.read(_MAX_REASON))
    except (OSError, ValueError, RecursionError):
        reason = None
    return reason if isinstance(reason, dict) else _REASON_LOST
