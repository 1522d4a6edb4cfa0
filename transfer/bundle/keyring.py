"""The encryption keys by version and the key derived for each direction. Signing keys are in `signing`."""

from __future__ import annotations

import base64
import binascii
import json
import re
from enum import StrEnum
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
    from collections.abc import Collection, Mapping

    from airlock.common.v1.network_pb2 import Network

__all__ = ["SENDER", "GeneratedKeys", "KeyState", "Keyring", "SigningKey", "TrustedKeys", "generate_keys"]

KEY_BYTES: Final = 32
FIRST_VERSION: Final = "v1"

_MAX_FILE = 64 * 1024
_MAX_KEYS = 256
_VERSION = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


class KeyState(StrEnum):
    """Where a version is in its life. Each state follows the one before it, and none comes back."""

    # Known here, so that bundles of a network that went ahead can be opened; nothing is sealed with it yet.
    PRE = "pre"
    # New bundles are sealed with it.
    ACTIVE = "active"
    # Nothing is sealed with it any more; older bundles still open.
    RETIRING = "retiring"
    # Its bytes are gone; the name is kept so that it is never given again.
    DESTROYED = "destroyed"


class Keyring:
    """Versioned 32-byte keys that both networks hold: the active one seals, and all that are not destroyed open."""

    def __init__(self, keys: Mapping[str, bytes], current: str, states: Mapping[str, KeyState] | None = None) -> None:
        """`states` may be left out for versions that are neither in preparation nor destroyed. Raises KeyFileError."""
        self._states = dict(states or {})
        for version in keys:
            self._states.setdefault(version, KeyState.RETIRING)
        self._states[current] = KeyState.ACTIVE
        if current not in keys:
            msg = f"The current key version {current!r} is not in the keyring."
            raise KeyFileError(msg)
        for version in self._states:
            if _VERSION.fullmatch(version) is None:
                msg = f"{version!r} is not a key version: 1 to 32 of a-z, 0-9, dot, underscore and hyphen."
                raise KeyFileError(msg)
        for version, key in keys.items():
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
        """Reads a keyring file. Raises KeyFileError.

        `{"current": "v2", "keys": {"v1": {"state": "retiring", "key": "<base64>"}, "v2": "<base64>"}}`: a version may
        stand with its state, or as its key alone, which is then active if it is the current one and retiring if not.
        """
        document = _read_json(Path(path))
        if not isinstance(document, dict) or set(document) != {"current", "keys"}:
            msg = f"{path} must be a JSON object with the keys `current` and `keys` only."
            raise KeyFileError(msg)
        entries, current = document["keys"], document["current"]
        if not isinstance(current, str) or not isinstance(entries, dict) or not 1 <= len(entries) <= _MAX_KEYS:
            msg = f"{path}: `current` must be a version and `keys` must hold 1 to {_MAX_KEYS} base64 keys by version."
            raise KeyFileError(msg)
        states = {version: _state_of(version, entry, current) for version, entry in entries.items()}
        keys = {
            version: _decode_key(version, entry["key"] if isinstance(entry, dict) else entry)
            for version, entry in entries.items()
            if states[version] is not KeyState.DESTROYED
        }
        return cls(keys, current, states)

    def to_document(self) -> dict[str, object]:
        """What `from_file` reads. It holds the keys themselves."""
        entries: dict[str, object] = {}
        for version, state in self._states.items():
            key = self._keys.get(version)
            secret = {} if key is None else {"key": base64.b64encode(key).decode()}
            entries[version] = {"state": state.value, **secret}
        return {"current": self._current, "keys": entries}

    @property
    def current(self) -> str:
        """The version that new bundles are sealed with."""
        return self._current

    @property
    def states(self) -> Mapping[str, KeyState]:
        """Every version that was ever in this keyring, in the order of the file."""
        return dict(self._states)

    @property
    def keys(self) -> Mapping[str, bytes]:
        """The keys themselves, by version, for making the next keyring."""
        return dict(self._keys)

    def sealing_version(self, peer_reads: Collection[str]) -> str:
        """The version to seal with for a peer that says it reads these; the active one if it said nothing.

        Where the peer does not hold the active one yet, or not any more, the newest other one that both hold is used,
        so that no day must be agreed on which both networks change.
        """
        if not peer_reads or self._current in peer_reads:
            return self._current
        held = [version for version in self._states if version in self._keys and version in peer_reads]
        return held[-1] if held else self._current

    @property
    def versions(self) -> tuple[str, ...]:
        """All versions that open bundles; never the keys."""
        return tuple(sorted(self._keys))

    def direction_key(self, version: str, source: Network.ValueType, destination: Network.ValueType) -> bytes:
        """The 32-byte key for bundles from `source` to `destination`, by HKDF-SHA-256 (RFC 5869).

        Each direction has its own, so that a bundle cannot be played back to its sender. Raises UnknownKeyVersionError.
        """
        key = self._keys.get(version)
        if key is None and self._states.get(version) is KeyState.DESTROYED:
            msg = f"The bundle is sealed with key version {version!r}, which was destroyed here."
            raise UnknownKeyVersionError(msg, next_step="Have its sender give the bundle up; its rows come in another.")
        if key is None:
            msg = f"The bundle is sealed with key version {version!r}; this keyring has {', '.join(self.versions)}."
            raise UnknownKeyVersionError(msg)
        info = f"airlock.bundle.v1/{network_name(source)}/{network_name(destination)}".encode()
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(key)


def _state_of(version: str, entry: object, current: str) -> KeyState:
    if not isinstance(entry, dict):
        return KeyState.ACTIVE if version == current else KeyState.RETIRING
    try:
        state = KeyState(entry["state"])
    except (KeyError, ValueError):
        msg = f"The key {version} has no state; it is one of {', '.join(KeyState)}."
        raise KeyFileError(msg) from None
    expected = {"state"} if state is KeyState.DESTROYED else {"state", "key"}
    if set(entry) != expected or (state is KeyState.ACTIVE) != (version == current):
        must = " and ".join(sorted(expected))
        msg = f"The key {version} is {state} and must have {must}; `current` names the active one."
        raise KeyFileError(msg)
    return state


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
