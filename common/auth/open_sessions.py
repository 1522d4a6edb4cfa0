"""The sessions of users as they can look at them: since when, from where, and whether they are still open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, exists, not_, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from common.audit.record import USER_AGENT_LIMIT
from common.auth.tables import session_endings, sessions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.rpc.caller import Caller


@dataclass(frozen=True, slots=True)
class Session:
    """An open session. Address and agent are those of its last sign-in or refresh."""

    session_id: UUID
    signed_in_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    address: str | None
    user_agent: str | None


async def keep_session(
    connection: AsyncConnection,
    *,
    session_id: UUID,
    user_id: UUID,
    signed_in_at: datetime,
    at: datetime,
    expires_at: datetime,
    caller: Caller,
) -> None:
    """Notes a session as opened or refreshed at `at`."""
    seen = {
        "refreshed_at": at,
        "expires_at": expires_at,
        "address": caller.address,
        "user_agent": caller.user_agent[:USER_AGENT_LIMIT] if caller.user_agent else None,
    }
    statement = insert(sessions).values(id=session_id, user_id=user_id, signed_in_at=signed_in_at, **seen)
    await connection.execute(statement.on_conflict_do_update(index_elements=[sessions.c.id], set_=seen))


async def open_sessions(
    connection: AsyncConnection,
    user_id: UUID,
    *,
    at: datetime,
    before: tuple[datetime, UUID] | None = None,
    limit: int | None = None,
) -> Sequence[Session]:
    """Up to `limit` of the user's open sessions that began before `before` (time and id), the newest first."""
    columns = sessions.c
    shown = (
        columns.id,
        columns.signed_in_at,
        columns.refreshed_at,
        columns.expires_at,
        columns.address,
        columns.user_agent,
    )
    place = tuple_(columns.signed_in_at, columns.id)
    statement = select(*shown).where(columns.user_id == user_id, _is_open(at)).order_by(place.desc()).limit(limit)
    if before is not None:
        statement = statement.where(place < before)
    rows = await connection.execute(statement)
    return [Session(*row[:4], str(row.address) if row.address else None, row.user_agent) for row in rows]


async def is_open(connection: AsyncConnection, user_id: UUID, session_id: UUID, *, at: datetime) -> bool:
    """Whether the user has that session, and it is open."""
    found = exists().where(sessions.c.id == session_id, sessions.c.user_id == user_id, _is_open(at))
    return bool(await connection.scalar(select(found)))


async def session_is_ended(
    connection: AsyncConnection, session_id: UUID, user_id: UUID, *, signed_in_at: datetime
) -> bool:
    """Whether a session was ended, by itself or with all of its user's."""
    columns = session_endings.c
    own = columns.session_id == session_id
    with_all = and_(columns.user_id == user_id, columns.ended_at >= signed_in_at)
    return bool(await connection.scalar(select(exists().where(columns.ends_session, or_(own, with_all)))))


def _is_open(at: datetime) -> ColumnElement[bool]:
    columns = session_endings.c
    own = columns.session_id == sessions.c.id
    with_all = and_(columns.user_id == sessions.c.user_id, columns.ended_at >= sessions.c.signed_in_at)
    ended = exists().where(columns.ends_session, or_(own, with_all))
    return and_(sessions.c.expires_at > at, not_(ended))
