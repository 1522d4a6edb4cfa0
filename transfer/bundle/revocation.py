"""Revoked signing keys in a file beside the public keys: a database that is set back must not forget them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from transfer.errors import KeyFileError

SUFFIX: Final = ".revoked"
_LINE: Final = re.compile(r"[0-9a-f]{64}")
_MAX_FILE: Final = 1024 * 1024


def revoked_beside(peer_keys_file: str | os.PathLike[str]) -> Path:
    """Where the key ids are kept, one a line."""
    path = Path(peer_keys_file)
    return path.with_name(path.name + SUFFIX)


def load_revoked(peer_keys_file: str | os.PathLike[str]) -> frozenset[bytes]:
    """The key ids; none without a file. Raises KeyFileError for a line that is no key id: nothing may be overlooked."""
    path = revoked_beside(peer_keys_file)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        msg = f"The revoked keys in {path} cannot be read: {error.strerror}."
        raise KeyFileError(msg) from error
    lines = data.decode("ascii", "replace").split()
    if len(data) > _MAX_FILE or any(_LINE.fullmatch(line) is None for line in lines):
        msg = f"{path} must hold key ids only, 64 hexadecimal digits a line."
        raise KeyFileError(msg, next_step="Correct it; `transfer keys revoke` adds to it.")
    return frozenset(map(bytes.fromhex, lines))


def keep_revoked(peer_keys_file: str | os.PathLike[str], key_id: bytes) -> None:
    """Adds a key id, durably; twice is harmless. Raises KeyFileError."""
    if key_id in load_revoked(peer_keys_file):
        return
    path = revoked_beside(peer_keys_file)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, key_id.hex().encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}."
        raise KeyFileError(
            msg, next_step="Add the key id to that file by hand, or a restored backup trusts it again."
        ) from error
