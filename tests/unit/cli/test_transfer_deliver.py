"""`transfer deliver`: whole bundles go into the inbox, and a hostile medium changes nothing else."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.station import REQUEST, TABLE_STATE, USER, response
from transfer.spool.copying import MARGIN_BYTES, Disk
from transfer.spool.journal import MEDIUM_JOURNAL, SPOOL_JOURNAL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.station import Station


def delivered(folder: Path) -> list[str]:
    journals = {MEDIUM_JOURNAL, SPOOL_JOURNAL}
    files = (path for path in folder.rglob("*") if not path.is_dir() and path.name not in journals)
    return sorted(str(path.relative_to(folder)) for path in files)


def test_bundles_are_in_the_folder_of_their_kind_and_the_medium_is_unchanged(station: Station) -> None:
    bundle = station.seal("requests", REQUEST)
    station.run("take", station.medium)
    before = delivered(station.medium)
    result = station.run("deliver", station.medium)
    assert result.code == 0
    assert "1 bundle delivered" in result.out
    assert "Nothing on" in result.out
    assert delivered(station.inbox) == [f"requests/{bundle.name}"]
    assert (station.inbox / "requests" / bundle.name).read_bytes() == bundle.read_bytes()
    assert delivered(station.medium) == before


def test_delivering_twice_is_harmless(station: Station) -> None:
    station.seal("requests", REQUEST, into=station.medium)
    station.run("deliver", station.medium)
    again = station.run("deliver", station.medium, "--json")
    assert again.code == 0
    assert (len(again.document["delivered"]), len(again.document["already_there"])) == (0, 1)
    assert len(delivered(station.inbox)) == 1


def test_what_was_imported_is_not_delivered_unless_asked_for(station: Station) -> None:
    bundle = station.seal("requests", REQUEST, into=station.medium)
    (station.inbox / "archive" / bundle.name).write_bytes(bundle.read_bytes())
    assert len(station.run("deliver", station.medium, "--json").document["already_there"]) == 1
    assert len(station.run("deliver", station.medium, "--again", "--json").document["delivered"]) == 1


def test_names_and_places_on_the_medium_mean_nothing(station: Station) -> None:
    bundle = station.seal("requests", REQUEST)
    odd = station.medium / "old stuff" / "responses" / "holiday.pb.enc"
    odd.parent.mkdir(parents=True)
    odd.write_bytes(bundle.read_bytes())
    station.run("deliver", station.medium)
    assert delivered(station.inbox) == [f"requests/{bundle.name}"]


def test_two_bundles_of_one_name_are_both_delivered_once(station: Station) -> None:
    first, second = station.seal("requests", REQUEST), station.seal("requests", REQUEST)
    (station.medium / "a").mkdir()
    (station.medium / "a" / first.name).write_bytes(first.read_bytes())
    (station.inbox / "requests" / first.name).write_bytes(second.read_bytes())
    assert len(station.run("deliver", station.medium, "--json").document["delivered"]) == 1
    assert len(station.run("deliver", station.medium, "--json").document["already_there"]) == 1
    contents = {path.read_bytes() for path in (station.inbox / "requests").iterdir()}
    assert contents == {first.read_bytes(), second.read_bytes()}


def test_links_are_not_followed_but_reported(station: Station) -> None:
    secret = station.root / "secret"
    secret.mkdir()
    inside = station.seal("requests", REQUEST, into=secret)
    (station.medium / "file.pb.enc").symlink_to(inside)
    (station.medium / "folder").symlink_to(secret)
    result = station.run("deliver", station.medium)
    assert result.code == 0
    assert "There is no bundle on the medium." in result.out
    assert result.err.count("is a link, and links are not followed") == 2
    assert delivered(station.inbox) == []


def test_pipes_foreign_files_and_half_files_are_reported_and_left_alone(station: Station) -> None:
    os.mkfifo(station.medium / "pipe.pb.enc")
    (station.medium / "holiday.jpg").write_bytes(b"jpeg")
    (station.medium / ".requests_1.pb.enc.0123456789ab.part").write_bytes(b"half")
    station.seal("requests", REQUEST, into=station.medium)
    result = station.run("deliver", station.medium, "--json")
    assert result.code == 0
    untouched = {one["path"]: one["reason"] for one in result.document["untouched"]}
    assert untouched["pipe.pb.enc"] == "is not a regular file"
    assert untouched["holiday.jpg"] == "is not named as a bundle is"
    assert len(untouched) == 3
    assert len(result.document["delivered"]) == 1


@pytest.mark.parametrize(
    ("damage", "defect"),
    [
        (lambda content: b"", "not-a-bundle"),
        (lambda content: b"hello", "not-a-bundle"),
        (lambda content: content[:-40], "truncated"),
        (lambda content: content + b"\0", "trailing-bytes"),
        (lambda content: content[:150] + bytes([content[150] ^ 4]) + content[151:], "hash-mismatch"),
    ],
    ids=["empty", "not-a-bundle", "truncated", "appended", "flipped-bit"],
)
def test_damaged_bundles_are_refused_and_the_others_delivered(station: Station, damage: object, defect: str) -> None:
    sound = station.seal("requests", REQUEST, into=station.medium)
    content = sound.read_bytes()
    (station.medium / "damaged.pb.enc").write_bytes(damage(content))  # type: ignore[operator]
    result = station.run("deliver", station.medium)
    assert result.code == 1
    assert f"[{defect}]" in result.err
    assert "next:" in result.err
    assert delivered(station.inbox) == [f"requests/{sound.name}"]


def test_bundles_for_the_other_network_stay_on_the_medium(station: Station) -> None:
    ours = station.seal("users", TABLE_STATE, USER, into=station.medium)
    station.seal("requests", REQUEST, into=station.medium)
    result = station.run("deliver", station.medium, "--to", "request", "--json")
    assert result.code == 0
    assert len(result.document["other_direction"]) == 1
    assert delivered(station.inbox) == [f"users/{ours.name}"]


def test_a_medium_on_the_wrong_side_says_where_it_belongs(station: Station) -> None:
    station.seal("requests", REQUEST, into=station.medium)
    result = station.run("deliver", station.medium, "--to", "request")
    assert result.code == 0
    assert "carry the medium to the response network" in result.err


def test_a_medium_with_both_directions_asks_which_network_this_is(station: Station) -> None:
    station.seal("users", TABLE_STATE, USER, into=station.medium)
    station.seal("requests", REQUEST, into=station.medium)
    result = station.run("deliver", station.medium)
    assert result.code == 2
    assert "--to request" in result.err
    assert delivered(station.inbox) == []
    assert station.run("deliver", station.medium, AIRLOCK_NETWORK="response").code == 0
    assert station.run("deliver", station.medium, "--to", "moon").code == 2


def test_a_full_disk_keeps_what_is_whole(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullAfterOne(Disk):
        flushed = 0

        def flush(self, descriptor: int) -> None:
            self.flushed += 1
            if self.flushed > 1:
                raise OSError(errno.ENOSPC, "No space left on device")

    for _ in range(2):
        station.seal("requests", REQUEST, into=station.medium)
    monkeypatch.setattr("transfer.spool.deliver.Disk", FullAfterOne)
    result = station.run("deliver", station.medium)
    assert result.code == 4
    assert "[no-space]" in result.err
    assert len(delivered(station.inbox)) == 1


def test_what_the_disk_has_no_room_for_is_not_begun(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    class NearlyFull(Disk):
        def room(self, folder: Path) -> int:
            return MARGIN_BYTES

        def write(self, descriptor: int, piece: memoryview) -> None:
            raise AssertionError("written to a disk without room")

    station.seal("requests", REQUEST, into=station.medium)
    monkeypatch.setattr("transfer.spool.deliver.Disk", NearlyFull)
    result = station.run("deliver", station.medium)
    assert (result.code, "There is no room in the inbox for 1 bundle" in result.err) == (4, True)
    assert delivered(station.inbox) == []


def test_a_copy_of_the_newest_is_delivered_under_its_own_name_and_once(station: Station) -> None:
    sound = station.seal("requests", REQUEST, into=station.root)
    latest = station.medium / "latest.pb.enc"
    latest.write_bytes(sound.read_bytes())
    assert "1 bundle delivered" in station.run("deliver", station.medium).out
    assert delivered(station.inbox) == [f"requests/{sound.name}"]
    (station.medium / sound.name).write_bytes(sound.read_bytes())
    assert "2 bundles delivered before" in station.run("deliver", station.medium).out
    assert delivered(station.inbox) == [f"requests/{sound.name}"]


def test_terminal_sequences_in_names_are_shown_not_obeyed(station: Station) -> None:
    (station.medium / "\x1b]0;owned\x07\u202etxt.exe").write_bytes(b"x")
    result = station.run("deliver", station.medium)
    assert "\x1b" not in result.err
    assert "\\x1b]0;owned\\x07\\u202etxt.exe" in result.err


def test_a_missing_medium_is_named(station: Station) -> None:
    result = station.run("deliver", station.root / "absent")
    assert result.code == 3
    assert "[medium-missing]" in result.err


def test_an_answer_of_any_size_arrives_byte_for_byte(station: Station) -> None:
    bundle = station.seal("responses", response("x" * 700_000))
    station.run("take", station.medium)
    station.run("deliver", station.medium)
    assert (station.inbox / "responses" / bundle.name).read_bytes() == bundle.read_bytes()
