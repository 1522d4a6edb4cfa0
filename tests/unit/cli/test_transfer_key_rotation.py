"""`transfer keys`: one step at a time, each refused where it would be too early."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.cli.station import REQUEST
from transfer.bundle import rotation
from transfer.bundle.keyring import Keyring, KeyState, SigningKey, TrustedKeys
from transfer.bundle.rotation import next_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.station import Station


@pytest.fixture
def own(station: Station) -> Path:
    """The keys of one network, which may be changed."""
    folder = station.root / "own"
    shutil.copytree(station.keys.keyring.parent, folder)
    return folder


def test_an_encryption_key_is_prepared_activated_and_destroyed(station: Station, own: Path) -> None:
    keyring = own / "keyring.json"
    first = station.run("keys", "rotate", "encryption", ENCRYPTION_KEYRING_FILE=str(keyring))
    assert "transfer keys activate v2" in first.out
    again = station.run("keys", "rotate", "encryption", "--json", ENCRYPTION_KEYRING_FILE=str(keyring))
    assert again.document == {"in_preparation": "v2"}, "twice makes no second one"
    assert Keyring.from_file(keyring).current == "v1"
    bundle = station.seal("requests", REQUEST)
    assert station.run("keys", "activate", "v2", ENCRYPTION_KEYRING_FILE=str(keyring)).code == 0
    early = station.run("keys", "destroy", "v1", "--json", ENCRYPTION_KEYRING_FILE=str(keyring))
    assert (early.code, early.document["error"]["defect"]) == (1, "key-in-use"), "one document, and no other before it"
    bundle.unlink()
    typo = station.run("keys", "destroy", "v1", EXPORT_DIR="/typo", ENCRYPTION_KEYRING_FILE=str(keyring))
    assert typo.code == 3, "a folder that is not there holds no proof"
    assert station.run("keys", "destroy", "v1", ENCRYPTION_KEYRING_FILE=str(keyring)).code == 0
    assert Keyring.from_file(keyring).states == {"v1": KeyState.DESTROYED, "v2": KeyState.ACTIVE}
    shown = station.run("keys", "show", ENCRYPTION_KEYRING_FILE=str(keyring)).out
    assert shown == "v1       destroyed\nv2       active\n"


@pytest.mark.parametrize(("step", "version"), [("activate", "v9"), ("destroy", "v1"), ("destroy", "v9")])
def test_a_step_out_of_its_order_is_refused(station: Station, own: Path, step: str, version: str) -> None:
    before = (own / "keyring.json").read_bytes()
    result = station.run("keys", step, version, ENCRYPTION_KEYRING_FILE=str(own / "keyring.json"))
    assert result.code == 3
    assert "keys show" in result.err
    assert (own / "keyring.json").read_bytes() == before


def test_a_step_that_was_taken_already_changes_nothing(station: Station, own: Path) -> None:
    keyring = own / "keyring.json"
    station.run("keys", "rotate", "encryption", ENCRYPTION_KEYRING_FILE=str(keyring))
    for step, version in (("activate", "v2"), ("destroy", "v1")):
        assert station.run("keys", step, version, ENCRYPTION_KEYRING_FILE=str(keyring)).code == 0
        before = keyring.read_bytes()
        again = station.run("keys", step, version, ENCRYPTION_KEYRING_FILE=str(keyring))
        assert (again.code, "already; nothing was changed" in again.out) == (0, True)
        assert keyring.read_bytes() == before


def test_after_a_theft_the_new_signing_key_is_used_at_once(station: Station, own: Path) -> None:
    path = own / "request-signing.key"
    stolen = SigningKey.load(path)
    station.seal("requests", REQUEST)
    done = station.run("keys", "rotate", "signing", "--at-once", SIGNING_KEY_FILE=str(path))
    assert done.code == 0
    assert "Bring request-signing.key.pub to the other network by hand" in done.out
    assert "still waits (1 bundle) is refused there" in done.out
    assert SigningKey.load(path).key_id != stolen.key_id
    assert TrustedKeys.load(own / "request-signing.key.pub").key_ids == {SigningKey.load(path).key_id}
    assert not next_of(path).exists()
    again = station.run("keys", "rotate", "signing", "--at-once", SIGNING_KEY_FILE=str(path))
    assert "still waits (1 bundle) is refused there" in again.out, "the stolen key signed it, two keys ago"


def test_a_signing_key_takes_over_only_once_it_signs(station: Station, own: Path) -> None:
    path = own / "request-signing.key"
    old = SigningKey.load(path)
    made = station.run("keys", "rotate", "signing", SIGNING_KEY_FILE=str(path))
    assert "announces it" in made.out
    early = station.run("keys", "rotate", "signing", SIGNING_KEY_FILE=str(path))
    assert "nothing was changed" in early.out
    new = SigningKey.load(next_of(path))
    seal_with(station, next_of(path))
    done = station.run("keys", "rotate", "signing", SIGNING_KEY_FILE=str(path))
    assert f"transfer keys revoke {old.key_id.hex()}" in done.out
    assert SigningKey.load(path).key_id == new.key_id


def test_the_old_signing_key_is_revoked_only_once_what_it_signed_is_acknowledged(station: Station, own: Path) -> None:
    path = own / "request-signing.key"
    waiting = station.seal("requests", REQUEST)
    station.run("keys", "rotate", "signing", SIGNING_KEY_FILE=str(path))
    seal_with(station, next_of(path))
    done = station.run("keys", "rotate", "signing", SIGNING_KEY_FILE=str(path))
    assert "once the 1 bundle that it signed" in done.out
    assert waiting.exists()


def test_a_rotation_that_was_killed_halfway_is_taken_up_again(
    station: Station, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own / "request-signing.key"
    write = rotation.write_key_file

    def dies_after_the_private_half(target: Path, *arguments: Any, **options: Any) -> None:
        if target.suffix == ".pub":
            raise KeyboardInterrupt
        write(target, *arguments, **options)

    with monkeypatch.context() as killed:
        killed.setattr(rotation, "write_key_file", dies_after_the_private_half)
        station.run("keys", "rotate", "signing", SIGNING_KEY_FILE=str(path))
    again = station.run("keys", "rotate", "signing", SIGNING_KEY_FILE=str(path))
    assert (again.code, "nothing was changed" in again.out) == (0, True)
    seal_with(station, next_of(path))
    assert station.run("keys", "rotate", "signing", SIGNING_KEY_FILE=str(path)).code == 0
    public = TrustedKeys.load(own / "request-signing.key.pub")
    assert public.key_ids == {SigningKey.load(path).key_id}


def test_the_next_key_belongs_to_the_account_that_the_present_one_belongs_to(station: Station, own: Path) -> None:
    path = own / "request-signing.key"
    path.chmod(0o644)
    if os.geteuid() == 0:
        os.chown(path, 1234, 1234)
    station.run("keys", "rotate", "signing", SIGNING_KEY_FILE=str(path))
    made, like = next_of(path).stat(), path.stat()
    assert (made.st_uid, made.st_gid) == (like.st_uid, like.st_gid)
    assert made.st_mode & 0o007 == 0, "a private key is never for everybody"


@pytest.mark.parametrize("key_id", ["", "3dcc", "z" * 64])
def test_what_is_no_key_id_is_not_asked_of_a_service(station: Station, key_id: str) -> None:
    result = station.run("keys", "revoke", key_id, "--reason", "stolen", "--server", "localhost:1")
    assert (result.code, "keys show --server" in result.err) == (2, True)


def seal_with(station: Station, key: Path) -> None:
    write = ("--kind", "requests", "--source", "request", "--epoch", 5, "--sequence", 1, "--signing-key", key)
    station.run("write", *write, station.outbox / "requests", stdin=json.dumps(REQUEST) + "\n")
