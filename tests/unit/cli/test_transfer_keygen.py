"""`transfer keygen`: both networks' keys, where each goes, and never over old ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfer.bundle.keyring import Keyring, SigningKey, TrustedKeys

if TYPE_CHECKING:
    from tests.unit.cli.station import Station


def test_the_keys_work_and_private_ones_are_private(station: Station) -> None:
    folder = station.root / "keys"
    assert station.run("keygen", folder).code == 0
    assert Keyring.from_file(folder / "keyring.json").current == "v1"
    signing = SigningKey.load(folder / "request-signing.key")
    assert TrustedKeys.load(folder / "request-signing.pub").key_ids == {signing.key_id}
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {
        "keyring.json": 0o600,
        "request-signing.key": 0o600,
        "request-signing.pub": 0o644,
        "response-signing.key": 0o600,
        "response-signing.pub": 0o644,
    }


def test_each_network_is_told_its_settings_and_no_secret_is_printed(station: Station) -> None:
    folder = station.root / "keys"
    document = station.run("keygen", "--json", folder).document
    settings = {(one["network"], one["setting"]): one["path"].rsplit("/", 1)[1] for one in document["files"]}
    assert settings == {
        ("both", "ENCRYPTION_KEYRING_FILE"): "keyring.json",
        ("request", "SIGNING_KEY_FILE"): "request-signing.key",
        ("request", "PEER_SIGNING_KEYS_FILE"): "response-signing.pub",
        ("response", "SIGNING_KEY_FILE"): "response-signing.key",
        ("response", "PEER_SIGNING_KEYS_FILE"): "request-signing.pub",
    }


def test_old_keys_are_never_overwritten(station: Station) -> None:
    folder = station.root / "keys"
    station.run("keygen", folder)
    before = (folder / "keyring.json").read_bytes()
    (folder / "response-signing.pub").unlink()
    result = station.run("keygen", folder)
    assert result.code == 1
    assert "[keys-exist]" in result.err
    assert (folder / "keyring.json").read_bytes() == before
    assert not (folder / "response-signing.pub").exists()


def test_a_folder_that_cannot_be_made_is_named(station: Station) -> None:
    (station.root / "file").write_text("")
    result = station.run("keygen", station.root / "file" / "keys")
    assert result.code == 3
    assert "next:" in result.err
