"""Doubles in the total order that an index keeps them in: minus zero stands before zero and is another value."""

from __future__ import annotations

import struct
from typing import Final

_DOUBLE: Final = struct.Struct(">d")
_LONG: Final = struct.Struct(">q")
_MAGNITUDE: Final = (1 << 63) - 1


def to_bits(value: float) -> int:
    """The bits of a double as a whole number."""
    bits: int = _LONG.unpack(_DOUBLE.pack(value))[0]
    return bits


def to_sortable(value: float) -> int:
    """A whole number of 64 bits that compares as the double does."""
    bits = to_bits(value)
    return bits if bits >= 0 else bits ^ _MAGNITUDE


def from_sortable(key: int) -> float:
    """The double of such a number."""
    value: float = _DOUBLE.unpack(_LONG.pack(key if key >= 0 else key ^ _MAGNITUDE))[0]
    return value
