"""Faults that a rehearsal injects: a process that dies at a step, a disk that is full, and the moved clock."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from common.batches.steps import Step
from transfer.errors import NoSpaceError
from transfer.spool.copying import Disk

if TYPE_CHECKING:
    from pathlib import Path

# At these a full disk shows: while a bundle is written, and while an arriving one is copied aside.
FULL_AT = frozenset({Step.SEAL, Step.STAGE})


class KilledError(BaseException):
    """The process dies here. No Exception, so that nothing that tidies up after errors gets to run."""


@dataclass(slots=True)
class Faults:
    """Breaks off at the `countdown`-th report of `step`, once. `passed` counts what was seen, for the report."""

    step: Step | None = None
    countdown: int = 1
    disk_is_full: bool = False
    injected: dict[str, int] = field(default_factory=dict)
    # Whatever else the process is doing comes no further than its next step.
    dead: bool = False

    def __call__(self, step: Step) -> None:
        """A step was passed."""
        if self.dead:
            raise KilledError(step)
        if step is not self.step:
            return
        self.countdown -= 1
        if self.countdown > 0:
            return
        self.step = None
        what = f"{'full disk' if self.disk_is_full else 'killed'} at {step}"
        self.injected[what] = self.injected.get(what, 0) + 1
        if self.disk_is_full:
            raise NoSpaceError("The disk of this rehearsal is full.")
        self.dead = True
        raise KilledError(step)

    def arm(self, step: Step, countdown: int, *, disk_is_full: bool) -> None:
        """The next process to come there dies, or finds its disk full."""
        self.step, self.countdown, self.disk_is_full = step, countdown, disk_is_full

    def disarm(self) -> None:
        """Nothing fails any more."""
        self.step = None


@dataclass(slots=True)
class MovedClock:
    """The real time plus what was moved. It never stands still, so no two bundles have one name."""

    moved: timedelta = timedelta()

    def __call__(self) -> datetime:
        """The moment."""
        return datetime.now(UTC) + self.moved

    def advance(self, by: timedelta) -> None:
        """Time passes."""
        self.moved += by


class SmallDisk(Disk):
    """A medium with room for so many bytes; it says so at first and lies about the last ones."""

    def __init__(self, room: int, *, honest: bool) -> None:
        self._room = room
        self._honest = honest

    def room(self, folder: Path) -> int:
        """What it claims to have left."""
        return self._room if self._honest else 2**40

    def write(self, descriptor: int, piece: memoryview) -> None:
        """Writes until it is full."""
        if len(piece) > self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._room -= len(piece)
        super().write(descriptor, piece)
