"""`transfer status` and `transfer quarantine` from the folders alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.cli.station import REQUEST
from transfer.errors import UnknownSignerError
from transfer.spool.inbox import Inbox

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.station import Station


def refuse(station: Station, bundle: Path) -> str:
    """Lets the inbox's own code set a file aside; its name there."""
    inbox = Inbox(station.inbox)
    (station.inbox / "requests").mkdir(exist_ok=True)
    (station.inbox / "requests" / bundle.name).write_bytes(bundle.read_bytes())
    (found,) = inbox.scan()
    return inbox.quarantine(inbox.stage(found), UnknownSignerError("Who is this?"), {"epoch": 5, "sequence": 9}).name


def test_the_folders_say_what_waits_on_which_medium_and_what_was_refused(station: Station) -> None:
    bundle = station.seal("requests", REQUEST)
    station.run("medium", "init", station.medium, "--name", "stick-7")
    station.run("take", station.medium)
    refuse(station, bundle)
    document = station.run("status", "--json").document
    (waiting,) = document["outbox"]
    assert (waiting["sequence"], waiting["kind"], waiting["media"]) == (1, "requests", ["stick-7"])
    assert document["inbox"]["quarantined"] == {"unknown-signer": 1}
    shown = station.run("status").out
    assert "1 bundle" in shown
    assert "on stick-7" in shown
    assert "1 unknown-signer" in shown


def test_without_a_service_or_a_folder_the_next_step_is_named(station: Station) -> None:
    result = station.run("status", EXPORT_DIR=None, IMPORT_DIR=None)
    assert result.code == 2
    assert "--server" in result.err


def test_a_refused_file_is_shown_released_and_discarded(station: Station) -> None:
    bundle = station.seal("requests", REQUEST)
    name = refuse(station, bundle)
    (listed,) = station.run("quarantine", "list", "--json").document
    assert (listed["name"], listed["defect"], listed["sequence"], listed["times"]) == (name, "unknown-signer", 9, 1)
    shown = station.run("quarantine", "show", name)
    assert "add its public key" in shown.out
    assert f"transfer quarantine release {name}" in shown.out
    assert station.run("quarantine", "release", name).code == 0
    assert [path.read_bytes() for path in (station.inbox / "released").iterdir()] == [bundle.read_bytes()]
    (station.inbox / "released" / name).unlink()
    name = refuse(station, bundle)
    assert station.run("quarantine", "discard", name).code == 0
    assert station.run("quarantine", "list").out == "Nothing is in quarantine.\n"
    gone = station.run("quarantine", "show", name)
    assert (gone.code, "not in quarantine" in gone.err) == (3, True)
    actions = [one["action"] for one in station.run("journal", "--json").document]
    assert actions == ["released", "discarded"]
