"""Refresh tokens in the database, by hash: each is good once, and a spent one stays known so that a copy shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import select, update

from common.auth.tables import refresh_tokens

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection


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
