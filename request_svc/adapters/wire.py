"""Times and lengths as bundles write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00Z, exactly: a float would lose some."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(value: int) -> datetime | None:
    """The time, or None for 0, which means never. Raises OverflowError beyond the year 9999."""
    return None if value == 0 else _EPOCH + timedelta(microseconds=value)


def varint(value: int) -> bytes:
    """A length in protobuf's variable-length encoding."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
