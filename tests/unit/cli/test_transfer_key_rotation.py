"""`transfer keys`: one step at a time, each refused where it would be too early."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.station import REQUEST
from transfer.bundle.keyring import Keyring, KeyState, SigningKey
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
    early = station.run("keys", "destroy", "v1", ENCRYPTION_KEYRING_FILE=str(keyring))
    assert (early.code, "[key-in-use]" in early.err) == (1, True)
    bundle.unlink()
    assert station.run("keys", "destroy", "v1", ENCRYPTION_KEYRING_FILE=str(keyring)).code == 0
    assert Keyring.from_file(keyring).states == {"v1": KeyState.DESTROYED, "v2": KeyState.ACTIVE}
    shown = station.run("keys", "show", ENCRYPTION_KEYRING_FILE=str(keyring)).out
    assert shown == "v1       destroyed\nv2       active\n"


@pytest.mark.parametrize(
    ("step", "version"), [("activate", "v1"), ("activate", "v9"), ("destroy", "v1"), ("destroy", "v9")]
)
def test_a_step_out_of_its_order_is_refused(station: Station, own: Path, step: str, version: str) -> None:
    before = (own / "keyring.json").read_bytes()
    result = station.run("keys", step, version, ENCRYPTION_KEYRING_FILE=str(own / "keyring.json"))
    assert result.code == 3
    assert "keys show" in result.err
    assert (own / "keyring.json").read_bytes() == before


def test_a_signing_key_takes_over_only_once_it_signs(station: Station, own: Path) -> None:
    path = own / "request-signing.key"
    old = SigningKey.load(path)
    made = station.run("keys", "rotate", "signing", SIGNING_KEY_FILE=str(path))
    assert "announces it" in made.out
    early = station.run("keys", "rotate", "signing", SIGNING_KEY_FILE=str(path))
    assert "not confirmed yet" in early.out
    new = SigningKey.load(next_of(path))
    text = json.dumps(REQUEST) + "\n"
    write = ("--kind", "requests", "--source", "request", "--epoch", 5, "--sequence", 1)
    (station.outbox / "requests").mkdir(exist_ok=True)
    station.run("write", *write, "--signing-key", next_of(path), station.outbox / "requests", stdin=text)
    done = station.run("keys", "rotate", "signing", SIGNING_KEY_FILE=str(path))
    assert f"transfer keys revoke {old.key_id.hex()}" in done.out
    assert SigningKey.load(path).key_id == new.key_id
