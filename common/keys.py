"""Loads the keys that the settings name: the keyring, this network's signing key, the other network's public keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from transfer.bundle.keyring import Keyring, SigningKey, TrustedKeys

if TYPE_CHECKING:
    from common.settings import NetworkSettings


@dataclass(frozen=True, slots=True)
class Keys:
    """What sealing and opening bundles takes."""

    keyring: Keyring
    signing_key: SigningKey
    trusted_keys: TrustedKeys


def load_keys(settings: NetworkSettings) -> Keys:
    """Reads the files. Raises KeyFileError, which names the file and the next step."""
    if settings.encryption_keyring_file is not None:
        keyring = Keyring.from_file(settings.encryption_keyring_file)
    else:
        assert settings.encryption_key is not None, "the settings demand one of both"
        keyring = Keyring.from_key(settings.encryption_key.get_secret_value())
    return Keys(keyring, SigningKey.load(settings.signing_key_file), TrustedKeys.load(settings.peer_signing_keys_file))
