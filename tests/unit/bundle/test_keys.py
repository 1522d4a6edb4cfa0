"""Keyrings, signing keys and the files they come from."""

from __future__ import annotations

import base64
import json
import stat
from typing import TYPE_CHECKING

import pytest
from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
from airlock.common.v1.network_pb2 import NETWORK_REQUEST, NETWORK_RESPONSE
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from transfer.bundle.keyring import GeneratedKeys, Keyring, KeyState, SigningKey, TrustedKeys, generate_keys
from transfer.bundle.rotation import (
    make_next_signing_key,
    next_of,
    promote_next_signing_key,
    with_new_version,
    write_keyring,
)
from transfer.bundle.signing import SENDER, pre_authentication
from transfer.custody.acknowledgements import parse
from transfer.errors import (
    KeyFileError,
    KeysExistError,
    MalformedFrameError,
    SignatureInvalidError,
    UnknownKeyVersionError,
    UnknownSignerError,
)

if TYPE_CHECKING:
    from pathlib import Path

KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def made(tmp_path: Path) -> GeneratedKeys:
    return generate_keys(tmp_path / "keys")


def test_each_direction_has_a_key_of_its_own() -> None:
    keyring = Keyring.from_key(KEY)
    there = keyring.direction_key("v1", NETWORK_REQUEST, NETWORK_RESPONSE)
    back = keyring.direction_key("v1", NETWORK_RESPONSE, NETWORK_REQUEST)
    assert len(there) == len(back) == 32
    assert len({there, back, bytes(range(32))}) == 3


def test_a_direction_key_never_changes() -> None:
    key = Keyring.from_key(KEY).direction_key("v1", NETWORK_REQUEST, NETWORK_RESPONSE)
    assert key.hex() == "0eedd8ab5ccf489ce1b15c442f0514de420ac365c1c6c2c4625a122934fb8628"


def test_an_unknown_version_is_refused_with_those_that_are_there() -> None:
    with pytest.raises(UnknownKeyVersionError, match="'v2'; this keyring has v1"):
        Keyring.from_key(KEY).direction_key("v2", NETWORK_REQUEST, NETWORK_RESPONSE)


@pytest.mark.parametrize("key", ["", "c2hvcnQ=", "not base64!", KEY[:-2]])
def test_a_key_that_is_not_32_bytes_of_base64_is_refused_without_quoting_it(key: str) -> None:
    with pytest.raises(KeyFileError) as refusal:
        Keyring.from_key(key)
    assert not key or key not in str(refusal.value)


