"""Writes one audit row in the transaction of the change that it tells of, so that neither exists without the other."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from common.audit.tables import OK, audit_logs
from common.rpc.caller import current_caller

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.rpc.caller import Caller

USER_AGENT_LIMIT = 512
"""Characters of a user agent that are kept."""
RESOURCE_LIMIT = 100


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
    outcome: str = OK


def own_entry(
    action: str,
    *,
    resource_type: str,
    resource_id: str,
    metadata: Mapping[str, Any],
    outcome: str = OK,
) -> AuditEntry:
    """An entry of work that this process does: for whoever called for it, or by itself under host and process id."""
    caller = current_caller()
    return AuditEntry(
        action,
        user_id=caller.principal.user_id if caller.principal is not None else None,
        resource_type=resource_type,
        resource_id=resource_id,
        address=caller.address,
        user_agent=caller.user_agent or f"{socket.gethostname()}:{os.getpid()}",
        metadata=metadata,
        outcome=outcome,
    )


def caller_entry(
    caller: Caller,
    action: str,
    *,
    resource_type: str,
    resource_id: str | None = None,
    user_id: UUID | None = None,
    request_data: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    outcome: str = OK,
) -> AuditEntry:
    """An entry of what `caller` asked for. `user_id` is who he turned out to be, where he had not signed in yet."""
    return AuditEntry(
        action,
        user_id=user_id or (caller.principal.user_id if caller.principal is not None else None),
        resource_type=resource_type,
        resource_id=resource_id,
        address=caller.address,
        user_agent=caller.user_agent,
        request_data=request_data,
        metadata={"request_id": caller.request_id, **(metadata or {})},
        outcome=outcome,
    )


async def record(connection: AsyncConnection, entry: AuditEntry) -> None:
    """Adds `entry` to the trail; it stands once the caller's transaction commits."""
    await connection.execute(audit_logs.insert().values(audit_row(entry)))


def audit_row(entry: AuditEntry) -> dict[str, Any]:
    """The row of `entry`, for callers that write many in one statement. An address that is none is left out."""
    return {
        "user_id": entry.user_id,
        "action": entry.action,
        "resource_type": entry.resource_type,
        "resource_id": _storable(entry.resource_id)[:RESOURCE_LIMIT] if entry.resource_id is not None else None,
        "ip_address": _valid_address(entry.address),
        "user_agent": _storable(entry.user_agent)[:USER_AGENT_LIMIT] if entry.user_agent else None,
        "request_data": _storable_json(entry.request_data),
        "response_status": entry.response_status,
        "metadata": _storable_json(entry.metadata) or None,
        "outcome": entry.outcome,
    }


def _valid_address(address: str | None) -> str | None:
    try:
        return str(ip_address(address)) if address else None
    except ValueError:
        return None


def _storable(text: str) -> str:
    """The text without what PostgreSQL cannot keep: no row, and so no change, is lost for a character in a name."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _storable_json(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold.
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, Mapping):
        return {_storable(str(key)): _storable_json(inner) for key, inner in value.items()}
    return [_storable_json(inner) for inner in value] if isinstance(value, list | tuple) else value
