"""Sessions in the database: refresh tokens by hash, and sessions that were ended before their tokens ran out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from sqlalchemy import ARRAY, Uuid, delete, exists, func, literal, or_, select, update

from common.auth.tables import refresh_tokens, session_endings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

CHANNEL: Final = "airlock_sessions"
"""The NOTIFY channel that tells every process to look at what was ended."""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token's row."""

    id: UUID
    session_id: UUID
    user_id: UUID
    signed_in_at: datetime
    expires_at: datetime
    spent_at: datetime | None


async def keep_refresh_token(
    connection: AsyncConnection,
    *,
    token_hash: bytes,
    session_id: UUID,
    user_id: UUID,
    signed_in_at: datetime,
    created_at: datetime,
    expires_at: datetime,
) -> None:
    """Adds a session's next refresh token."""
    await connection.execute(
        refresh_tokens.insert().values(
            id=uuid4(),
            session_id=session_id,
            user_id=user_id,
            token_hash=token_hash,
            signed_in_at=signed_in_at,
            created_at=created_at,
            expires_at=expires_at,
        )
    )


async def take_refresh_token(connection: AsyncConnection, token_hash: bytes) -> RefreshToken | None:
    """The token of that hash, spent or not, locked until the transaction ends: of two who present it, one waits."""
    columns = refresh_tokens.c
    row = (
        await connection.execute(
            select(
                columns.id,
                columns.session_id,
                columns.user_id,
                columns.signed_in_at,
                columns.expires_at,
                columns.spent_at,
            )
            .where(columns.token_hash == token_hash)
            .with_for_update()
        )
    ).one_or_none()
    return RefreshToken(*row) if row is not None else None


async def spend_refresh_token(connection: AsyncConnection, token_id: UUID, at: datetime) -> None:
    """Marks the token as used; presenting it again ends its session."""
    await connection.execute(update(refresh_tokens).where(refresh_tokens.c.id == token_id).values(spent_at=at))


async def end_session(connection: AsyncConnection, session_id: UUID, *, at: datetime, reason: str) -> None:
    """Ends one session, in every process within seconds of the commit. Twice is harmless."""
    await connection.execute(session_endings.insert().values(session_id=session_id, ended_at=at, reason=reason))
    await _announce(connection)


async def end_user_sessions(connection: AsyncConnection, user_id: UUID, *, at: datetime, reason: str) -> None:
    """Ends every session that the user began up to `at`: for deactivation and a new password."""
    await connection.execute(session_endings.insert().values(user_id=user_id, ended_at=at, reason=reason))
    await _announce(connection)


async def end_sessions_of_users(
    connection: AsyncConnection, user_ids: Sequence[UUID], *, at: datetime, reason: str
) -> None:
    """As `end_user_sessions`, for as many users as one likes in one statement."""
    if user_ids:
        columns = [literal(at, session_endings.c.ended_at.type), literal(reason, session_endings.c.reason.type)]
        each = select(func.unnest(literal(list(user_ids), ARRAY(Uuid))), *columns)
        await connection.execute(session_endings.insert().from_select(["user_id", "ended_at", "reason"], each))
        await _announce(connection)


async def session_is_ended(connection: AsyncConnection, token: RefreshToken) -> bool:
    """Whether the token's session was ended, by itself or with all of its user's."""
    columns = session_endings.c
    ended = exists().where(
        or_(
            columns.session_id == token.session_id,
            (columns.user_id == token.user_id) & (columns.ended_at >= token.signed_in_at),
        )
    )
    return bool(await connection.scalar(select(ended)))


async def forget_sessions(connection: AsyncConnection, before: datetime) -> int:
    """Deletes refresh tokens that ran out, and endings, before that time; returns how many rows went.

    `before` lies at least one refresh token's lifetime back, so that no living token loses its ending.
    """
    tokens = await connection.execute(delete(refresh_tokens).where(refresh_tokens.c.expires_at < before))
    endings = await connection.execute(delete(session_endings).where(session_endings.c.ended_at < before))
    return tokens.rowcount + endings.rowcount


async def _announce(connection: AsyncConnection) -> None:
    await connection.execute(select(func.pg_notify(CHANNEL, "")))
