"""The endings of sessions: written here, and carried to every process by a table that all of them watch."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import ARRAY, Uuid, delete, exists, func, literal, or_, select

from common.auth.tables import refresh_tokens, session_endings, sessions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

CHANNEL: Final = "airlock_sessions"
"""The NOTIFY channel that tells every process to look at what was ended."""
MARGIN: Final = timedelta(days=1)
"""For clocks that were moved."""


async def end_session(connection: AsyncConnection, session_id: UUID, *, at: datetime, reason: str) -> None:
    """Ends one session, in every process within seconds of the commit. Twice is harmless."""
    await end_sessions(connection, [session_id], at=at, reason=reason)


async def end_sessions(connection: AsyncConnection, session_ids: Sequence[UUID], *, at: datetime, reason: str) -> None:
    """Ends these sessions, each on its own."""
    await _note(connection, "session_id", session_ids, at=at, reason=reason)


async def end_user_sessions(connection: AsyncConnection, user_id: UUID, *, at: datetime, reason: str) -> None:
    """Ends every session that the user began up to `at`: for deactivation and a new password.

    `at` is to be taken once the user's row is locked, as it is by whoever opens a session.
    """
    await end_sessions_of_users(connection, [user_id], at=at, reason=reason)


async def end_sessions_of_users(
    connection: AsyncConnection, user_ids: Sequence[UUID], *, at: datetime, reason: str
) -> None:
    """As `end_user_sessions`, for as many users as one likes in one statement."""
    await _note(connection, "user_id", user_ids, at=at, reason=reason)


async def note_changed_claims(connection: AsyncConnection, user_ids: Sequence[UUID], *, at: datetime) -> None:
    """Makes these users' programs refresh: access tokens given up to `at` are out of date. Their sessions go on.

    For a change of what a token says (name, profile type, priority), as many users as one likes in one statement. As
    with an ending, `at` is to be taken once the users' rows are locked.
    """
    await _note(connection, "user_id", user_ids, at=at, reason="claims changed", ends_session=False)


async def forget_sessions(connection: AsyncConnection, *, at: datetime, token_lifetime: timedelta) -> int:
    """Deletes sessions and refresh tokens that ran out, and endings that no living token can name; returns how many.

    `token_lifetime` is that of access tokens, of which the database knows nothing.
    """
    forgotten = 0
    for ends_at in (refresh_tokens.c.expires_at, sessions.c.expires_at):
        forgotten += (await connection.execute(delete(ends_at.table).where(ends_at <= at))).rowcount
    endings, living = session_endings.c, refresh_tokens.c
    named = exists().where(or_(living.session_id == endings.session_id, living.user_id == endings.user_id))
    old = delete(session_endings).where(endings.ended_at <= at - token_lifetime - MARGIN, ~named)
    return forgotten + (await connection.execute(old)).rowcount


async def _note(
    connection: AsyncConnection,
    subject: str,
    ids: Sequence[UUID],
    *,
    at: datetime,
    reason: str,
    ends_session: bool = True,
) -> None:
    if not ids:
        return
    values = {"ended_at": at, "reason": reason, "ends_session": ends_session}
    columns = [literal(value, session_endings.c[name].type) for name, value in values.items()]
    each = select(func.unnest(literal(list(ids), ARRAY(Uuid))), *columns)
    await connection.execute(session_endings.insert().from_select([subject, *values], each))
    await connection.execute(select(func.pg_notify(CHANNEL, "")))
