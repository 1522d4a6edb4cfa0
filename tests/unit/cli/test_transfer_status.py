"""`transfer status` and `transfer quarantine` from the folders alone."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.cli.station import REQUEST
from transfer.cli.errors import AccessDeniedError
from transfer.cli.output import Output
from transfer.cli.status import ServiceView
from transfer.custody.errors import ForkError, LaterEpochError
from transfer.errors import HashMismatchError, UnknownKeyVersionError, UnknownSignerError, WrongKeyError
from transfer.spool.inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.cli.station import Station
    from transfer.errors import TransferError


def refuse(station: Station, bundle: Path, error: TransferError | None = None, epoch: int = 5) -> str:
    """Lets the inbox's own code set a file aside; its name there."""
    inbox = Inbox(station.inbox)
    (station.inbox / "requests" / bundle.name).write_bytes(bundle.read_bytes())
    (found,) = inbox.scan()
    reason = error or UnknownSignerError("Who is this?")
    return inbox.quarantine(inbox.stage(found), reason, {"epoch": epoch, "sequence": 9}).name


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
    assert result.code == 3
    assert "--server" in result.err


def test_a_folder_that_is_typed_counts_more_than_a_service_in_the_environment(station: Station) -> None:
    station.seal("requests", REQUEST)
    shown = station.run("status", "--export-dir", station.outbox, AIRLOCK_SERVER="localhost:1")
    assert (shown.code, "1 bundle" in shown.out) == (0, True)
    listed = station.run("quarantine", "list", "--import-dir", station.inbox, AIRLOCK_SERVER="localhost:1")
    assert listed.out == "Nothing is in quarantine.\n"
    assert station.run("status", AIRLOCK_SERVER="").code == 0


def test_a_file_of_a_later_epoch_is_brought_back_by_accepting_it(station: Station) -> None:
    name = refuse(station, station.seal("requests", REQUEST), LaterEpochError("Later."), epoch=77)
    shown = station.run("quarantine", "show", name).out
    assert "transfer epoch accept 77" in shown
    assert "quarantine release" not in shown


@pytest.mark.parametrize(
    ("error", "then"),
    [
        (WrongKeyError("Another key."), "release"),
        (HashMismatchError("Flipped."), "discard"),
        (UnknownSignerError("Signed with key 77, which was revoked here."), None),
        (UnknownKeyVersionError("Sealed with key version 'v1', which was destroyed here."), None),
        (ForkError("Other bytes."), None),
    ],
)
def test_only_a_command_that_helps_is_named(station: Station, error: TransferError, then: str | None) -> None:
    name = refuse(station, station.seal("requests", REQUEST), error)
    shown = station.run("quarantine", "show", name).out
    named = [word for word in ("release", "discard") if f"transfer quarantine {word} {name}" in shown]
    assert named == ([then] if then else [])


def test_whoever_watches_is_signed_in_anew_when_a_token_has_served_its_time() -> None:
    signed_in: list[str] = []

    @contextmanager
    def access() -> Iterator[tuple[Any, Any]]:
        signed_in.append("opened")
        yield object(), ()
        signed_in.append("closed")

    class Shown(ServiceView):
        def _show(self, stub: Any, caller: Any) -> None:
            seen.append(stub)
            if len(seen) == 2:
                raise AccessDeniedError("The access token's time is over.")

    seen: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transfer.cli.status.OpsServiceStub", lambda channel: channel)
        with Shown(Output(as_json=False), access, "server", everything=False) as view:
            view.show()
            view.show()
    assert signed_in == ["opened", "closed", "opened", "closed"]
    assert (len(seen), len(set(map(id, seen)))) == (3, 2)


def test_a_name_in_quarantine_does_not_grow_when_a_file_is_refused_again(station: Station) -> None:
    bundle = station.seal("requests", REQUEST)
    name = refuse(station, bundle)
    station.run("quarantine", "release", name)
    inbox = Inbox(station.inbox)
    again = inbox.quarantine_folder.put(inbox.root / "released" / name, name, UnknownSignerError("No."))
    assert len(again.name) == len(name)


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
    assert (gone.code, "not in quarantine" in gone.err) == (1, True)
    actions = [one["action"] for one in station.run("journal", "--json").document]
    assert actions == ["released", "discarded"]
