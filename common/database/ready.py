"""Parameters of a statement made ready beforehand, in any thread, so that the connection only has to send them.

psycopg makes parameters ready while it sends them, in the event loop; for arrays of some thousand elements that takes
about as long as the database then works.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from psycopg.adapt import Dumper, PyFormat, Transformer
from psycopg.pq import Format

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg import AsyncConnection
    from psycopg.abc import Buffer


class Ready:
    """A parameter in PostgreSQL's binary form, for a placeholder `%b`."""

    __slots__ = ("buffer", "type_id")

    def __init__(self, buffer: Buffer, type_id: int) -> None:
        self.buffer = buffer
        self.type_id = type_id


class ReadyDumper(Dumper):
    """Hands a `Ready` on as it is."""

    format = Format.BINARY

    # Whatever can be hashed is a key; the annotation of the base knows of types alone.
    def get_key(self, obj: Ready, _format: PyFormat) -> tuple[type, int]:  # type: ignore[override]
        """One dumper for each type."""
        return (self.cls, obj.type_id)

    def upgrade(self, obj: Ready, _format: PyFormat) -> ReadyDumper:
        """That of the parameter's type."""
        dumper = type(self)(self.cls)
        dumper.oid = obj.type_id
        return dumper

    def dump(self, obj: Ready) -> Buffer:
        """Its bytes."""
        return obj.buffer


_BINARY: Final = PyFormat.BINARY
# The types' numbers are the same in every PostgreSQL.
_UUID: Final = 2950
_UUIDS: Final = 2951
_SIXTEEN: Final = struct.pack("!i", 16)


def ready(parameters: Iterable[Any]) -> tuple[Ready, ...]:
    """The parameters, none of them None, as psycopg itself would send them."""
    given = list(parameters)
    transformer = Transformer()
    buffers = transformer.dump_sequence(given, [_BINARY] * len(given))
    types = transformer.types or ()
    return tuple(Ready(buffer, type_id) for buffer, type_id in zip(buffers, types, strict=True) if buffer is not None)


def ready_uuids(ids: Sequence[bytes]) -> Ready:
    """An array of UUIDs from their 16 bytes each, in the form of PostgreSQL's array_recv: one dimension, no NULL."""
    head = struct.pack("!iiIii", 1, 0, _UUID, len(ids), 1)
    return Ready(head + b"".join([_SIXTEEN + one for one in ids]), _UUIDS)


def take_ready(connection: AsyncConnection[Any]) -> None:
    """Lets a connection take such parameters."""
    connection.adapters.register_dumper(Ready, ReadyDumper)
