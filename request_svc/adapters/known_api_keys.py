"""Who calls with which API key, kept in memory: a known key costs no query, and a change counts within seconds."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from common.auth.api_keys import CallerKey, api_key_hash
from common.auth.principal import Principal
from common.auth.scopes import permissions_within
from common.clock import now
from common.database.watch import Watch
from common.errors import SessionEndedError, TokenExpiredError
from request_svc.adapters.api_key_store import CHANNEL, SHOWN, api_key_of
from request_svc.adapters.api_key_uses import WRITE_SECONDS, ApiKeyUses
from request_svc.adapters.tables import api_keys, replica_states, users
from request_svc.adapters.unknown_api_keys import UnknownApiKeys, unknown_key
from request_svc.adapters.user_store import limits_of
from request_svc.domain.api_key import ApiKeyState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.database.notices import Notices
    from common.database.transaction import Database
    from request_svc.domain.api_key import ApiKey

USERS: Final = "users"
"""The kind of bundle that changes users."""
REMEMBERED: Final = 4096
"""Keys of one process; one or two kilobytes each. Of more, those that were used last are kept."""
OVERLAP: Final = timedelta(minutes=10)
"""A row is stamped before its transaction commits; each poll looks this far back again for late ones."""

_KNOWN: Final = select(
    *SHOWN,
    api_keys.c.key_hash,
    users.c.username,
    users.c.role,
    users.c.profile_type,
    users.c.is_active.label("user_is_active"),
    users.c.rate_limit_per_minute,
    users.c.rate_limit_per_hour,
    users.c.rate_limit_per_day,
    users.c.priority,
    users.c.inherits,
).join_from(api_keys, users, api_keys.c.user_id == users.c.id)


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that is there, good or not, with its user as he was when it was read."""

    key: ApiKey
    principal: Principal
    user_is_active: bool


