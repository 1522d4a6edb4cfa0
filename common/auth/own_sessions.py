"""A user's own sessions on this network: looking at them, and ending one or all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.audit.record import caller_entry, record
from common.auth.open_sessions import is_open, open_sessions
from common.auth.sessions import end_session, end_sessions, end_user_sessions
from common.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import Any
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.audit.record import AuditEntry
    from common.auth.context import AuthContext
    from common.auth.open_sessions import Session
    from common.auth.principal import Principal
    from common.rpc.caller import Caller


async def list_sessions(
    context: AuthContext, *, principal: Principal, before: tuple[datetime, UUID] | None, limit: int
) -> tuple[Sequence[Session], bool]:
    """Up to `limit` of the caller's open sessions, the newest first, and whether there are more."""
    async with context.database.transaction() as transaction:
        found = await open_sessions(
            transaction.connection, principal.user_id, at=context.clock(), before=before, limit=limit + 1
        )
    return found[:limit], len(found) > limit


async def end_own_session(context: AuthContext, session_id: UUID, *, principal: Principal, caller: Caller) -> None:
    """Ends one of the caller's open sessions. Raises NotFoundError for another's, and for one that is over."""
    at = context.clock()
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        if not await is_open(connection, principal.user_id, session_id, at=at):
            raise NotFoundError(
                "You have no open session with that id; `GET /api/v1/auth/sessions` lists those that you have.",
                metadata={"resource": "session"},
            )
        await end_session(connection, session_id, at=at, reason="ended by its user")
        await record(connection, _entry("auth.own_session_ended", principal, caller, session_id, {}))
    context.revocations.note_session(session_id, at)


async def end_own_sessions(context: AuthContext, *, keep_current: bool, principal: Principal, caller: Caller) -> int:
    """Ends the caller's open sessions, with `keep_current` all but this one; returns how many."""
    at = context.clock()
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        but = principal.session_id if keep_current else None
        ended = await end_others(connection, principal.user_id, but=but, at=at, reason="ended by its user")
        data = {"keep_current": keep_current, "sessions": len(ended)}
        await record(connection, _entry("auth.own_sessions_ended", principal, caller, None, data))
    for session_id in ended:
        context.revocations.note_session(session_id, at)
    return len(ended)


async def end_others(
    connection: AsyncConnection, user_id: UUID, *, but: UUID | None, at: datetime, reason: str
) -> list[UUID]:
    """Ends every open session of the user that is not `but`; returns them."""
    found = await open_sessions(connection, user_id, at=at)
    ended = [session.session_id for session in found if session.session_id != but]
    if but is None:
        # Also what was opened before sessions were noted.
        await end_user_sessions(connection, user_id, at=at, reason=reason)
    else:
        await end_sessions(connection, ended, at=at, reason=reason)
    return ended


def _entry(
    action: str, principal: Principal, caller: Caller, session_id: UUID | None, data: Mapping[str, Any]
) -> AuditEntry:
    return caller_entry(
        caller,
        action,
        user_id=principal.user_id,
        resource_type="session",
        resource_id=str(session_id) if session_id is not None else None,
        metadata={"username": principal.username, **data},
    )
