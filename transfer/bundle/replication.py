"""The digest over a replicated table, by which a replica sees whether it holds exactly the master's rows."""

from __future__ import annotations

import hashlib
from typing import Final

ROW_DIGEST_BYTES: Final = 32


def row_digest(serialised: bytes) -> bytes:
    """The digest of one row: SHA-256 over its own message (such as `User`), serialised as it stands in a bundle."""
    return hashlib.sha256(serialised).digest()


class TableDigest:
    """SHA-256 over the digests of all rows, in the order of their ids as bytes.

    An id is 16 bytes for a user, the name for a profile type, and `setting/<key>` or `index/<name>` in settings
    bundles, so that all indices come before all settings there.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.rows = 0

    def add(self, serialised: bytes) -> None:
        """Adds the next row."""
        self.add_digest(row_digest(serialised))

    def add_digest(self, digest: bytes) -> None:
        """Adds the next row by its 32-byte digest."""
        if len(digest) != ROW_DIGEST_BYTES:
            msg = f"a row's digest has {ROW_DIGEST_BYTES} bytes, not {len(digest)}"
            raise ValueError(msg)
        self._hash.update(digest)
        self.rows += 1

    def add_digests(self, digests: bytes | bytearray) -> None:
        """Adds the next rows by their digests, one behind the other."""
        rows, rest = divmod(len(digests), ROW_DIGEST_BYTES)
        if rest:
            msg = f"digests of {ROW_DIGEST_BYTES} bytes each do not make {len(digests)} bytes"
            raise ValueError(msg)
        self._hash.update(digests)
        self.rows += rows

    def digest(self) -> bytes:
        """The table's 32-byte digest; of a table without rows, the SHA-256 of nothing."""
        return self._hash.digest()
