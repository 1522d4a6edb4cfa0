"""Making a fresh keyring and the signing keys of both networks. Where each file goes is for the command to say."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from transfer.bundle.signing import SigningKey
from transfer.errors import KeyFileError, KeysExistError


@dataclass(frozen=True, slots=True)
class GeneratedKeys:
    """The files that were made: one keyring for both networks, and a signing key pair for each."""

    keyring: Path
    request_signing_key: Path
    request_public_key: Path
    response_signing_key: Path
    response_public_key: Path


def generate_keys(directory: str | os.PathLike[str]) -> GeneratedKeys:
    """Makes all five files, private ones with mode 0600. Raises KeyFileError and changes nothing if one is there."""
    folder = Path(directory)
    keys = GeneratedKeys(
        keyring=folder / "keyring.json",
        request_signing_key=folder / "request-signing.key",
        request_public_key=folder / "request-signing.pub",
        response_signing_key=folder / "response-signing.key",
        response_public_key=folder / "response-signing.pub",
    )
    _refuse_existing(folder, keys)
    _write(keys.keyring, _new_keyring(), 0o600)
    for private_path, public_path in (
        (keys.request_signing_key, keys.request_public_key),
        (keys.response_signing_key, keys.response_public_key),
    ):
        private = Ed25519PrivateKey.generate()
        _write(private_path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
        _write(public_path, SigningKey(private).public_pem(), 0o644)
    return keys


def _refuse_existing(folder: Path, keys: GeneratedKeys) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = (
        keys.keyring,
        keys.request_signing_key,
        keys.request_public_key,
        keys.response_signing_key,
        keys.response_public_key,
    )
    existing = [path.name for path in paths if path.exists()]
    if existing:
        msg = f"{folder} holds {', '.join(existing)} already, and keys are never overwritten."
        raise KeysExistError(msg)


def _new_keyring() -> bytes:
    key = base64.b64encode(os.urandom(32)).decode()
    return json.dumps({"current": "v1", "keys": {"v1": key}}, indent=2).encode() + b"\n"


def _write(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            # The mode given to open is narrowed by the umask; a public key is meant to be read by others.
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}."
        raise KeyFileError(msg, next_step="Name a folder that can be written.") from error
