"""API keys as texts, `ak_<prefix>_<secret>_<checksum>`, of which only the SHA-256 is kept; and who knows them.

The prefix (8 letters and digits) is shown to people, the secret is 256 random bits in base64url, and the checksum is
the CRC-32 of all before it in base64url: a text that was cut, mistyped or made up is refused without a look-up.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from common.errors import TokenInvalidError

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from common.auth.principal import Principal

MARK: Final = "ak_"
"""With which every API key begins, and no access token."""
PREFIX_CHARACTERS: Final = 8
_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"
_FORM: Final = re.compile(
    r"(?P<checked>ak_[a-km-np-z2-9]{8}_[A-Za-z0-9_-]{43})_(?P<checksum>[A-Za-z0-9_-]{6})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class KeyText:
    """A new key: its whole text, to be shown once, and the beginning of it, by which people recognise it."""

    text: str
    prefix: str


@dataclass(frozen=True, slots=True)
class CallerKey:
    """The key that a call came with. `ends_at` is when it can no longer be used."""

    key_id: UUID
    name: str
    ends_at: datetime


class ApiKeyAuthenticator(Protocol):
    """Whatever knows the callers behind API keys; a network that has none gives no such thing."""

    async def start(self) -> None:
        """Begins to keep what it knows fresh, failing if the database cannot be read."""
        ...

    async def authenticate(self, text: str, address: str | None) -> Principal:
        """The caller, or TokenInvalid-, TokenExpired-, SessionEnded- or RateLimitedError. `address` is noted."""
        ...

    async def close(self) -> None:
        """Writes down what is to be kept, and ends."""
        ...


def new_api_key() -> KeyText:
    """A key that nobody can guess."""
    prefix = MARK + "".join(secrets.choice(_ALPHABET) for _ in range(PREFIX_CHARACTERS))
    checked = f"{prefix}_{secrets.token_urlsafe(32)}"
    return KeyText(f"{checked}_{_checksum(checked)}", prefix)


def is_api_key(text: str) -> bool:
    """Whether the text is meant as an API key, good or not."""
    return text.startswith(MARK)


def api_key_hash(text: str) -> bytes:
    """The SHA-256 under which a key is kept; a plain hash is enough for 256 random bits.

    Raises TokenInvalidError for a text that is no key of ours, by its form and its checksum alone.
    """
    form = _FORM.fullmatch(text)
    if form is None or form["checksum"] != _checksum(form["checked"]):
        raise TokenInvalidError("This is no API key as it was given: it was cut or mistyped. Look at how it is stored.")
    return hashlib.sha256(text.encode()).digest()


def _checksum(checked: str) -> str:
    crc = zlib.crc32(checked.encode()).to_bytes(4, "big")
    return base64.urlsafe_b64encode(crc).decode().rstrip("=")
