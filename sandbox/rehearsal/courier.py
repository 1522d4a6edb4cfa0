"""The courier of a rehearsal: media that are lost, doubled, late, mixed up, damaged and full, in either direction."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from sandbox.rehearsal.drawing import below
from sandbox.rehearsal.faults import SmallDisk
from transfer.bundle.peek import peek
from transfer.errors import BundleError
from transfer.spool.deliver import deliver
from transfer.spool.take import take

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from sandbox.rehearsal.side import Side


@dataclass(slots=True)
class Trip:
    """A medium on its way. It may come several times, and to the wrong place."""

    medium: Path
    source: str
    arrives_at: datetime
    times: int


@dataclass(slots=True)
class Courier:
    """Carries below `folder`. What went wrong is counted in `mishaps`."""

    folder: Path
    choose: random.Random
    trips: list[Trip] = field(default_factory=list)
    mishaps: dict[str, int] = field(default_factory=dict)
    _made: int = 0

    def collect(self, side: Side, now: datetime) -> None:
        """Takes what waits onto a fresh medium, perhaps one with little room, and sets out."""
        self._made += 1
        medium = self.folder / f"medium-{self._made}"
        medium.mkdir(parents=True)
        disk = None
        if self.choose.random() < 0.15:
            disk = SmallDisk(self.choose.randint(0, 200_000), honest=self.choose.random() < 0.5)
            self._count("little room")
        take(side.export_dir, medium, disk=disk)
        if self.choose.random() < 0.15:
            self._count("lost medium")
            shutil.rmtree(medium)
            return
        hours = self.choose.choice((1, 3, 8, 30, 80, 200))
        times = 2 if self.choose.random() < 0.2 else 1
        self.trips.append(Trip(medium, side.name, now + timedelta(hours=hours), times))

    def arrive(self, sides: dict[str, Side], now: datetime) -> None:
        """Delivers the media whose time has come, in any order."""
        due = [trip for trip in self.trips if trip.arrives_at <= now]
        self.choose.shuffle(due)
        for trip in due:
            if self.choose.random() < 0.35:
                self._damage(trip.medium)
            destination = sides["response" if trip.source == "request" else "request"]
            if self.choose.random() < 0.05:
                self._count("wrong network")
                self._drop_everything(trip.medium, sides[trip.source])
            self._deliver(trip.medium, destination)
            trip.times -= 1
            if trip.times:
                self._count("comes twice")
                trip.arrives_at = now + timedelta(hours=self.choose.choice((1, 24, 240)))
            else:
                shutil.rmtree(trip.medium)
                self.trips.remove(trip)

    def carry_well(self, sides: dict[str, Side]) -> None:
        """Everything that waits on either side to the other, as it should be."""
        for side in sides.values():
            self._made += 1
            medium = self.folder / f"medium-{self._made}"
            medium.mkdir(parents=True)
            take(side.export_dir, medium)
            other = sides["response" if side.name == "request" else "request"]
            deliver(medium, other.import_dir, destination=other.settings.network)
            shutil.rmtree(medium)

    def _deliver(self, medium: Path, destination: Side) -> None:
        disk = None
        if self.choose.random() < 0.1:
            disk = SmallDisk(self.choose.randint(0, 100_000), honest=False)
            self._count("inbox without room")
        deliver(medium, destination.import_dir, destination=destination.settings.network, disk=disk)

    def _drop_everything(self, medium: Path, side: Side) -> None:
        """By hand and without the command: whatever lies there, under other names, perhaps in the wrong place."""
        for path in bundles_on(medium):
            self._made += 1
            shutil.copy(path, side.import_dir / f"dropped-{self._made}.pb.enc")

    def _damage(self, medium: Path) -> None:
        files = bundles_on(medium)
        mischief: Callable[[Path, list[Path]], None] = self.choose.choice(
            (self._truncate, self._flip, self._mix_in, self._remove)
        )
        if files or mischief == self._mix_in:
            mischief(medium, files)

    def _truncate(self, _medium: Path, files: list[Path]) -> None:
        path = self.choose.choice(files)
        content = path.read_bytes()
        path.write_bytes(content[: below(self.choose, len(content))])
        self._count("truncated")

    def _flip(self, _medium: Path, files: list[Path]) -> None:
        path = self.choose.choice(files)
        content = bytearray(path.read_bytes())
        if content:
            content[below(self.choose, len(content))] ^= 1 << below(self.choose, 8)
        path.write_bytes(content)
        self._count("bit flipped")

    def _mix_in(self, medium: Path, _files: list[Path]) -> None:
        (medium / "holiday.jpg").write_bytes(self.choose.randbytes(1000))
        (medium / "autorun.pb.enc").write_bytes(self.choose.randbytes(500))
        self._count("foreign files")

    def _remove(self, _medium: Path, files: list[Path]) -> None:
        self.choose.choice(files).unlink()
        self._count("file missing")

    def _count(self, mishap: str) -> None:
        self.mishaps[mishap] = self.mishaps.get(mishap, 0) + 1


def bundles_on(medium: Path) -> list[Path]:
    """In the order of their numbers, which a seed decides; their names hold ids that differ from run to run."""
    return sorted(medium.rglob("*.pb.enc"), key=_number)


def _number(path: Path) -> tuple[str, int, int]:
    try:
        header = peek(path).header
    except BundleError:
        return (path.name, 0, 0)
    return (path.parent.name, header.epoch, header.sequence)
