"""The running digest of a stream: R(0) is 32 zero bytes, R(n) = SHA-256(R(n-1) | digest of bundle n)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

DIGEST_BYTES: Final = 32
NOTHING: Final = bytes(DIGEST_BYTES)


def extend(running: bytes, digest: bytes) -> bytes:
    """The running digest one number further."""
    return hashlib.sha256(running + digest).digest()


def chain(digests: Iterable[bytes], start: bytes = NOTHING) -> bytes:
    """The running digest over `digests`, going on from `start`."""
    running = start
    for digest in digests:
        running = extend(running, digest)
    return running
