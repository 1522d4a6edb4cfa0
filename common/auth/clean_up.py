"""Forgetting what sign-in needs no more: sessions that ran out, endings that nothing can name, counts that are over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.auth.attempts import forget_attempts
from common.auth.sessions import forget_sessions

if TYPE_CHECKING:
    from common.auth.context import AuthContext


async def forget_sign_ins(context: AuthContext) -> dict[str, int]:
    """Deletes the rows and returns how many of each sort. May run twice and die anywhere."""
    at = context.clock()
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        return {
            "sessions": await forget_sessions(connection, at=at, token_lifetime=context.tokens.lifetime),
            "sign_in_attempts": await forget_attempts(connection, at),
        }
