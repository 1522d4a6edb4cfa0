"""Keeps a refusal short enough to arrive: it travels in trailers, and gRPC throws long ones away with all they say."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from common.errors import AirlockError, FieldViolation

# A peer may refuse more than 8 KiB of trailers in all. The message stands in them twice, once percent-encoded, which
# makes three bytes of one; the details are in base64.
MESSAGE_BYTES: Final = 512
VIOLATIONS_BYTES: Final = 2560
VALUE_BYTES: Final = 256
"""Of a field's path, of its description, and of each value of the metadata."""
_REASON_BYTES: Final = 24
"""About the longest name of a reason."""


def fitting(error: AirlockError) -> AirlockError:
    """The same refusal with long texts cut, marked by an ellipsis, and no more violations than there is room for."""
    short = copy.copy(error)
    short.message = cut(error.message, MESSAGE_BYTES)
    short.metadata = {name: cut(value, VALUE_BYTES) for name, value in error.metadata.items()}
    short.violations = tuple(_as_far_as_there_is_room(error.violations))
    return short


def cut(text: str, most_bytes: int) -> str:
    """`text`, or as much of its beginning as `most_bytes` of UTF-8 hold, with an ellipsis."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= most_bytes:
        return text
    return encoded[: most_bytes - len("…".encode())].decode(errors="ignore") + "…"


def _as_far_as_there_is_room(violations: Sequence[FieldViolation]) -> Iterator[FieldViolation]:
    room = VIOLATIONS_BYTES
    for violation in violations:
        short = replace(
            violation,
            field=cut(violation.field, VALUE_BYTES),
            description=cut(violation.description, VALUE_BYTES),
        )
        room -= len(short.field.encode()) + len(short.description.encode())
        room -= _REASON_BYTES if short.reason is not None else 0
        if room < 0:
            return
        yield short
