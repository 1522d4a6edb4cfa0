"""Pages of lists after AIP-158: an opaque token says where the next page begins, and for which question.

A token is bound to the list and to every filter by a digest of the request itself, so that it cannot continue another
list. It is not secret and gives no right: each page is read with the caller's own permissions.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

import orjson

from common.errors import PageTokenInvalidError

if TYPE_CHECKING:
    from google.protobuf.message import Message

DEFAULT_SIZE: Final = 50
MOST: Final = 200
_TOKEN_LIMIT: Final = 1024
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def page_size(request: Any, *, default: int = DEFAULT_SIZE, most: int = MOST) -> int:  # noqa: ANN401 - any list request.
    """The page size that the request asks for: `default` for 0, never more than `most`."""
    return min(int(request.page_size) or default, most)


def next_token(request: Message, *position: str | int) -> str:
    """The token with which the page after `position`, the last row's sort key, begins."""
    return base64.urlsafe_b64encode(orjson.dumps([_question(request), *position])).decode().rstrip("=")


def position_of(request: Any, *types: type) -> tuple[Any, ...] | None:  # noqa: ANN401 - any list request.
    """The position in the request's token, of these types; None on the first page. Raises PageTokenInvalidError."""
    token: str = request.page_token
    if not token:
        return None
    try:
        if len(token) > _TOKEN_LIMIT:
            raise _invalid()
        content = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError):
        raise _invalid() from None
    if not isinstance(content, list) or len(content) != len(types) + 1 or content[0] != _question(request):
        raise _invalid()
    position = tuple(content[1:])
    if not all(type(value) is wanted and _fits(value) for value, wanted in zip(position, types, strict=True)):
        raise _invalid()
    return position


def _fits(value: object) -> bool:
    """Whether the database can compare with it: its numbers have 64 bits, and its texts no zero character."""
    return "\0" not in value if isinstance(value, str) else isinstance(value, int) and -(2**63) <= value < 2**63


def time_token(request: Message, at: datetime, row_id: UUID) -> str:
    """The token for lists that are ordered by time and id."""
    return next_token(request, (at - _EPOCH) // timedelta(microseconds=1), str(row_id))


def time_position(request: Any) -> tuple[datetime, UUID] | None:  # noqa: ANN401 - any list request.
    """The time and the id after which the page begins; None on the first page. Raises PageTokenInvalidError."""
    position = position_of(request, int, str)
    if position is None:
        return None
    try:
        return _EPOCH + timedelta(microseconds=cast("int", position[0])), UUID(position[1])
    except (ValueError, OverflowError):
        raise _invalid() from None


def _question(request: Message) -> str:
    asked = type(request)()
    asked.CopyFrom(request)
    asked.ClearField("page_token")
    asked.ClearField("page_size")
    content = request.DESCRIPTOR.full_name.encode() + b"\0" + asked.SerializeToString(deterministic=True)
    return hashlib.sha256(content).hexdigest()[:16]


def _invalid() -> PageTokenInvalidError:
    return PageTokenInvalidError("The page token does not belong to this list and these filters; begin without one.")
