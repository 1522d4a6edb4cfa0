"""The inbox: whole files are found wherever they were dropped, and everything else waits or is set aside."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from tests.unit.bundle import sealed
from tests.vectors import craft
from transfer.bundle.header import filename_of
from transfer.bundle.limits import MAX_FILE
from transfer.bundle.verify import verify_file
from transfer.errors import BundleError, HashMismatchError, LimitExceededError, SpoolError, WrongKeyError
from transfer.spool import inbox as inbox_module
from transfer.spool.durable import temporary_beside
from transfer.spool.inbox import Inbox, InboxFile
from transfer.spool.receiver import Receiver

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    """A clock that the test moves. It begins a little in the future, since files carry the system's time."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(tmp_path: Path, clock: Clock) -> Inbox:
    inbox = Inbox(tmp_path / "imports", clock)
    inbox.make_folders()
    return inbox


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "bundle"
    sealed.seal(path, [craft.response(b"{}")])
    return path


def only(inbox: Inbox) -> InboxFile:
    (file,) = inbox.scan()
    return file


def test_a_bundle_is_found_anywhere_under_any_name(inbox: Inbox, bundle: Path) -> None:
    places = ["responses/x.pb.enc", "users/latest.pb.enc", "from the stick/deep/down/file.bin", "loose"]
    for place in places:
        (inbox.root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(bundle, inbox.root / place)
    assert {str(file.path.relative_to(inbox.root)) for file in inbox.scan() if file.whole} == set(places)


def test_archive_quarantine_sidecars_and_hidden_files_are_not_scanned(inbox: Inbox, bundle: Path) -> None:
    for place in ("archive/x", "quarantine/x", ".staging/x", "users/.x.part", "users/x.pb.enc.meta.json"):
        shutil.copy(bundle, inbox.root / place)
    assert inbox.scan() == []


def test_links_and_pipes_are_not_followed(inbox: Inbox, bundle: Path) -> None:
    (inbox.root / "users" / "link").symlink_to(bundle)
    (inbox.root / "folder").symlink_to(bundle.parent)
    os.mkfifo(inbox.root / "users" / "pipe")
    assert inbox.scan() == []


def test_whole_files_come_in_the_order_of_their_numbers(inbox: Inbox) -> None:
    for name, sequence in (("a", 3), ("b", 1), ("c", 2)):
        head = sealed.responses_header(sequence, batch_id=UUID(int=sequence))
        sealed.seal(inbox.root / "responses" / name, header=head)
    (inbox.root / "responses" / "0").write_bytes(b"noise")
    assert [file.path.name for file in inbox.scan()] == ["b", "c", "a", "0"]


def test_a_file_that_is_still_being_copied_waits_and_is_taken_once_whole(
    inbox: Inbox, bundle: Path, clock: Clock
) -> None:
    data = bundle.read_bytes()
    path = inbox.root / "responses" / "slow"
    path.write_bytes(data[:-10])
    clock.wait(9)
    assert (only(inbox).whole, only(inbox).settled) == (False, False)
    path.write_bytes(data)
    assert only(inbox).whole


def test_a_file_written_out_of_order_is_not_taken_for_whole(inbox: Inbox, bundle: Path) -> None:
    """Some copiers reserve the whole length and write the end before the middle."""
    data = bytearray(bundle.read_bytes())
    middle = slice(len(data) // 2, len(data) // 2 + 20)
    data[middle] = bytes(20)
    (inbox.root / "responses" / "holes").write_bytes(data)
    file = only(inbox)
    assert not file.whole
    assert isinstance(file.error, HashMismatchError)


def test_a_file_unchanged_for_ten_seconds_and_not_whole_is_settled(inbox: Inbox, clock: Clock) -> None:
    (inbox.root / "responses" / "noise").write_bytes(b"noise")
    clock.wait(60)
    file = only(inbox)
    assert (file.whole, file.settled) == (False, True)
    assert file.error is not None
    assert file.error.defect == "not-a-bundle"


def test_a_modification_time_in_the_past_does_not_settle_a_fresh_file(inbox: Inbox) -> None:
    path = inbox.root / "responses" / "noise"
    path.write_bytes(b"noise")
    os.utime(path, (0, 0))
    assert not only(inbox).settled


def test_a_file_longer_than_any_bundle_is_refused_without_being_read(inbox: Inbox) -> None:
    path = inbox.root / "responses" / "huge"
    path.touch()
    os.truncate(path, MAX_FILE + 1)
    assert isinstance(only(inbox).error, LimitExceededError)


def test_a_staged_file_is_archived_under_its_proper_name(inbox: Inbox, bundle: Path) -> None:
    dropped = inbox.root / "responses" / "dropped.pb.enc"
    shutil.copy(bundle, dropped)
    dropped.with_name("dropped.pb.enc.meta.json").write_text("{}")
    staged = inbox.stage(only(inbox))
    verified = verify_file(
        staged.path, craft.trusted("response"), expected_source=None, expected_destination=None, hashed=staged.hashed
    )
    kept = inbox.archive(staged, filename_of(verified.header))
    assert kept == inbox.root / "archive" / filename_of(verified.header)
    assert kept.read_bytes() == bundle.read_bytes()
    assert list((inbox.root / "responses").iterdir()) == [], "the sidecar goes with it"
    assert list((inbox.root / ".staging").iterdir()) == []


def test_a_bundle_that_came_twice_is_archived_once(inbox: Inbox, bundle: Path) -> None:
    for name in ("a", "b"):
        shutil.copy(bundle, inbox.root / "responses" / name)
    for file in inbox.scan():
        inbox.archive(inbox.stage(file), "same")
    assert [path.name for path in (inbox.root / "archive").iterdir()] == ["same"]
    assert inbox.scan() == []


def test_a_file_exchanged_after_the_scan_is_not_removed(inbox: Inbox, bundle: Path) -> None:
    dropped = inbox.root / "responses" / "x"
    shutil.copy(bundle, dropped)
    staged = inbox.stage(only(inbox))
    dropped.unlink()
    dropped.write_bytes(b"another file of the same name")
    inbox.archive(staged, "kept")
    assert dropped.exists()


def test_a_file_damaged_after_the_scan_is_not_staged(inbox: Inbox, bundle: Path) -> None:
    dropped = inbox.root / "responses" / "x"
    shutil.copy(bundle, dropped)
    file = only(inbox)
    dropped.write_bytes(bundle.read_bytes()[:-1])
    with pytest.raises(BundleError):
        inbox.stage(file)
    assert list((inbox.root / ".staging").iterdir()) == []


def test_a_refused_bundle_lies_in_quarantine_with_its_reason(inbox: Inbox, bundle: Path, clock: Clock) -> None:
    dropped = inbox.root / "responses" / "x y\x1b[31m.pb.enc"
    shutil.copy(bundle, dropped)
    staged = inbox.stage(only(inbox))
    path = inbox.quarantine(staged, WrongKeyError("Another key."), {"sequence": 7})
    assert not dropped.exists()
    assert path.read_bytes() == bundle.read_bytes()
    (kept,) = inbox.quarantine_folder.files()
    assert kept.path == path
    assert kept.name.endswith("_x_y_31m.pb.enc")
    assert kept.reason == {
        "defect": "wrong-key",
        "message": "Another key.",
        "next_step": WrongKeyError.default_next_step,
        "original": "responses/x y\x1b[31m.pb.enc",
        "quarantined_at": clock.now.isoformat(),
        "sha256": staged.hashed.checksum,
        "times": 1,
        "sequence": 7,
    }
    assert json.loads(path.with_name(f"{path.name}.reason.json").read_text()) == kept.reason


def test_noise_is_quarantined_without_being_staged(inbox: Inbox, clock: Clock) -> None:
    (inbox.root / "responses" / "noise").write_bytes(b"noise")
    clock.wait(11)
    file = only(inbox)
    assert file.error is not None
    assert inbox.quarantine(file, file.error).read_bytes() == b"noise"
    assert inbox.scan() == []


def test_two_files_of_one_name_are_both_kept_in_quarantine(inbox: Inbox) -> None:
    paths = set()
    for folder in ("users", "responses"):
        (inbox.root / folder / "noise").write_bytes(folder.encode())
        paths.add(inbox.quarantine(only(inbox), HashMismatchError("Damaged.")))
    assert len(paths) == 2
    assert {path.read_bytes() for path in paths} == {b"users", b"responses"}


def test_a_released_file_is_scanned_again_and_a_discarded_one_is_gone(inbox: Inbox, bundle: Path) -> None:
    shutil.copy(bundle, inbox.root / "responses" / "x")
    name = inbox.quarantine(only(inbox), WrongKeyError("Another key.")).name
    inbox.release(name)
    assert only(inbox).whole
    assert inbox.quarantine_folder.files() == []
    again = inbox.quarantine(only(inbox), WrongKeyError("Another key."))
    inbox.quarantine_folder.discard(again.name)
    assert list((inbox.root / "quarantine").iterdir()) == []


@pytest.mark.parametrize("name", ["../archive/x", "missing", ".", "", "x.reason.json", ".hidden"])
def test_only_what_is_listed_can_be_released_or_discarded(inbox: Inbox, bundle: Path, name: str) -> None:
    shutil.copy(bundle, inbox.root / "archive" / "x")
    (inbox.root / "quarantine" / "x.reason.json").write_text("{}")
    (inbox.root / "quarantine" / ".hidden").write_text("{}")
    with pytest.raises(SpoolError, match="not in quarantine"):
        inbox.release(name)
    with pytest.raises(SpoolError, match="not in quarantine"):
        inbox.quarantine_folder.discard(name)


def test_a_lost_reason_does_not_hide_the_file(inbox: Inbox) -> None:
    (inbox.root / "quarantine" / "old").write_bytes(b"x")
    (kept,) = inbox.quarantine_folder.files()
    assert (kept.name, kept.reason["defect"]) == ("old", "unknown")
    assert "Release it" in kept.reason["next_step"]


def test_a_discarded_copy_leaves_the_file_for_the_next_scan(inbox: Inbox, bundle: Path) -> None:
    shutil.copy(bundle, inbox.root / "responses" / "x")
    inbox.discard(inbox.stage(only(inbox)))
    assert only(inbox).whole


def test_too_many_entries_are_named_and_not_walked(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "MAX_ENTRIES", 5)
    with pytest.raises(SpoolError, match="more than 5 files"):
        inbox.scan()


def test_a_deep_folder_is_not_walked_without_end(inbox: Inbox, bundle: Path) -> None:
    deep = inbox.root.joinpath(*"abcdefghijklmnopqrst")
    deep.mkdir(parents=True)
    shutil.copy(bundle, deep / "x")
    assert inbox.scan() == []


def test_old_archived_files_and_forgotten_copies_are_cleaned(inbox: Inbox, bundle: Path) -> None:
    shutil.copy(bundle, inbox.root / "archive" / "x")
    shutil.copy(bundle, inbox.root / ".staging" / "y")
    temporary_beside(inbox.root / "requests" / "z").write_bytes(b"half")
    for moved, archived, half in ((-1, 0, 0), (1, 1, 2)):
        moment = datetime.now(UTC) + timedelta(days=moved)
        assert inbox.clean_archive(moment) == archived
        assert inbox.clean_half_files(moment) == half


def test_a_bundle_received_in_pieces_lies_in_the_inbox_once(inbox: Inbox, bundle: Path) -> None:
    data = bundle.read_bytes()
    for _ in range(2):
        with Receiver(inbox) as receiver:
            receiver.write(data[:50])
            receiver.write(data[50:])
            received = receiver.commit()
    assert only(inbox).path == received.path
    assert received.path.parent.name == "responses"
    assert received.size == len(data)


def test_a_broken_or_abandoned_reception_leaves_nothing(inbox: Inbox, bundle: Path) -> None:
    with Receiver(inbox) as receiver:
        receiver.write(bundle.read_bytes()[:-1])
        with pytest.raises(BundleError):
            receiver.commit()
    with Receiver(inbox) as receiver:
        receiver.write(b"half")
    assert list((inbox.root / ".staging").iterdir()) == []
    assert inbox.scan() == []


def test_a_missing_inbox_brings_nothing_and_its_quarantine_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    assert Inbox(tmp_path / "nowhere").scan() == []
    with pytest.raises(SpoolError, match="No such folder"):
        Inbox(tmp_path / "nowhere").quarantine_folder.files()
