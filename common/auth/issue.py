"""The pair of tokens with which a sign-in and a refresh end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.auth.context import AuthContext, TokenPair
from common.auth.sessions import keep_refresh_token
from common.auth.tokens import new_refresh_token, refresh_token_hash

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.auth.accounts import Account


async def issue_pair(
    connection: AsyncConnection, context: AuthContext, account: Account, session_id: UUID, signed_in_at: datetime
) -> TokenPair:
    """Makes both tokens and keeps the refresh token's hash in the caller's transaction."""
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
    access = context.tokens.issue(account, session_id, signed_in_at)
    return TokenPair(session_id, access.text, access.expires_in, refresh_token, expires_at)
