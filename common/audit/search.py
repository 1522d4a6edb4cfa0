"""Finding rows of the audit trail, and showing them so that no text in them moves a terminal or a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import cast, func, literal, select
from sqlalchemy.dialects.postgresql import INET

from common.audit.tables import audit_logs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from ipaddress import IPv4Network, IPv6Network
    from uuid import UUID

    from sqlalchemy import Row, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

_INVISIBLE_BUT_NEEDED: Final = "\u200c\u200d"
"""Joiners, which Persian and others are written with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which rows; what is absent or empty filters nothing."""

    user_id: UUID | None = None
    action_prefix: str = ""
    resource_type: str = ""
    resource_id: str = ""
    outcome: str = ""
    address: IPv4Network | IPv6Network | None = None
    after: datetime | None = None
    before: datetime | None = None


async def list_audit_entries(
    connection: AsyncConnection, wanted: AuditFilter, *, limit: int, before_id: int | None
) -> Sequence[Row[Any]]:
    """The newest rows first, beginning below `before_id`."""
    columns = audit_logs.c
    statement: Select[Any] = select(*columns, func.abbrev(columns.ip_address).label("address"))
    if before_id is not None:
        statement = statement.where(columns.id < before_id)
    if wanted.action_prefix:
        statement = statement.where(columns.action.startswith(wanted.action_prefix, autoescape=True))
    for name in ("user_id", "resource_type", "resource_id", "outcome"):
        if value := getattr(wanted, name):
            statement = statement.where(columns[name] == value)
    if wanted.address is not None:
        network = cast(literal(str(wanted.address)), INET)
        statement = statement.where(columns.ip_address.op("<<=")(network))
    if wanted.after is not None:
        statement = statement.where(columns.created_at >= wanted.after)
    if wanted.before is not None:
        statement = statement.where(columns.created_at < wanted.before)
    rows: Sequence[Row[Any]] = (await connection.execute(statement.order_by(columns.id.desc()).limit(limit))).all()
    return rows


def visible(text: str) -> str:
    r"""The text with everything that is not printable written out, such as `\u001b`."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in _INVISIBLE_BUT_NEEDED else f"\\u{ord(character):04x}"
        for character in text
    )


def visible_json(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold.
    """The same for every text and key within a JSON value."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible(key): visible_json(inner) for key, inner in value.items()}
    return [visible_json(inner) for inner in value] if isinstance(value, list) else value
