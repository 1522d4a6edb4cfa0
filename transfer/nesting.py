"""How deep JSON is nested, found out before it is parsed: how deep a parser goes differs between versions of Python."""

from __future__ import annotations

import re
from typing import Final

# Strings are skipped as a whole, so that brackets inside them do not count; one without an end is skipped
# too and left to the parser, so that no text is scanned twice.
_BRACKETS_AND_STRINGS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)


def is_nested_deeper(data: bytes, limit: int) -> bool:
    """Whether objects and lists stand in each other more than `limit` deep. `data` is JSON in UTF-8, or anything."""
    depth = 0
    for found in _BRACKETS_AND_STRINGS.finditer(data):
        first = data[found.start()]
        if first in b"[{":
            depth += 1
            if depth > limit:
                return True
        elif first in b"]}":
            depth -= 1
    return False
