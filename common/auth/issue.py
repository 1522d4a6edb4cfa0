"""The pair of tokens with which a sign-in and a refresh end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.auth.context import AuthContext, TokenPair
from common.auth.open_sessions import keep_session
from common.auth.refresh_tokens import keep_refresh_token
from common.auth.tokens import new_refresh_token, refresh_token_hash

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.auth.accounts import Account
    from common.rpc.caller import Caller


async def issue_pair(
    connection: AsyncConnection,
    context: AuthContext,
    account: Account,
    session_id: UUID,
    signed_in_at: datetime,
    caller: Caller,
) -> TokenPair:
    """Makes both tokens and keeps the session and the refresh token's hash in the caller's transaction.

    The caller holds the account: a change of what the access token says comes before it, or makes it be refreshed.
    """
    at = context.clock()
    expires_at = at + context.refresh_lifetime
    refresh_token = new_refresh_token()
    await keep_refresh_token(
        connection,
        token_hash=refresh_token_hash(refresh_token),
        session_id=session_id,
        user_id=account.user_id,
        signed_in_at=signed_in_at,
        created_at=at,
        expires_at=expires_at,
    )
    await keep_session(
        connection,
        session_id=session_id,
        user_id=account.user_id,
        signed_in_at=signed_in_at,
        at=at,
        expires_at=expires_at,
        caller=caller,
    )
    access = context.tokens.issue(account, session_id, signed_in_at)
    return TokenPair(session_id, access.text, access.expires_in, refresh_token, expires_at)
