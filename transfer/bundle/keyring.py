"""The encryption keys by version and the key derived for each direction. Signing keys are in `signing`."""

from __future__ import annotations

import base64
import binascii
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from transfer.bundle.generate import GeneratedKeys, generate_keys
from transfer.bundle.names import network_name
from transfer.bundle.signing import SENDER, SigningKey, TrustedKeys
from transfer.errors import KeyFileError, UnknownKeyVersionError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from airlock.common.v1.network_pb2 import Network

__all__ = ["SENDER", "GeneratedKeys", "Keyring", "SigningKey", "TrustedKeys", "generate_keys"]

KEY_BYTES: Final = 32
FIRST_VERSION: Final = "v1"

_MAX_FILE = 64 * 1024
_MAX_KEYS = 256
_VERSION = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


class Keyring:
    """Versioned 32-byte keys that both networks hold: the current one seals, and all of them open."""

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        if current not in keys:
            msg = f"The current key version {current!r} is not in the keyring."
            raise KeyFileError(msg)
        for version, key in keys.items():
            if _VERSION.fullmatch(version) is None:
                msg = f"{version!r} is not a key version: 1 to 32 of a-z, 0-9, dot, underscore and hyphen."
                raise KeyFileError(msg)
            if len(key) != KEY_BYTES:
                msg = f"The key {version} has {len(key)} bytes; it must have {KEY_BYTES}."
                raise KeyFileError(msg)
        self._keys = dict(keys)
        self._current = current

    @classmethod
    def from_key(cls, key: str, version: str = FIRST_VERSION) -> Keyring:
        """A keyring of one key, given in base64. Raises KeyFileError if it is not 32 bytes."""
        return cls({version: _decode_key(version, key)}, version)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Keyring:
        """Reads `{"current": "v2", "keys": {"v1": "<base64>", "v2": "<base64>"}}`. Raises KeyFileError."""
        document = _read_json(Path(path))
        if not isinstance(document, dict) or set(document) != {"current", "keys"}:
            msg = f"{path} must be a JSON object with the keys `current` and `keys` only."
            raise KeyFileError(msg)
        keys, current = document["keys"], document["current"]
        if not isinstance(current, str) or not isinstance(keys, dict) or not 1 <= len(keys) <= _MAX_KEYS:
            msg = f"{path}: `current` must be a version and `keys` must hold 1 to {_MAX_KEYS} base64 keys by version."
            raise KeyFileError(msg)
        return cls({version: _decode_key(version, key) for version, key in keys.items()}, current)

    @property
    def current(self) -> str:
        """The version that new bundles are sealed with."""
        return self._current

    @property
    def versions(self) -> tuple[str, ...]:
        """All versions, for reports; never the keys."""
        return tuple(sorted(self._keys))

    def direction_key(self, version: str, source: Network.ValueType, destination: Network.ValueType) -> bytes:
        """The 32-byte key for bundles from `source` to `destination`, by HKDF-SHA-256 (RFC 5869).

        Each direction has its own, so that a bundle cannot be played back to its sender. Raises UnknownKeyVersionError.
        """
        key = self._keys.get(version)
        if key is None:
            msg = f"The bundle is sealed with key version {version!r}; this keyring has {', '.join(self.versions)}."
            raise UnknownKeyVersionError(msg)
        info = f"airlock.bundle.v1/{network_name(source)}/{network_name(destination)}".encode()
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(key)


def _decode_key(version: str, text: object) -> bytes:
    try:
        if not isinstance(text, str):
            raise TypeError  # noqa: TRY301 - one message for all that is not base64
        return base64.b64decode(text.strip(), validate=True)
    except (TypeError, binascii.Error, ValueError):
        msg = f"The key {version} is not base64."
        raise KeyFileError(msg, next_step="A key is 32 random bytes in base64: `openssl rand -base64 32`.") from None


def _read_json(path: Path) -> object:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
    except OSError as error:
        msg = f"The keyring {path} cannot be read: {error.strerror}."
        raise KeyFileError(msg) from error
    if len(data) > _MAX_FILE:
        msg = f"The keyring {path} is longer than {_MAX_FILE} bytes."
        raise KeyFileError(msg)
    try:
        return json.loads(data)
    except ValueError as error:
        # The text of the error could quote a key.
        msg = f"The keyring {path} is not JSON."
        raise KeyFileError(msg) from error
