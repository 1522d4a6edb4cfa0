"""Taking and delivering where the disk fails at any step: nothing half stays, nothing is lost, again is harmless."""

from __future__ import annotations

import errno
import hashlib
import os
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from tests.unit.bundle import sealed
from tests.vectors import craft
from transfer.bundle.header import filename_of
from transfer.bundle.layout import Trailer, TrailerSignature, pack_prelude
from transfer.errors import SpoolError
from transfer.spool.copying import Disk
from transfer.spool.deliver import deliver
from transfer.spool.inbox import Inbox
from transfer.spool.outbox import Outbox
from transfer.spool.take import take

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    """Three bundles of answers wait."""
    outbox = Outbox(tmp_path / "exports")
    outbox.make_folders()
    for sequence in (3, 1, 2):
        head = sealed.responses_header(sequence, batch_id=UUID(int=10 - sequence))
        temporary = outbox.temporary_path(filename_of(head))
        outbox.publish(temporary, head, sealed.seal(temporary, [craft.response(b"{}")], head))
    return outbox


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    folder = tmp_path / "medium"
    folder.mkdir()
    return folder


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    inbox = Inbox(tmp_path / "imports")
    inbox.make_folders()
    return inbox.root


def crafted(header: bytes) -> bytes:
    """A file with a right hash around any header."""
    body = pack_prelude(len(header)) + header + bytes(100)
    signature = TrailerSignature(1, bytes(32), bytes(64))
    return body + Trailer((signature,), hashlib.sha256(body).digest()).pack()


def test_a_bundle_of_a_newer_schema_is_delivered_so_that_the_import_can_say_so(medium: Path, inbox: Path) -> None:
    head = sealed.responses_header(1)
    head.schema_minor = 7
    (medium / "newer.pb.enc").write_bytes(crafted(head.SerializeToString() + b"\xf8\x07\x01"))
    deliver(medium, inbox)
    assert list(bundles(inbox)) == [filename_of(head)]


@pytest.mark.parametrize(
    "changes",
    [{"kind": 99}, {"kind": 0}, {"destination_network": 0}, {"destination_network": 9}, {"batch_id": b"short"},
     {"created_at_micros": 2**62}],
)  # fmt: skip
def test_a_header_that_names_no_place_is_refused(medium: Path, inbox: Path, changes: dict[str, int | bytes]) -> None:
    head = sealed.responses_header(1)
    for name, value in changes.items():
        setattr(head, name, value)
    (medium / "odd.pb.enc").write_bytes(crafted(head.SerializeToString()))
    report = deliver(medium, inbox)
    assert (len(report.refused), bundles(inbox)) == (1, {})


class FailingDisk(Disk):
    """Fails at the n-th write or flush, as a medium does that is pulled out."""

    def __init__(self, step: int) -> None:
        self.step = step

    def write(self, descriptor: int, piece: memoryview) -> None:
        self._count()
        super().write(descriptor, piece)

    def flush(self, descriptor: int) -> None:
        self._count()

    def _count(self) -> None:
        self.step -= 1
        if self.step == 0:
            raise OSError(errno.EIO, "Input/output error")


def bundles(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*.pb.enc") if path.name != "latest.pb.enc"}


def test_bundles_of_a_stream_go_in_the_order_of_their_numbers(outbox: Outbox, medium: Path) -> None:
    report = take(outbox.root, medium)
    assert [one.header.sequence for one in report.taken] == [1, 2, 3]
    assert bundles(medium) == bundles(outbox.root)


@pytest.mark.parametrize("step", range(1, 7))
def test_a_medium_that_fails_at_any_step_holds_whole_bundles_only(outbox: Outbox, medium: Path, step: int) -> None:
    with pytest.raises(SpoolError, match="Input/output error"):
        take(outbox.root, medium, disk=FailingDisk(step))
    waiting = bundles(outbox.root)
    assert bundles(medium).items() <= waiting.items()
    assert len(waiting) == 3
    assert [path for path in medium.rglob(".*") if path.is_file()] == []
    take(outbox.root, medium)
    assert bundles(medium) == waiting


@pytest.mark.parametrize("step", range(1, 7))
def test_an_inbox_whose_disk_fails_at_any_step_gets_whole_bundles_only(
    outbox: Outbox, medium: Path, inbox: Path, step: int
) -> None:
    take(outbox.root, medium)
    with pytest.raises(SpoolError, match="Input/output error"):
        deliver(medium, inbox, disk=FailingDisk(step))
    assert bundles(inbox).items() <= bundles(medium).items()
    deliver(medium, inbox)
    assert bundles(inbox) == bundles(medium)


class ExportRunBeside(Disk):
    """Moves a waiting bundle away while another one is being copied, as an export run does."""

    def __init__(self, outbox: Outbox, filename: str) -> None:
        self._outbox = outbox
        self._filename = filename

    def write(self, descriptor: int, piece: memoryview) -> None:
        super().write(descriptor, piece)
        self._outbox.acknowledge(self._filename)


def test_a_bundle_that_is_acknowledged_while_others_are_copied_stops_nothing(outbox: Outbox, medium: Path) -> None:
    second = filename_of(sealed.responses_header(2, batch_id=UUID(int=8)))
    told: list[tuple[int, int]] = []
    report = take(
        outbox.root,
        medium,
        disk=ExportRunBeside(outbox, second),
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert [one.header.sequence for one in report.taken] == [1, 3]
    assert (report.refused, report.left_behind) == ([], [])
    assert told[-1][0] == told[-1][1] > 0


@pytest.mark.parametrize("here_already", [False, True])
def test_a_bad_place_on_a_medium_stops_one_bundle_and_not_the_others(
    outbox: Outbox, medium: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch, here_already: bool
) -> None:
    take(outbox.root, medium)
    bad = medium / "responses" / filename_of(sealed.responses_header(1, batch_id=UUID(int=9)))
    if here_already:
        (inbox / "responses" / bad.name).write_bytes(b"half of it")
    readv = os.readv

    def failing(descriptor: int, buffers: list[bytearray]) -> int:
        if os.fstat(descriptor).st_ino == bad.stat().st_ino:
            raise OSError(errno.EIO, "Input/output error")
        return readv(descriptor, buffers)

    monkeypatch.setattr(os, "readv", failing)
    report = deliver(medium, inbox)
    assert [one.header.sequence for one in report.delivered] == [2, 3]
    assert [(str(one.path), one.error.defect) for one in report.refused] == [(f"responses/{bad.name}", "unreadable")]
    assert list(inbox.rglob("*.part")) == []


def test_progress_ends_at_the_total_on_every_run(outbox: Outbox, medium: Path, inbox: Path) -> None:
    for _ in range(2):
        told: list[tuple[int, int]] = []
        take(outbox.root, medium, on_progress=lambda done, total, told=told: told.append((done, total)))  # type: ignore[misc]
        assert told[-1][0] == told[-1][1] > 0
        told.clear()
        deliver(medium, inbox, on_progress=lambda done, total, told=told: told.append((done, total)))  # type: ignore[misc]
        assert told[-1][0] == told[-1][1] > 0
