"""The ended sessions in memory, so that a token is checked without the database and an ending counts within seconds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from common.auth.sessions import CHANNEL
from common.auth.tables import session_endings
from common.clock import now
from common.database.watch import Watch
from common.errors import SessionEndedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from common.auth.tokens import VerifiedToken
    from common.database.transaction import Database

OVERLAP: Final = timedelta(minutes=10)
"""A row is stamped before its transaction commits; each poll looks this far back again for late ones."""


class Revocations:
    """One process's copy of what was ended within the life of an access token."""

    def __init__(
        self,
        database: Database,
        *,
        token_lifetime: timedelta,
        poll_seconds: float = 2.0,
        listen_url: str | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """`listen_url` is a libpq URL of a server that keeps sessions; None polls only."""
        self._database = database
        self._token_lifetime = token_lifetime
        self._watch = Watch(
            "revocations", self.refresh, channel=CHANNEL, poll_seconds=poll_seconds, listen_url=listen_url
        )
        self._clock = clock
        self._sessions: dict[UUID, datetime] = {}
        self._users: dict[UUID, datetime] = {}
        self._seen_up_to: datetime | None = None

    async def start(self) -> None:
        """Loads the table once, failing if the database cannot be read, and then keeps it fresh."""
        await self._watch.start()

    async def close(self) -> None:
        """Stops refreshing."""
        await self._watch.close()

    def check(self, token: VerifiedToken) -> None:
        """Raises SessionEndedError if the token's session is known to be over."""
        principal = token.principal
        ended_at = self._users.get(principal.user_id)
        if principal.session_id in self._sessions or (ended_at is not None and token.signed_in_at <= ended_at):
            raise SessionEndedError("This session was ended; sign in again.")

    def note_session(self, session_id: UUID, at: datetime) -> None:
        """Counts a session as ended here at once, after its ending was committed by this process."""
        self._sessions[session_id] = at

    async def refresh(self) -> None:
        """Reads what was ended since the last time, and forgets what no living token can name any more."""
        columns = session_endings.c
        horizon = self._clock() - self._token_lifetime - OVERLAP
        query = select(columns.session_id, columns.user_id, columns.ended_at).where(columns.ended_at > horizon)
        if self._seen_up_to is not None:
            query = query.where(columns.recorded_at > self._seen_up_to - OVERLAP)
        async with self._database.engine.connect() as connection:
            database_time = await connection.scalar(select(func.clock_timestamp()))
            rows = (await connection.execute(query)).all()
        self._sessions = {key: at for key, at in self._sessions.items() if at > horizon}
        self._users = {key: at for key, at in self._users.items() if at > horizon}
        for session_id, user_id, ended_at in rows:
            if session_id is not None:
                self._sessions[session_id] = ended_at
            else:
                self._users[user_id] = max(ended_at, self._users.get(user_id, ended_at))
        self._seen_up_to = database_time
