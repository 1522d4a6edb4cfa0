"""What binds a payload to its header: the context given to the authenticated encryption."""

from __future__ import annotations

import hashlib
from typing import Final

_CONTEXT_LABEL: Final = b"airlock.bundle.v1"


def encryption_context(head: bytes) -> bytes:
    """The context for the file that begins with `head`, its prelude and header; nothing opens under another."""
    return _CONTEXT_LABEL + hashlib.sha256(head).digest()