class RememberedApiKeys:
    """`ApiKeyAuthenticator` and `KnownApiKeys`: a bounded memory before the tables `api_keys` and `users`.

    Users change by an import alone, which moves the users' row of `replica_states` in its own transaction.
    """

    def __init__(
        self,
        database: Database,
        *,
        poll_seconds: float = 2.0,
        notices: Notices | None = None,
        write_seconds: float = WRITE_SECONDS,
        unknown: UnknownApiKeys | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """`notices` are still to be started; None polls only. `unknown` is the bound."""
        self._database = database
        self._clock = clock
        self._watch = Watch("api-keys", self.refresh, channel=CHANNEL, poll_seconds=poll_seconds, notices=notices)
        self._uses = ApiKeyUses(database, write_seconds=write_seconds)
        self._unknown = unknown or UnknownApiKeys(clock)
        self._known: OrderedDict[bytes, KnownKey] = OrderedDict()
        self._looking_up: dict[bytes, asyncio.Task[KnownKey]] = {}
        # Counts what made memories doubtful. A look-up that began before is not kept.
        self._generation = 0
        self._seen_up_to: datetime | None = None
        self._seen_changes: frozenset[tuple[UUID, datetime]] = frozenset()
        self._seen_users: UUID | None = None

    async def start(self) -> None:
        """See the port."""
        await self._watch.start()
        self._uses.start()

    async def close(self) -> None:
        """See the port."""
        await self._watch.close()
        await self._uses.close()

    async def authenticate(self, text: str, address: str | None) -> Principal:
        """See the port."""
        key_hash = api_key_hash(text)
        known = self._known.get(key_hash)
        if known is None:
            known = await self._look_up(key_hash)
        else:
            self._known.move_to_end(key_hash)
        at = self._clock()
        _check(known, at)
        self._uses.note(known.key.key_id, at, address)
        return known.principal

    def forget(self, key_ids: Iterable[UUID]) -> None:
        """See the port."""
        self._distrust()
        gone = set(key_ids)
        for key_hash in [key_hash for key_hash, known in self._known.items() if known.key.key_id in gone]:
            del self._known[key_hash]

    async def write_uses(self) -> None:
        """Writes the last uses that were noted since the last time."""
        await self._uses.write()

    async def refresh(self) -> None:
        """Reads again what is in memory and may have changed since the last time."""
        columns = api_keys.c
        users_mark = select(replica_states.c.batch_id).where(replica_states.c.kind == USERS).scalar_subquery()
        async with self._database.engine.connect() as connection:
            database_time, users_now = (await connection.execute(select(func.clock_timestamp(), users_mark))).one()
            since = (self._seen_up_to or database_time) - OVERLAP
            query = select(columns.id, columns.changed_at).where(columns.changed_at > since)
            changes = frozenset((row.id, row.changed_at) for row in await connection.execute(query))
            changed = {key_id for key_id, _ in changes - self._seen_changes}
            if changed or users_now != self._seen_users:
                self._distrust()
                everyone = users_now != self._seen_users
                await self._read_again(
                    connection,
                    [known.key.key_id for known in self._known.values() if everyone or known.key.key_id in changed],
                )
        self._seen_up_to, self._seen_changes, self._seen_users = database_time, changes, users_now

    def _distrust(self) -> None:
        """Look-ups under way may have read what was before a change: nobody joins them, and none is remembered."""
        self._generation += 1
        self._looking_up.clear()

    async def _read_again(self, connection: AsyncConnection, key_ids: Sequence[UUID]) -> None:
        if not key_ids:
            return
        rows = await connection.execute(_KNOWN.where(api_keys.c.id.in_(key_ids)))
        fresh = {bytes(row.key_hash): _known_key(row) for row in rows}
        doubtful = set(key_ids)
        for key_hash in [key_hash for key_hash, known in self._known.items() if known.key.key_id in doubtful]:
            if key_hash in fresh:
                self._known[key_hash] = fresh[key_hash]
            else:
                del self._known[key_hash]

    async def _look_up(self, key_hash: bytes) -> KnownKey:
        """However many calls wait for one key, it is looked up once."""
        running = self._looking_up.get(key_hash)
        if running is None:
            self._unknown.begin(key_hash)
            running = asyncio.create_task(self._read(key_hash), name="api-key")
            self._looking_up[key_hash] = running
            running.add_done_callback(lambda task: self._looked_up(key_hash, task))
        return await asyncio.shield(running)

    async def _read(self, key_hash: bytes) -> KnownKey:
        generation = self._generation
        try:
            async with self._database.engine.connect() as connection:
                row = (await connection.execute(_KNOWN.where(api_keys.c.key_hash == key_hash))).one_or_none()
        except BaseException:
            self._unknown.found()
            raise
        if row is None:
            self._unknown.not_found(key_hash)
            raise unknown_key()
        self._unknown.found()
        known = _known_key(row)
        if self._generation == generation:
            self._known[key_hash] = known
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return known

    def _looked_up(self, key_hash: bytes, task: asyncio.Task[KnownKey]) -> None:
        if self._looking_up.get(key_hash) is task:
            del self._looking_up[key_hash]
        if not task.cancelled():
            # Looked at, or asyncio would complain that nobody did when every caller has gone.
            task.exception()


def _known_key(row: Row[*tuple[Any, ...]]) -> KnownKey:
    key = api_key_of(row)
    return KnownKey(
        key=key,
        principal=Principal(
            user_id=key.user_id,
            username=row.username,
            role=row.role,
            session_id=key.key_id,
            permissions=permissions_within(key.scopes, row.role),
            limits=limits_of(row),
            profile_type=row.profile_type,
            key=CallerKey(key.key_id, key.name, key.ends_at),
        ),
        user_is_active=row.user_is_active,
    )


def _check(known: KnownKey, at: datetime) -> None:
    key = known.key
    state = key.state(at)
    if state is ApiKeyState.REVOKED:
        raise SessionEndedError(f"The API key {key.prefix}… was revoked; make a new one.")
    if state is ApiKeyState.EXPIRED and key.rotated_to is not None:
        raise TokenExpiredError(f"The API key {key.prefix}… was rotated and its overlap is over; use its successor.")
    if state is ApiKeyState.EXPIRED:
        raise TokenExpiredError(
            f"The time of the API key {key.prefix}… is over; sign in and make a new one, and rotate it before its end."
        )
    if not known.user_is_active:
        raise SessionEndedError(f"The user of the API key {key.prefix}… is inactive; ask an administrator.")
