"""The marker file that gives a medium its name and says which way it may carry.

Whoever holds a medium can change its marker, so it keeps honest people from mistakes and nobody else from anything.
"""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from airlock.common.v1 import network_pb2

from transfer.bundle.names import network_name
from transfer.errors import MarkerError, MediumMissingError, WrongMediumError
from transfer.spool.durable import write_durably

if TYPE_CHECKING:
    from pathlib import Path, PurePath

    from airlock.common.v1.network_pb2 import Network

MARKER_NAME: Final = "airlock-medium.json"
_FORMAT: Final = 1
_MAX_BYTES: Final = 4096
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Direction(StrEnum):
    """Which way a medium may carry."""

    TO_RESPONSE = "request-to-response"
    TO_REQUEST = "response-to-request"
    BOTH = "both"

    def allows(self, source: Network.ValueType) -> bool:
        """Whether bundles of the network `source` may be on the medium."""
        only = network_pb2.NETWORK_REQUEST if self is Direction.TO_RESPONSE else network_pb2.NETWORK_RESPONSE
        return self is Direction.BOTH or source == only


@dataclass(frozen=True, slots=True)
class Marker:
    """What a marker says."""

    medium_id: UUID
    name: str
    direction: Direction
    made_at: str

    def require(self, source: Network.ValueType, bundle: PurePath) -> None:
        """Raises WrongMediumError unless a bundle of `source` may be on the medium."""
        if not self.direction.allows(source):
            msg = f"The medium {self.name} carries {self.direction}, and {bundle} is from {network_name(source)}."
            raise WrongMediumError(msg)


def make_marker(medium: Path, name: str, direction: Direction, medium_id: UUID | None = None) -> Marker:
    """Writes a medium's marker, in place of one that is there; a new id unless one is given.

    Raises MarkerError for a name that is none, MediumMissingError or SpoolError.
    """
    if not is_medium_name(name):
        msg = f"{name!r} is not a name for a medium: 1 to 64 letters, digits, dots, hyphens and underscores."
        raise MarkerError(msg, next_step="Choose such a name and write it on the medium too.")
    if not medium.is_dir():
        msg = f"{medium} is not a folder."
        raise MediumMissingError(msg)
    marker = Marker(medium_id or uuid4(), name, direction, datetime.now(UTC).isoformat(timespec="seconds"))
    content = {
        "format": _FORMAT,
        "id": str(marker.medium_id),
        "name": marker.name,
        "direction": marker.direction.value,
        "made_at": marker.made_at,
    }
    write_durably(medium / MARKER_NAME, json.dumps(content, indent=2).encode() + b"\n")
    return marker


def is_medium_name(name: str) -> bool:
    """Whether a medium may be called so."""
    return _NAME.fullmatch(name) is not None


def read_marker(medium: Path) -> Marker | None:
    """The marker of a medium, None without one. No link is followed. Raises MarkerError for one that is no marker."""
    path = medium / MARKER_NAME
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}."
        raise MarkerError(msg) from error
    with os.fdopen(descriptor, "rb") as file:
        regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        data = file.read(_MAX_BYTES + 1) if regular else b""
    try:
        return _parse(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        msg = f"{path} is not a marker that this version knows."
        raise MarkerError(msg) from None


def _parse(data: bytes) -> Marker:
    if len(data) > _MAX_BYTES:
        raise ValueError
    content = json.loads(data)
    name, made_at = content["name"], content["made_at"]
    if content["format"] != _FORMAT or _NAME.fullmatch(name) is None or not isinstance(made_at, str):
        raise ValueError
    return Marker(UUID(content["id"]), name, Direction(content["direction"]), made_at[:40])
