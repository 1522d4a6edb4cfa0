"""What was ended or changed, in memory: a token is checked without the database, and an ending counts in seconds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import select, text

from common.auth.sessions import CHANNEL
from common.auth.tables import session_endings
from common.clock import now
from common.database.watch import Watch
from common.errors import SessionEndedError, TokenExpiredError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.auth.tokens import VerifiedToken
    from common.database.notices import Notices
    from common.database.transaction import Database

MARGIN: Final = timedelta(minutes=10)
"""How far the clocks of one network may be moved without an ending being forgotten too early."""
# What was committed when this is read was written by a transaction below it, and what comes later by none below it.
_UNFINISHED: Final = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")


class Revocations:
    """One process's copy of what was ended within the life of an access token."""

    def __init__(
        self,
        database: Database,
        *,
        token_lifetime: timedelta,
        poll_seconds: float = 2.0,
        notices: Notices | None = None,
        clock: Callable[[], datetime] = now,
        besides: Callable[[AsyncConnection], Awaitable[None]] | None = None,
    ) -> None:
        """`notices` are still to be started; None polls only.

        `besides` is called at every refresh, for what else is to be as fresh as this.
        """
        self._database = database
        self._token_lifetime = token_lifetime
        self._watch = Watch("revocations", self.refresh, channel=CHANNEL, poll_seconds=poll_seconds, notices=notices)
        self._clock = clock
        self._sessions: dict[UUID, datetime] = {}
        self._users: dict[UUID, datetime] = {}
        self._changed: dict[UUID, datetime] = {}
        self._besides = besides
        self._seen_below: int | None = None

    async def start(self) -> None:
        """Loads the table once, failing if the database cannot be read, and then keeps it fresh."""
        await self._watch.start()

    async def close(self) -> None:
        """Stops refreshing."""
        await self._watch.close()

    def check(self, token: VerifiedToken) -> None:
        """Raises SessionEndedError if the token's session is known to be over, TokenExpiredError if it is outdated."""
        principal = token.principal
        ended_at = self._users.get(principal.user_id)
        if principal.session_id in self._sessions or (ended_at is not None and token.signed_in_at <= ended_at):
            raise SessionEndedError("This session was ended; sign in again.")
        changed_at = self._changed.get(principal.user_id)
        if changed_at is not None and token.issued_at <= changed_at:
            raise TokenExpiredError("Your account was changed since this access token was given; refresh it.")

    def note_session(self, session_id: UUID, at: datetime) -> None:
        """Counts a session as ended here at once, after its ending was committed by this process."""
        self._sessions[session_id] = at

    async def refresh(self) -> None:
        """Reads what was ended since the last time, and forgets what no living token can name any more."""
        columns = session_endings.c
        horizon = self._clock() - self._token_lifetime - MARGIN
        query = select(columns.session_id, columns.user_id, columns.ended_at, columns.ends_session)
        query = query.where(columns.ended_at > horizon)
        if self._seen_below is not None:
            query = query.where(columns.recorded_by >= self._seen_below)
        async with self._database.engine.connect() as connection:
            unfinished = await connection.scalar(_UNFINISHED)
            rows = (await connection.execute(query)).all()
            if self._besides is not None:
                await self._besides(connection)
        self._sessions, self._users, self._changed = (
            {key: at for key, at in known.items() if at > horizon}
            for known in (self._sessions, self._users, self._changed)
        )
        for session_id, user_id, ended_at, ends_session in rows:
            if session_id is not None:
                self._sessions[session_id] = ended_at
            else:
                users = self._users if ends_session else self._changed
                users[user_id] = max(ended_at, users.get(user_id, ended_at))
        self._seen_below = unfinished
