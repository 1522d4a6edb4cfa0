"""The keys that the settings name: the keyring, this network's signing keys, the other network's public keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from transfer.bundle.keyring import Keyring, SigningKey, TrustedKeys
from transfer.bundle.revocation import load_revoked, revoked_beside
from transfer.bundle.rotation import next_of
from transfer.errors import KeyFileError

if TYPE_CHECKING:
    from pathlib import Path

    from common.settings import NetworkSettings

log = structlog.get_logger("common.keys")


@dataclass(frozen=True, slots=True)
class Keys:
    """What sealing and opening bundles takes."""

    keyring: Keyring
    signing_key: SigningKey
    trusted_keys: TrustedKeys
    # In preparation: announced to the other network, and used once that has confirmed it.
    next_signing_key: SigningKey | None = None
    # Key ids of the other network that count no more, as the file beside its public keys says.
    revoked: frozenset[bytes] = frozenset()


class KeyFiles:
    """The keys as their files stand now: a rotation needs no restart."""

    def __init__(self, settings: NetworkSettings) -> None:
        """Reads the files. Raises KeyFileError, which names the file and the next step."""
        self._settings = settings
        self._identity = self._look()
        self._keys = load_keys(settings)

    def __call__(self) -> Keys:
        """The present keys. Where a changed file cannot be used, the keys from before it changed."""
        identity = self._look()
        if identity != self._identity:
            try:
                self._keys = load_keys(self._settings)
            except KeyFileError as error:
                log.error("key_files_unusable", cause=str(error))  # noqa: TRY400 - the cause says it all.
                return self._keys
            self._identity = identity
            log.info("key_files_read", key_versions=self._keys.keyring.versions, current=self._keys.keyring.current)
        return self._keys

    def _look(self) -> tuple[object, ...]:
        settings = self._settings
        signing = settings.signing_key_file
        peers = settings.peer_signing_keys_file
        files = (settings.encryption_keyring_file, signing, next_of(signing), peers, revoked_beside(peers))
        return tuple(_identity(path) for path in files)


def load_keys(settings: NetworkSettings) -> Keys:
    """Reads the files. Raises KeyFileError, which names the file and the next step."""
    if settings.encryption_keyring_file is not None:
        keyring = Keyring.from_file(settings.encryption_keyring_file)
    else:
        assert settings.encryption_key is not None, "the settings demand one of both"
        keyring = Keyring.from_key(settings.encryption_key.get_secret_value())
    return Keys(
        keyring,
        SigningKey.load(settings.signing_key_file),
        TrustedKeys.load(settings.peer_signing_keys_file),
        _coming(next_of(settings.signing_key_file)),
        revoked=load_revoked(settings.peer_signing_keys_file),
    )


def _coming(path: Path) -> SigningKey | None:
    """The next key. One that cannot be used is announced to nobody, and stops nothing."""
    if not path.exists():
        return None
    try:
        return SigningKey.load(path)
    except KeyFileError as error:
        log.warning("next_signing_key_unusable", cause=str(error))
        return None


def _identity(path: Path | None) -> tuple[int, ...] | None:
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