def test_a_keyring_file_holds_several_versions_and_names_the_current_one(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    path.write_text(json.dumps({"current": "v2", "keys": {"v1": KEY, "v2": base64.b64encode(b"k" * 32).decode()}}))
    keyring = Keyring.from_file(path)
    assert (keyring.current, keyring.versions) == ("v2", ("v1", "v2"))


@pytest.mark.parametrize(
    "document",
    [
        "nonsense",
        [],
        {"current": "v1"},
        {"current": "v2", "keys": {"v1": KEY}},
        {"current": "v1", "keys": {}},
        {"current": "v1", "keys": {"v1": 5}},
        {"current": "v1", "keys": {"v1": "c2hvcnQ="}},
        {"current": "V 1", "keys": {"V 1": KEY}},
        {"current": "v1", "keys": {"v1": KEY}, "comment": "no"},
    ],
)
def test_a_keyring_file_of_another_shape_is_refused(tmp_path: Path, document: object) -> None:
    path = tmp_path / "keyring.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    with pytest.raises(KeyFileError):
        Keyring.from_file(path)


def test_missing_and_oversized_key_files_are_refused(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(bytes(70_000))
    for load in (Keyring.from_file, SigningKey.load, TrustedKeys.load):
        with pytest.raises(KeyFileError, match="cannot be read"):
            load(tmp_path / "missing")
        with pytest.raises(KeyFileError, match="longer than"):
            load(big)


def test_generated_keys_fit_each_other(made: GeneratedKeys) -> None:
    assert Keyring.from_file(made.keyring).current == "v1"
    for private, public in (
        (made.request_signing_key, made.request_public_key),
        (made.response_signing_key, made.response_public_key),
    ):
        key, trusted = SigningKey.load(private), TrustedKeys.load(public)
        trusted.verify(SENDER, key.key_id, key.sign(b"message"), b"message")
        assert trusted.key_ids == {key.key_id}


def test_private_key_files_are_for_their_owner_alone(made: GeneratedKeys) -> None:
    for private in (made.keyring, made.request_signing_key, made.response_signing_key):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.request_public_key.stat().st_mode) == 0o644


def test_keys_are_never_overwritten(made: GeneratedKeys) -> None:
    before = made.keyring.read_bytes()
    made.request_public_key.unlink()
    with pytest.raises(KeyFileError, match=r"holds keyring\.json"):
        generate_keys(made.keyring.parent)
    assert made.keyring.read_bytes() == before
    assert not made.request_public_key.exists()


def test_a_stranger_and_a_changed_message_are_told_apart(made: GeneratedKeys) -> None:
    key = SigningKey.load(made.request_signing_key)
    with pytest.raises(UnknownSignerError, match=key.key_id.hex()[:16]):
        TrustedKeys.load(made.response_public_key).verify(SENDER, key.key_id, key.sign(b"a"), b"a")
    with pytest.raises(SignatureInvalidError):
        TrustedKeys.load(made.request_public_key).verify(SENDER, key.key_id, key.sign(b"a"), b"b")


def test_several_public_keys_stand_in_one_file(made: GeneratedKeys, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(made.request_public_key.read_bytes() + b"\n" + made.response_public_key.read_bytes())
    assert len(TrustedKeys.load(both).key_ids) == 2


def test_other_keys_and_noise_are_refused(made: GeneratedKeys, tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1())
    path = tmp_path / "key"
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(KeyFileError, match="not an Ed25519 key"):
        SigningKey.load(path)
    path.write_bytes(other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(KeyFileError, match="not an Ed25519 key"):
        TrustedKeys.load(path)
    path.write_bytes(made.request_public_key.read_bytes() + b"more")
    with pytest.raises(KeyFileError, match="nothing after"):
        TrustedKeys.load(path)
    path.write_bytes(b"-----BEGIN PUBLIC KEY-----\nnoise\n-----END PUBLIC KEY-----\n")
    with pytest.raises(KeyFileError, match="not valid PEM"):
        TrustedKeys.load(path)
    path.write_bytes(b"noise")
    with pytest.raises(KeyFileError, match="not an unencrypted private key"):
        SigningKey.load(path)


def test_what_is_signed_is_the_pre_authentication_encoding_of_dsse() -> None:
    message = pre_authentication(SENDER, 300, b"d" * 32)
    assert message == b"DSSEv1 24 airlock.bundle.v1/sender 40 " + b"\x00" * 6 + b"\x01\x2c" + b"d" * 32


def test_a_keyring_with_states_reads_as_it_was_written(tmp_path: Path) -> None:
    made, _ = with_new_version(Keyring({"v1": bytes(32), "v2": bytes(range(32))}, "v2", {"v0": KeyState.DESTROYED}))
    write_keyring(tmp_path / "keyring.json", made)
    read = Keyring.from_file(tmp_path / "keyring.json")
    assert (read.states, read.keys, read.current) == (made.states, made.keys, "v2")
    assert (tmp_path / "keyring.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "entry",
    [
        {"key": KEY},
        {"state": "future", "key": KEY},
        {"state": "destroyed", "key": KEY},
        {"state": "retiring"},
        {"state": "active", "key": KEY},
        {"state": "retiring", "key": KEY, "more": 1},
    ],
)
def test_a_version_with_a_wrong_state_is_refused(tmp_path: Path, entry: dict[str, object]) -> None:
    (tmp_path / "keyring.json").write_text(json.dumps({"current": "v1", "keys": {"v1": KEY, "v2": entry}}))
    with pytest.raises(KeyFileError, match="The key v2"):
        Keyring.from_file(tmp_path / "keyring.json")


def test_the_next_signing_key_takes_the_place_of_the_present_one_which_is_kept(
    keys: GeneratedKeys, tmp_path: Path
) -> None:
    path = tmp_path / "signing.key"
    path.write_bytes(keys.request_signing_key.read_bytes())
    path.chmod(0o600)
    old = SigningKey.load(path)
    new = make_next_signing_key(path)
    with pytest.raises(KeysExistError):
        make_next_signing_key(path)
    assert SigningKey.load(path).key_id == old.key_id
    kept = promote_next_signing_key(path)
    assert SigningKey.load(path).key_id == new.key_id
    assert SigningKey.load(kept).key_id == old.key_id
    assert TrustedKeys.load(tmp_path / "signing.key.pub").key_ids == {new.key_id}
    assert not next_of(path).exists()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("raw", [bytes(32), b"\x01" + bytes(31), b"\x01" + bytes(30) + b"\x80", b"\xee" + b"\xff" * 31])
def test_a_key_under_which_anybody_can_sign_is_never_trusted(raw: bytes, tmp_path: Path) -> None:
    pem = Ed25519PublicKey.from_public_bytes(raw).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "hostile.pub").write_bytes(pem)
    with pytest.raises(KeyFileError, match="anybody can sign"):
        TrustedKeys.load(tmp_path / "hostile.pub")
    with pytest.raises(MalformedFrameError, match="anybody can sign"):
        parse(Acknowledgements(running_digest=bytes(32), announced_signing_key=raw))
