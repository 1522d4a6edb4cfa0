"""`transfer take`: everything that waits, in order, once, and as far as there is room."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.station import REQUEST, TABLE_STATE, USER, response
from transfer.spool.copying import Disk

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.station import Station


def carried(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.pb.enc"))


def test_bundles_and_sidecars_but_not_latest_are_on_the_medium(station: Station) -> None:
    bundle = station.seal("requests", REQUEST)
    (bundle.parent / "latest.pb.enc").write_bytes(bundle.read_bytes())
    result = station.run("take", station.medium)
    assert result.code == 0
    assert "1 bundle taken" in result.out
    assert "is safe to remove" in result.out
    names = sorted(path.name for path in (station.medium / "requests").iterdir())
    assert names == [bundle.name, f"{bundle.name}.meta.json"]
    assert (station.medium / "requests" / bundle.name).read_bytes() == bundle.read_bytes()


def test_the_second_take_copies_nothing(station: Station) -> None:
    station.seal("requests", REQUEST)
    assert len(station.run("take", station.medium, "--json").document["taken"]) == 1
    before = {path: path.stat().st_mtime_ns for path in station.medium.rglob("*")}
    again = station.run("take", station.medium, "--json")
    assert again.code == 0
    assert again.document["taken"] == []
    assert len(again.document["already_there"]) == 1
    assert {path: path.stat().st_mtime_ns for path in station.medium.rglob("*")} == before


def test_the_most_urgent_come_first_and_streams_keep_their_order(station: Station) -> None:
    answers = [station.seal("responses", response("{}")) for _ in range(3)]
    users = station.seal("users", TABLE_STATE, USER)
    status = station.seal("status", source="response")
    taken = station.run("take", station.medium, "--json").document["taken"]
    assert [one["path"].rsplit("/", 1)[1] for one in taken] == [one.name for one in (status, users, *answers)]


def test_what_is_acknowledged_or_voided_is_not_taken(station: Station) -> None:
    station.seal("requests", REQUEST, into=station.outbox / "acknowledged")
    station.seal("requests", REQUEST, into=station.outbox / "voided")
    result = station.run("take", station.medium)
    assert result.code == 0
    assert "Nothing waits to be carried." in result.out


def test_a_damaged_copy_on_the_medium_is_replaced(station: Station) -> None:
    bundle = station.seal("requests", REQUEST)
    station.run("take", station.medium)
    copy = station.medium / "requests" / bundle.name
    copy.write_bytes(copy.read_bytes()[:-1])
    assert len(station.run("take", station.medium, "--json").document["taken"]) == 1
    assert copy.read_bytes() == bundle.read_bytes()


def test_a_bundle_damaged_in_the_outbox_is_reported_and_the_others_are_taken(station: Station) -> None:
    damaged, sound = station.seal("requests", REQUEST), station.seal("requests", REQUEST)
    content = bytearray(damaged.read_bytes())
    content[200] ^= 1
    damaged.write_bytes(content)
    result = station.run("take", station.medium)
    assert result.code == 1
    assert "[hash-mismatch]" in result.err
    assert "next export run" in result.err
    assert carried(station.medium) == [f"requests/{sound.name}"]


class FullDisk(Disk):
    """Says that there is room and then refuses the bundle with that many bytes before it."""

    def __init__(self, room_for: int) -> None:
        self.left = room_for

    def write(self, descriptor: int, piece: memoryview) -> None:
        self.left -= len(piece)
        if self.left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(descriptor, piece)


def test_a_medium_that_fills_up_keeps_what_is_whole_and_names_what_was_left(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = station.seal("requests", REQUEST), station.seal("requests", REQUEST)
    monkeypatch.setattr("transfer.spool.take.Disk", lambda: FullDisk(first.stat().st_size + 10))
    result = station.run("take", station.medium)
    assert result.code == 4
    assert "no room on the medium for 1 bundle" in result.err
    assert second.name in result.err
    assert "is safe to remove" in result.out
    assert carried(station.medium) == [f"requests/{first.name}"]
    assert [path.name for path in station.medium.rglob(".*")] == []


def test_a_large_bundle_that_does_not_fit_makes_way_for_a_smaller_one(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = "".join(f"{number * 7919:x}" for number in range(30_000))
    large, small = station.seal("responses", response(noise)), station.seal("responses", response("{}"))
    monkeypatch.setattr(Disk, "room", lambda _disk, _folder: large.stat().st_size)
    result = station.run("take", station.medium, "--json")
    assert result.code == 4
    assert [one["path"].rsplit("/", 1)[1] for one in result.document["left_behind"]] == [large.name]
    assert carried(station.medium) == [f"responses/{small.name}"]


class FailingMedium(Disk):
    """Loses a bit on the way to the medium."""

    def write(self, descriptor: int, piece: memoryview) -> None:
        changed = bytearray(piece)
        changed[len(changed) // 2] ^= 1
        super().write(descriptor, memoryview(changed))


def test_a_copy_that_reads_back_differently_is_not_left_on_the_medium(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    station.seal("requests", REQUEST)
    monkeypatch.setattr("transfer.spool.take.Disk", FailingMedium)
    result = station.run("take", station.medium)
    assert result.code == 1
    assert "[read-back]" in result.err
    assert "safe to remove" not in result.out
    assert carried(station.medium) == []


class Interrupted(Disk):
    """Ctrl-C in the middle of a bundle."""

    def flush(self, descriptor: int) -> None:
        raise KeyboardInterrupt


def test_ctrl_c_leaves_no_half_file(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    station.seal("requests", REQUEST)
    monkeypatch.setattr("transfer.spool.take.Disk", Interrupted)
    result = station.run("take", station.medium)
    assert result.code == 130
    assert "run the same command again" in result.err
    assert [path for path in station.medium.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("medium", "code", "said"),
    [
        ("absent", 3, "[medium-missing]"),
        ("outbox", 3, "are the same, or one"),
        ("outbox/requests", 3, "are the same, or one"),
    ],
)
def test_a_folder_that_is_no_medium_is_refused(station: Station, medium: str, code: int, said: str) -> None:
    station.seal("requests", REQUEST)
    result = station.run("take", station.root / medium)
    assert (result.code, said in result.err) == (code, True)


def test_without_an_outbox_the_setting_is_named(station: Station) -> None:
    result = station.run("take", station.medium, EXPORT_DIR=None)
    assert result.code == 3
    assert "EXPORT_DIR" in result.err
    assert station.run("take", station.medium, EXPORT_DIR=str(station.root / "absent")).code == 3
