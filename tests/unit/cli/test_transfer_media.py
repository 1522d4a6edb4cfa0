"""Media with names: which way they may carry, what is on them, and what it means when one is lost."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.unit.cli.station import REQUEST, TABLE_STATE, USER
from transfer.spool.copying import Disk
from transfer.spool.inbox import Inbox
from transfer.spool.journal import MAX_READ, MEDIUM_JOURNAL, SPOOL_JOURNAL, Journal
from transfer.spool.marker import MARKER_NAME
from transfer.spool.take import take

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.station import Station


def mark(station: Station, name: str = "stick-7", direction: str = "both") -> None:
    assert station.run("medium", "init", station.medium, "--name", name, "--direction", direction).code == 0


def test_both_journals_say_who_took_which_file_when(station: Station) -> None:
    mark(station)
    bundle = station.seal("requests", REQUEST)
    station.run("take", station.medium, AIRLOCK_OPERATOR="mina")
    station.run("deliver", station.medium, AIRLOCK_OPERATOR="reza")
    own = station.run("journal", "--json").document
    assert [(one["action"], one["by"]) for one in own] == [
        ("init", own[0]["by"]),
        ("took", "mina"),
        ("met", "reza"),
        ("delivered", "reza"),
    ]
    assert [one["at"] for one in own] == sorted(one["at"] for one in own)
    carried = [one for one in own if "file" in one]
    assert {(one["file"], one["sequence"], one["medium"]) for one in carried} == {(bundle.name, 1, "stick-7")}
    on_it = station.run("journal", station.medium, "--json").document
    assert [one["action"] for one in on_it] == ["init", "took", "delivered"]


def test_a_medium_without_a_name_is_not_written_to_beyond_its_bundles(station: Station) -> None:
    station.seal("requests", REQUEST)
    station.run("take", station.medium)
    assert not (station.medium / MEDIUM_JOURNAL).exists()
    assert [one["action"] for one in station.run("journal", "--json").document] == ["took"]


def test_a_medium_for_the_other_direction_is_refused_and_stays_as_it_is(station: Station) -> None:
    mark(station, direction="response-to-request")
    station.seal("requests", REQUEST)
    result = station.run("take", station.medium)
    assert result.code == 1
    assert "[wrong-medium]" in result.err
    assert list(station.medium.rglob("*.pb.enc")) == []


def test_a_wrong_bundle_on_a_marked_medium_is_not_delivered(station: Station) -> None:
    mark(station, direction="request-to-response")
    station.seal("users", TABLE_STATE, USER, into=station.medium)
    result = station.run("deliver", station.medium)
    assert result.code == 1
    assert "[wrong-medium]" in result.err


def test_a_lost_medium_says_what_waits_again_and_what_may_be_known_to_others(station: Station) -> None:
    mark(station)
    first, second = station.seal("requests", REQUEST), station.seal("requests", REQUEST)
    station.run("take", station.medium)
    # The other network has acknowledged the first one meanwhile.
    first.rename(station.outbox / "acknowledged" / first.name)
    lost = station.run("medium", "lost", "stick-7", "--json").document
    assert [one["file"] for one in lost["waiting"]] == [second.name]
    assert [one["file"] for one in lost["settled"]] == [first.name]
    assert lost["possible_disclosure"]
    refused = station.run("take", station.medium)
    assert (refused.code, "[medium-lost]" in refused.err) == (1, True)
    another = station.root / "another"
    another.mkdir()
    taken = station.run("take", another, "--json").document["taken"]
    assert [one["sequence"] for one in taken] == [2]


def test_the_list_shows_what_on_each_medium_is_unacknowledged(station: Station) -> None:
    mark(station)
    station.seal("requests", REQUEST)
    station.run("take", station.medium)
    (medium,) = station.run("medium", "list", "--json").document
    assert (medium["name"], medium["state"], [one["waits"] for one in medium["bundles"]]) == (
        "stick-7",
        "in use",
        [True],
    )
    station.run("medium", "retire", "stick-7")
    assert "retired" in station.run("medium", "list").out
    assert station.run("take", station.medium).code == 1
    refused = station.run("medium", "init", station.medium, "--name", "stick-7")
    assert (refused.code, "wipe it" in refused.err) == (1, True)
    wipe(station.medium)
    assert station.run("medium", "init", station.medium, "--name", "stick-7").code == 0
    assert station.run("take", station.medium).code == 0, "wiped and marked anew it is in use again"


def test_a_medium_that_nobody_knows_cannot_be_lost(station: Station) -> None:
    result = station.run("medium", "lost", "stick-9")
    assert result.code == 3
    assert "medium list" in result.err


@pytest.mark.parametrize("name", ["", "../x", "a b", "x" * 65, "\x1b[31m"])
def test_names_are_plain(station: Station, name: str) -> None:
    result = station.run("medium", "init", station.medium, "--name", name)
    assert result.code == 2
    assert not (station.medium / MARKER_NAME).exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 4000,
        b'{"format": 2}',
        b"x" * 5000,
        b'{"format":1,"id":"x","name":"a","direction":"both","made_at":""}',
    ],
)
def test_a_damaged_marker_stops_take_until_it_is_made_anew_and_never_deliver(station: Station, content: bytes) -> None:
    (station.medium / MARKER_NAME).write_bytes(content)
    station.seal("requests", REQUEST)
    station.seal("requests", REQUEST, into=station.medium)
    taking = station.run("take", station.medium)
    assert (taking.code, "[marker]" in taking.err, "medium init" in taking.err) == (3, True, True)
    delivering = station.run("deliver", station.medium)
    assert (delivering.code, "marker passed over" in delivering.err) == (0, True)
    assert "1 bundle delivered" in delivering.out
    mark(station)
    assert station.run("take", station.medium).code == 0


def test_no_link_is_followed_to_a_marker_or_a_journal(station: Station) -> None:
    secret = station.root / "secret.json"
    secret.write_text(json.dumps({"format": 1}))
    (station.medium / MARKER_NAME).symlink_to(secret)
    assert "[marker]" in station.run("take", station.medium).err
    (station.medium / MARKER_NAME).unlink()
    mark(station)
    (station.medium / MEDIUM_JOURNAL).unlink()
    (station.medium / MEDIUM_JOURNAL).symlink_to(secret)
    station.seal("requests", REQUEST)
    assert station.run("take", station.medium).code == 0
    assert secret.read_text() == json.dumps({"format": 1})


def test_what_a_medium_s_journal_says_is_shown_without_its_control_characters(station: Station) -> None:
    entry = {"at": "2026-03-01T12:00:00+00:00", "by": "\x1b[31mx", "action": "took"}
    lines = [json.dumps(entry), "{torn", '{"at": 3}', "[]", "[" * 4000, json.dumps({**entry, "at": "yesterday"})]
    (station.medium / MEDIUM_JOURNAL).write_text("\n".join(lines))
    result = station.run("journal", station.medium)
    assert result.code == 0
    assert "\\x1b[31mx" in result.out
    assert "\x1b" not in result.out
    assert len(result.out.splitlines()) == 1


def test_an_outbox_that_may_only_be_read_is_carried_all_the_same(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transfer.spool import journal

    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    station.seal("requests", REQUEST)
    monkeypatch.setattr(journal.fcntl, "flock", refuse)
    result = station.run("take", station.medium)
    assert result.code == 0
    assert "not written down" in result.err
    assert "1 bundle taken" in result.out


def test_marking_again_keeps_the_direction_unless_another_one_is_given(station: Station) -> None:
    mark(station, direction="request-to-response")
    again = station.run("medium", "init", station.medium, "--name", "stick-7", "--json")
    assert again.document["direction"] == "request-to-response"
    (station.medium / MARKER_NAME).unlink()
    wiped = station.run("medium", "init", station.medium, "--name", "stick-7", "--replaces", "--json")
    assert wiped.document["direction"] == "request-to-response"
    changed = station.run("medium", "init", station.medium, "--name", "stick-7", "--direction", "both", "--json")
    assert changed.document["direction"] == "both"


def test_what_is_in_the_way_on_a_medium_keeps_nothing_else_from_being_taken(station: Station) -> None:
    first = station.seal("requests", REQUEST)
    second = station.seal("requests", REQUEST)
    (station.medium / "requests" / first.name).mkdir(parents=True)
    result = station.run("take", station.medium)
    assert (result.code, "[place-taken]" in result.err) == (1, True)
    assert "Remove it from the medium" in result.err
    assert (station.medium / "requests" / second.name).is_file()


def test_an_inbox_is_no_outbox_and_an_outbox_no_inbox(station: Station) -> None:
    station.seal("requests", REQUEST)
    take = station.run("take", station.medium, EXPORT_DIR=str(station.inbox))
    assert (take.code, "is an inbox" in take.err, "EXPORT_DIR" in take.err) == (3, True, True)
    station.run("take", station.medium)
    deliver = station.run("deliver", station.medium, IMPORT_DIR=str(station.outbox))
    assert (deliver.code, "is an outbox" in deliver.err, "IMPORT_DIR" in deliver.err) == (3, True, True)
    onto_an_inbox = station.run("take", station.inbox)
    assert (onto_an_inbox.code, "not a medium" in onto_an_inbox.err) == (3, True)


@pytest.mark.parametrize(
    "command", [("take", "MEDIUM"), ("medium", "list"), ("status",), ("keys", "destroy", "v1"), ("journal",)]
)
def test_an_absent_folder_is_never_an_empty_one(station: Station, command: tuple[str, ...]) -> None:
    arguments = [station.medium if one == "MEDIUM" else one for one in command]
    for folder in (station.root / "typo", station.medium):
        result = station.run(*arguments, EXPORT_DIR=str(folder))
        assert (result.code, result.out) == (3, "")
    if command[0] != "take":
        assert station.run(*arguments, IMPORT_DIR=str(station.root / "typo")).code == 3


def test_two_media_never_get_one_name_by_mistake(station: Station) -> None:
    mark(station)
    another = station.root / "another"
    another.mkdir()
    refused = station.run("medium", "init", another, "--name", "stick-7")
    assert (refused.code, "--replaces" in refused.err) == (3, True)
    assert not (another / MARKER_NAME).exists()
    assert station.run("medium", "init", another, "--name", "stick-7", "--replaces").code == 0
    states = [(one["name"], one["state"]) for one in station.run("medium", "list", "--json").document]
    assert states == [("stick-7", "retired"), ("stick-7", "in use")]
    station.run("medium", "lost", "stick-7")
    third = station.root / "third"
    third.mkdir()
    assert station.run("medium", "init", third, "--name", "stick-7", "--replaces").code == 3, "it may come back"


def test_a_name_is_changed_only_on_purpose_and_what_is_on_the_medium_stays_known(station: Station) -> None:
    mark(station)
    station.seal("requests", REQUEST)
    station.run("take", station.medium)
    refused = station.run("medium", "init", station.medium, "--name", "stick-8")
    assert (refused.code, "--rename" in refused.err) == (3, True)
    assert station.run("medium", "init", station.medium, "--name", "stick-8", "--rename").code == 0
    assert len(station.run("medium", "lost", "stick-8", "--json").document["waiting"]) == 1


def test_all_media_of_a_name_are_lost_where_two_networks_gave_it(station: Station) -> None:
    station.seal("requests", REQUEST)
    media = [station.root / name for name in ("one", "two")]
    for medium in media:
        medium.mkdir()
        # The other network marked them; this one learns of them as they come.
        station.run("medium", "init", medium, "--name", "stick-9", EXPORT_DIR=None)
        station.run("take", medium)
    assert {one["direction"] for one in station.run("medium", "list", "--json").document} == {"both"}
    assert len(station.run("medium", "lost", "stick-9", "--json").document["waiting"]) == 1
    assert [station.run("take", medium).code for medium in media] == [1, 1]


def test_what_is_on_a_medium_is_known_though_the_journal_never_heard_of_it(station: Station) -> None:
    mark(station)
    station.seal("requests", REQUEST)
    station.run("take", station.medium)
    # A run was killed before it could note what it had copied.
    lines = (station.outbox / SPOOL_JOURNAL).read_text().splitlines(keepends=True)
    (station.outbox / SPOOL_JOURNAL).write_text("".join(line for line in lines if "took" not in line))
    for _ in range(2):
        station.run("take", station.medium)
    assert [one["action"] for one in station.run("journal", "--json").document] == ["init", "held"]
    mark(station)
    lost = station.run("medium", "lost", "stick-7", "--json").document
    assert (len(lost["waiting"]), lost["possible_disclosure"]) == (1, True)


def test_what_was_copied_before_ctrl_c_is_written_down(station: Station) -> None:
    mark(station)
    for _ in range(3):
        station.seal("requests", REQUEST)

    class StoppedAtTheThird(Disk):
        flushed = 0

        def flush(self, descriptor: int) -> None:
            self.flushed += 1
            if self.flushed == 3:
                raise KeyboardInterrupt
            super().flush(descriptor)

    with pytest.raises(KeyboardInterrupt):
        take(station.outbox, station.medium, disk=StoppedAtTheThird())
    assert len(station.run("medium", "lost", "stick-7", "--json").document["waiting"]) == 2


def test_a_lost_medium_stays_lost(station: Station) -> None:
    mark(station)
    station.run("medium", "lost", "stick-7")
    assert station.run("medium", "retire", "stick-7").code == 3
    assert [one["state"] for one in station.run("medium", "list", "--json").document] == ["lost"]
    assert "no bundle of this network was on it" in station.run("medium", "lost", "stick-7").out


def test_nothing_is_written_through_a_link_on_a_medium(station: Station) -> None:
    elsewhere = station.root / "elsewhere"
    elsewhere.mkdir()
    (station.medium / "requests").symlink_to(elsewhere)
    station.seal("requests", REQUEST)
    result = station.run("take", station.medium)
    assert (result.code, "is a link" in result.err) == (3, True)
    assert list(elsewhere.iterdir()) == []


def test_a_pipe_in_place_of_a_journal_holds_nobody_up(station: Station) -> None:
    mark(station)
    (station.medium / MEDIUM_JOURNAL).unlink()
    os.mkfifo(station.medium / MEDIUM_JOURNAL)
    station.seal("requests", REQUEST)
    assert station.run("take", station.medium).code == 0
    assert station.run("journal", station.medium).code == 3


def test_a_journal_that_comes_along_with_a_copied_medium_replaces_nothing_in_an_inbox(station: Station) -> None:
    mark(station)
    station.seal("requests", REQUEST)
    station.run("take", station.medium)
    shutil.copytree(station.medium, station.inbox, dirs_exist_ok=True)
    inbox = Inbox(station.inbox)
    assert [path.parent.name for path in inbox.paths()] == ["requests"]
    assert inbox.brought.find("", "") is None


def wipe(medium: Path) -> None:
    for entry in medium.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def test_a_medium_that_was_lost_years_ago_is_still_refused_and_its_name_still_taken(station: Station) -> None:
    mark(station)
    first = station.seal("requests", REQUEST)
    station.run("take", station.medium)
    assert station.run("medium", "lost", "stick-7").code == 0
    let_years_pass(station)
    result = station.run("take", station.medium)
    assert result.code == 1
    assert "[medium-lost]" in result.err
    listed = {one["name"]: one["state"] for one in station.run("medium", "list", "--json").document}
    assert listed["stick-7"] == "lost"
    another = station.root / "another"
    another.mkdir()
    again = station.run("medium", "init", another, "--name", "stick-7", "--direction", "both")
    assert "was reported lost" in again.err
    assert first.exists()


def test_whoever_loses_a_medium_learns_of_everything_that_was_ever_on_it(station: Station) -> None:
    mark(station)
    first = station.seal("requests", REQUEST)
    station.run("take", station.medium)
    let_years_pass(station)
    lost = station.run("medium", "lost", "stick-7", "--json").document
    assert [one["file"] for one in lost["waiting"]] == [first.name]


def let_years_pass(station: Station) -> None:
    """So many entries of another medium that a reader of the journal's end sees nothing else."""
    journal = Journal.of_spool(station.outbox)
    one = journal.entry("took", medium="other", medium_id=str(uuid4()), file="x" * 255, note="y" * 255)
    journal.write(one)
    line = journal.path.read_bytes().splitlines(keepends=True)[-1]
    with journal.path.open("ab") as file:
        file.write(line * (MAX_READ // len(line) + 1))
