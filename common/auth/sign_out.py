"""Signing out: the caller's session ends, with every token that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.audit.record import caller_entry, record
from common.auth.sessions import end_session

if TYPE_CHECKING:
    from common.auth.context import AuthContext
    from common.auth.principal import Principal
    from common.rpc.caller import Caller


async def sign_out(context: AuthContext, *, principal: Principal, caller: Caller) -> None:
    """Ends the session of the presented token: here at once, in the other processes within seconds."""
    at = context.clock()
    async with context.database.transaction() as transaction:
        await end_session(transaction.connection, principal.session_id, at=at, reason="signed_out")
        await record(
            transaction.connection,
            caller_entry(
                caller,
                "auth.signed_out",
                user_id=principal.user_id,
                resource_type="session",
                resource_id=str(principal.session_id),
                metadata={"username": principal.username},
            ),
        )
    context.revocations.note_session(principal.session_id, at)
