"""Media with names: which way they may carry, what is on them, and what it means when one is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.station import REQUEST, TABLE_STATE, USER
from transfer.spool.journal import JOURNAL_NAME
from transfer.spool.marker import MARKER_NAME

if TYPE_CHECKING:
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
        ("delivered", "reza"),
    ]
    assert {(one["file"], one["sequence"], one["medium"]) for one in own[1:]} == {(bundle.name, 1, "stick-7")}
    on_it = station.run("journal", station.medium, "--json").document
    assert [one["action"] for one in on_it] == ["init", "took", "delivered"]


def test_a_medium_without_a_name_is_not_written_to_beyond_its_bundles(station: Station) -> None:
    station.seal("requests", REQUEST)
    station.run("take", station.medium)
    assert not (station.medium / JOURNAL_NAME).exists()
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
    (station.outbox / "acknowledged").mkdir()
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
    mark(station)
    assert station.run("take", station.medium).code == 0, "marked anew it is in use again"


def test_a_medium_that_nobody_knows_cannot_be_lost(station: Station) -> None:
    result = station.run("medium", "lost", "stick-9")
    assert result.code == 3
    assert "medium list" in result.err


@pytest.mark.parametrize("name", ["", "../x", "a b", "x" * 65, "\x1b[31m"])
def test_names_are_plain(station: Station, name: str) -> None:
    result = station.run("medium", "init", station.medium, "--name", name)
    assert result.code == 3
    assert not (station.medium / MARKER_NAME).exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"format": 2}',
        b"x" * 5000,
        b'{"format":1,"id":"x","name":"a","direction":"both","made_at":""}',
    ],
)
def test_a_marker_that_is_none_stops_take_and_deliver(station: Station, content: bytes) -> None:
    (station.medium / MARKER_NAME).write_bytes(content)
    station.seal("requests", REQUEST)
    for command in ("take", "deliver"):
        result = station.run(command, station.medium)
        assert "[marker]" in result.err


def test_no_link_is_followed_to_a_marker_or_a_journal(station: Station) -> None:
    secret = station.root / "secret.json"
    secret.write_text(json.dumps({"format": 1}))
    (station.medium / MARKER_NAME).symlink_to(secret)
    assert "[marker]" in station.run("take", station.medium).err
    (station.medium / MARKER_NAME).unlink()
    mark(station)
    (station.medium / JOURNAL_NAME).unlink()
    (station.medium / JOURNAL_NAME).symlink_to(secret)
    station.seal("requests", REQUEST)
    assert station.run("take", station.medium).code == 0
    assert secret.read_text() == json.dumps({"format": 1})


def test_what_a_medium_s_journal_says_is_shown_without_its_control_characters(station: Station) -> None:
    lines = ['{"at": "2026", "by": "\\u001b[31mx", "action": "took"}', "{torn", '{"at": 3}', "[]"]
    (station.medium / JOURNAL_NAME).write_text("\n".join(lines))
    result = station.run("journal", station.medium)
    assert result.code == 0
    assert "\\x1b[31mx" in result.out
    assert "\x1b" not in result.out


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


def test_a_number_is_carried_once_more_byte_for_byte(station: Station) -> None:
    station.seal("requests", REQUEST)
    second = station.seal("requests", REQUEST)
    station.run("take", station.medium)
    copy = station.medium / "requests" / second.name
    copy.write_bytes(b"damaged on the way")
    result = station.run("resend", "2", station.medium)
    assert result.code == 0
    assert "1 bundle taken" in result.out
    assert copy.read_bytes() == second.read_bytes()
    assert station.run("journal", "--json").document[-1]["action"] == "resent"
    absent = station.run("resend", "2,7-8", station.medium)
    assert (absent.code, "outbox: 7-8." in absent.err) == (1, True)
    assert station.run("resend", "8-7", station.medium).code == 2


def test_an_inbox_is_no_outbox_and_an_outbox_no_inbox(station: Station) -> None:
    (station.inbox / "quarantine").mkdir()
    (station.outbox / "acknowledged").mkdir()
    station.seal("requests", REQUEST)
    take = station.run("take", station.medium, EXPORT_DIR=str(station.inbox))
    assert (take.code, "is an inbox" in take.err, "EXPORT_DIR" in take.err) == (3, True, True)
    station.run("take", station.medium)
    deliver = station.run("deliver", station.medium, IMPORT_DIR=str(station.outbox))
    assert (deliver.code, "is an outbox" in deliver.err, "IMPORT_DIR" in deliver.err) == (3, True, True)
