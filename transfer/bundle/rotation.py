"""Changing keys step by step: the next version of a keyring, and the next signing key beside the present one.

A key file is replaced whole: written beside, flushed, renamed. Nothing here decides when a step may be taken.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from transfer.bundle.keyring import KEY_BYTES, Keyring, KeyState
from transfer.bundle.signing import SigningKey
from transfer.errors import KeyFileError, KeysExistError

if TYPE_CHECKING:
    from collections.abc import Mapping

NEXT_SUFFIX: Final = ".next"
_NUMBERED: Final = re.compile(r"v(\d{1,6})")


def with_new_version(keyring: Keyring) -> tuple[Keyring, str]:
    """The keyring with one more version in preparation, and its name. KeyFileError if one is in preparation already."""
    waiting = [version for version, state in keyring.states.items() if state is KeyState.PRE]
    if waiting:
        msg = f"Key version {waiting[0]} is in preparation already."
        raise KeyFileError(msg, next_step="Bring the keyring to the other network, then activate that version.")
    numbers = [int(match[1]) for version in keyring.states if (match := _NUMBERED.fullmatch(version))]
    version = f"v{max(numbers, default=0) + 1}"
    keys = {**keyring.keys, version: os.urandom(KEY_BYTES)}
    return Keyring(keys, keyring.current, {**keyring.states, version: KeyState.PRE}), version


def activated(keyring: Keyring, version: str) -> Keyring:
    """The keyring that seals with `version`, the one before it retiring; the same one if it does so already.

    Raises KeyFileError for a version that is not in preparation.
    """
    state = keyring.states.get(version)
    if state is KeyState.ACTIVE:
        return keyring
    if state is not KeyState.PRE:
        is_what = "is not in this keyring" if state is None else f"is {state}"
        msg = f"Key version {version} {is_what}; only one in preparation can become active."
        raise KeyFileError(msg, next_step="`transfer keys show` lists the versions and their states.")
    states = {**keyring.states, keyring.current: KeyState.RETIRING, version: KeyState.ACTIVE}
    return Keyring(keyring.keys, version, states)


def without(keyring: Keyring, version: str) -> Keyring:
    """The keyring in which `version` is destroyed; its name stays. The same one if it is so already.

    Raises KeyFileError for the active one.
    """
    state = keyring.states.get(version)
    if state is KeyState.DESTROYED:
        return keyring
    if state not in {KeyState.RETIRING, KeyState.PRE}:
        is_what = "is not in this keyring" if state is None else f"is {state}"
        msg = f"Key version {version} {is_what}; only one that is retiring or in preparation can be destroyed."
        raise KeyFileError(msg, next_step="`transfer keys show` lists the versions and their states.")
    keys = {name: key for name, key in keyring.keys.items() if name != version}
    return Keyring(keys, keyring.current, {**keyring.states, version: KeyState.DESTROYED})


def next_of(signing_key_file: str | os.PathLike[str]) -> Path:
    """Where the next signing key lies until it takes the place of the present one."""
    path = Path(signing_key_file)
    return path.with_name(path.name + NEXT_SUFFIX)


def make_next_signing_key(signing_key_file: Path) -> SigningKey:
    """Makes the next signing key beside the present one, and its public half. KeysExistError if there is one."""
    path = next_of(signing_key_file)
    if path.exists():
        msg = f"{path} is there already."
        raise KeysExistError(msg, next_step="It is announced until the other network has confirmed it.")
    private = Ed25519PrivateKey.generate()
    key = SigningKey(private)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # The service reads the next key as it does the present one, by its account or its group; all others never.
    write_key_file(path, pem, signing_key_file.stat().st_mode & 0o770, like=signing_key_file)
    write_key_file(path.with_name(f"{path.name}.pub"), key.public_pem(), 0o644, replace=True)
    return key


def promote_next_signing_key(signing_key_file: Path) -> Path:
    """The next key takes the place of the present one, which is kept beside it; returns where. Raises KeyFileError."""
    path = next_of(signing_key_file)
    present = SigningKey.load(signing_key_file)
    SigningKey.load(path)
    kept = signing_key_file.with_name(f"{signing_key_file.name}.retired-{present.key_id.hex()[:16]}")
    try:
        # A link first: the present name never points to nothing.
        kept.unlink(missing_ok=True)
        os.link(signing_key_file, kept)
        path.replace(signing_key_file)
    except OSError as error:
        msg = f"{signing_key_file} cannot be replaced: {error.strerror}."
        raise KeyFileError(msg, next_step="Make its folder writable for whoever rotates keys.") from error
    public = signing_key_file.with_name(f"{signing_key_file.name}.pub")
    write_key_file(public, SigningKey.load(signing_key_file).public_pem(), 0o644, replace=True)
    path.with_name(f"{path.name}.pub").unlink(missing_ok=True)
    return kept


def write_keyring(path: Path, keyring: Keyring) -> None:
    """Replaces a keyring file; who may read it stays as it is. Raises KeyFileError."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    document: Mapping[str, object] = keyring.to_document()
    write_key_file(path, json.dumps(document, indent=2).encode() + b"\n", mode, replace=True)


def write_key_file(path: Path, data: bytes, mode: int, *, replace: bool = False, like: Path | None = None) -> None:
    """Writes a key so that it appears whole. Raises KeyFileError, and KeysExistError unless it may be replaced.

    It belongs to whom `like` belongs, or the file that it replaces. KeyFileError where this account may not do that:
    a service that can no longer read its key would stand still.
    """
    if path.exists() and not replace:
        msg = f"{path} is there already, and keys are never overwritten."
        raise KeysExistError(msg)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            # The mode given to open is narrowed by the umask; a public key is meant to be read by others.
            os.fchmod(file.fileno(), mode)
            model = like or (path if path.exists() else None)
            if model is not None and model.stat().st_uid != os.geteuid():
                os.fchown(file.fileno(), model.stat().st_uid, model.stat().st_gid)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        msg = f"{path} cannot be written: {error.strerror}."
        next_step = "Run this as the account of the service, in a folder that it may write."
        raise KeyFileError(msg, next_step=next_step) from error
