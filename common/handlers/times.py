"""Times as protos carry them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

if TYPE_CHECKING:
    from datetime import datetime


def timestamp(at: datetime | None) -> Timestamp | None:
    """The Timestamp of an aware time; None leaves a field unset."""
    if at is None:
        return None
    result = Timestamp()
    result.FromDatetime(at)
    return result
