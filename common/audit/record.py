"""Writes one audit row in the transaction of the change that it tells of, so that neither exists without the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from common.audit.tables import audit_logs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

USER_AGENT_LIMIT = 512
"""Characters of a user agent that are kept."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action of one person or job. `request_data` and `metadata` must hold no secret; they are kept for a year."""

    action: str
    user_id: UUID | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    address: str | None = None
    user_agent: str | None = None
    request_data: Mapping[str, Any] | None = None
    response_status: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


async def record(connection: AsyncConnection, entry: AuditEntry) -> None:
    """Adds `entry` to the trail; it stands once the caller's transaction commits."""
    await connection.execute(audit_logs.insert().values(audit_row(entry)))


def audit_row(entry: AuditEntry) -> dict[str, Any]:
    """The row of `entry`, for callers that write many in one statement. An address that is none is left out."""
    return {
        "user_id": entry.user_id,
        "action": entry.action,
        "resource_type": entry.resource_type,
        "resource_id": entry.resource_id,
        "ip_address": _valid_address(entry.address),
        "user_agent": entry.user_agent[:USER_AGENT_LIMIT] if entry.user_agent else None,
        "request_data": dict(entry.request_data) if entry.request_data is not None else None,
        "response_status": entry.response_status,
        "metadata": dict(entry.metadata) or None,
    }


def _valid_address(address: str | None) -> str | None:
    try:
        return str(ip_address(address)) if address else None
    except ValueError:
        return None
