"""Reads a list of HTTP addresses with commas between them, and tells everything that is wrong with it at once."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

MOST_ADDRESSES: Final = 32
MOST_BYTES: Final = 8192
_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_PATH: Final = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
_SIGN_IN: Final = "ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD, or ELASTICSEARCH_API_KEY"


def read_addresses(text: str) -> tuple[str, ...]:
    """The addresses, each with its port and without a closing slash. Raises ValueError, which shows no part of them."""
    if len(text) > MOST_BYTES:
        raise ValueError(f"it is longer than {MOST_BYTES} bytes.")
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > MOST_ADDRESSES:
        raise ValueError(f"it holds {len(parts)} addresses; {MOST_ADDRESSES} are enough to find a cluster.")
    found, defects = [], []
    for number, part in enumerate(parts, 1):
        try:
            found.append(_address(part))
        except ValueError as error:
            defects.append(f"address {number} {error}" if len(parts) > 1 else f"it {error}")
    if len(set(found)) < len(found):
        defects.append("an address is named twice")
    if len({address.split(":")[0] for address in found}) > 1:
        defects.append("some addresses begin with http:// and some with https://")
    if defects:
        raise ValueError("; ".join(defects) + ".")
    return tuple(found)


def _address(text: str) -> str:
    if not text:
        raise ValueError("is empty")
    if not text.isprintable() or " " in text:
        raise ValueError("holds a blank or a character that cannot be printed")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("is no address such as https://host:9200") from None
    if parts.scheme not in _PORTS or not parts.netloc:
        raise ValueError("does not begin with https:// or http:// and a host")
    _check_parts(parts)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{port or _PORTS[parts.scheme]}{parts.path.rstrip('/')}"


def _check_parts(parts: SplitResult) -> None:
    """Refuses what an address must not hold."""
    if "@" in parts.netloc:
        raise ValueError(f"holds a name or a password, which logs would show; set {_SIGN_IN} instead")
    if parts.query or parts.fragment:
        raise ValueError("holds ? or #; name scheme, host, port and at most a path")
    if parts.port == 0 or not _HOST.fullmatch(parts.hostname or ""):
        raise ValueError("names no host or port that can be reached")
    if not _PATH.fullmatch(parts.path.rstrip("/")):
        raise ValueError("has a path with other characters than letters, digits, dots, dashes and underscores")
