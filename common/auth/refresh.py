"""A new pair of tokens for a refresh token. A spent one that comes again was copied, so its session ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.audit.record import AuditEntry, record
from common.audit.tables import OK, REFUSED
from common.auth.issue import issue_pair
from common.auth.open_sessions import session_is_ended
from common.auth.refresh_tokens import spend_refresh_token, take_refresh_token
from common.auth.sessions import end_session
from common.auth.tokens import refresh_token_hash
from common.errors import AirlockError, SessionEndedError, TokenExpiredError, TokenInvalidError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.auth.context import AuthContext, TokenPair
    from common.auth.refresh_tokens import RefreshToken
    from common.rpc.caller import Caller


async def refresh(context: AuthContext, *, refresh_token: str, caller: Caller) -> TokenPair:
    """Spends the token and gives the session's next pair.

    Raises TokenInvalidError for an unknown token, TokenExpiredError after its time, and SessionEndedError when the
    session is over or is ended by this call. The refusal of a token that is known, or was, is committed to the audit
    trail before it is raised.
    """
    async with context.database.transaction() as transaction:
        outcome = await _refresh(transaction.connection, context, refresh_token, caller)
    if isinstance(outcome, AirlockError):
        raise outcome
    return outcome


async def _refresh(
    connection: AsyncConnection, context: AuthContext, refresh_token: str, caller: Caller
) -> TokenPair | AirlockError:
    token = await take_refresh_token(connection, refresh_token_hash(refresh_token))
    if token is None:
        # Told to the trail as any refused call is: a row for each would let a stranger write as many as he likes.
        return TokenInvalidError("The refresh token is not one of this network's; sign in again.")
    # Held before the endings are read, so that whoever changes the user either comes first or ends what is given here.
    account = await context.directory.hold(connection, token.user_id)
    at = context.clock()
    if await session_is_ended(connection, token.session_id, token.user_id, signed_in_at=token.signed_in_at):
        await record(connection, _entry("auth.refresh_refused", token, caller, "session_ended"))
        return SessionEndedError("This session was ended; sign in again.")
    if token.spent_at is not None:
        await end_session(connection, token.session_id, at=at, reason="refresh_token_reused")
        await record(connection, _entry("auth.session_ended", token, caller, "refresh_token_reused"))
        return SessionEndedError("The refresh token was used before, so its session was ended; sign in again.")
    if token.expires_at <= at:
        await record(connection, _entry("auth.refresh_refused", token, caller, "expired"))
        return TokenExpiredError("The refresh token's time is over; sign in again.")
    if account is None or not account.is_active:
        await record(connection, _entry("auth.refresh_refused", token, caller, "inactive"))
        return SessionEndedError("This session was ended; sign in again.")
    await spend_refresh_token(connection, token.id, at)
    pair = await issue_pair(connection, context, account, token.session_id, token.signed_in_at, caller)
    await record(connection, _entry("auth.refreshed", token, caller, None))
    return pair


def _entry(action: str, token: RefreshToken, caller: Caller, cause: str | None) -> AuditEntry:
    return AuditEntry(
        action,
        user_id=token.user_id,
        resource_type="session",
        resource_id=str(token.session_id),
        address=caller.address,
        user_agent=caller.user_agent,
        metadata={"request_id": caller.request_id} | ({"cause": cause} if cause else {}),
        outcome=REFUSED if cause else OK,
    )
