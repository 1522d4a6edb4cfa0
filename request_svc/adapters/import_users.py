"""The users of a users bundle: the master's rows are taken over, ids included. Nothing else here makes a user."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from common.auth.sessions import end_sessions_of_users, note_changed_claims
from common.database.exclusive import wait_for_lock
from common.database.ready import ready, ready_uuids
from common.policy.records import inherited_names
from request_svc.adapters.replica_sink import ReplicaSink
from request_svc.adapters.tables import ROLES
from request_svc.adapters.user_store import USERS_CHANGE
from transfer.bundle.replication import row_digest
from transfer.bundle.versions import POLICY_MINOR
from transfer.errors import MalformedRecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from airlock.bundle.v1.replication_pb2 import User
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.ports import IncomingBatch, RecordSink, SinkFactory
    from common.database.transaction import Transaction

MAX_NUMBER: Final = 2**31 - 1
ID_BYTES: Final = 16
GATHERED: Final = 16_384
"""Users that are stored together, as long as there are more: some MiB of memory."""
PIECE: Final = 2048
"""Rows of one statement."""

# Whatever is the same in the message and in the row, in the order of the function's parameters.
_BEFORE: Final = (
    "username",
    "email",
    "hashed_password",
    "full_name",
    "role",
    "profile_type",
    "rate_limit_per_minute",
    "rate_limit_per_hour",
    "rate_limit_per_day",
    "priority",
    "is_active",
    "revision",
)
_TYPES: Final = (
    *("uuid", "text", "text", "text", "text", "text", "text"),
    *("int4", "int4", "int4", "int4", "bool", "int8", "text", "int4", "bytea"),
)
_STORE: Final = (
    "SELECT * FROM airlock_store_users(%b, %b, " + ", ".join(f"%b::{kind}[]" for kind in _TYPES) + ")"  # noqa: S608 - constants
)
_RETIRE_MISSING: Final = text("SELECT * FROM airlock_retire_users(:batch)")
_DISPLACE: Final = text("SELECT * FROM airlock_displace_users(:batch)")
_COMPARE_NAMES: Final = text("SET CONSTRAINTS uq_users_username, uq_users_email IMMEDIATE")
_MEASURE: Final = text(
    "SELECT count(*), sha256(coalesce(string_agg(row_digest, ''::bytea ORDER BY id), ''::bytea))"
    " FROM users WHERE missing_since IS NULL"
)


class UserRows:
    """`ReplicaRows` for one bundle of users."""

    contents = frozenset({"user"})
    measure = _MEASURE

    def __init__(self, batch: IncomingBatch, clock: Callable[[], datetime]) -> None:
        self._batch = batch
        self._clock = clock
        self._waiting: dict[bytes, User] = {}
        self._deactivated: list[UUID] = []
        self._changed_credentials: list[UUID] = []
        self._changed_claims: list[UUID] = []
        self.counts = {"imported": 0, "updated": 0, "deactivated": 0}

    async def store(self, connection: AsyncConnection, messages: Mapping[str, Sequence[User]]) -> None:
        """See the port. Some thousands go together: each statement costs a round trip, whatever it holds."""
        for user in messages["user"]:
            # The last of two rows with one id counts; the database takes each id once in a statement.
            self._waiting[user.id] = user
        if len(self._waiting) >= GATHERED:
            await self._store_waiting(connection)

    async def _store_waiting(self, connection: AsyncConnection) -> None:
        """Piece after piece; the next one is made ready while the database has one in hand."""
        users = list(self._waiting.values())
        self._waiting.clear()
        storing: asyncio.Task[None] | None = None
        try:
            for first in range(0, len(users), PIECE):
                parameters = await asyncio.to_thread(self._parameters, users[first : first + PIECE])
                if storing is not None:
                    await storing
                storing = asyncio.create_task(self._store(connection, parameters))
        finally:
            # Nobody else may use the connection before the last piece is done with it.
            if storing is not None:
                await storing

    def _parameters(self, users: Sequence[User]) -> tuple[object, ...]:
        columns: list[list[object]] = [[getattr(user, name) for user in users] for name in _BEFORE]
        for user in users:
            _check(user)
        after_ids = (
            *columns,
            [",".join(inherited_names(user.inherits)) for user in users],
            [user.session_version for user in users],
            [row_digest(user.SerializeToString(deterministic=True)) for user in users],
        )
        before_ids = (self._batch.batch_id, self._batch.schema_minor >= POLICY_MINOR)
        return (*ready(before_ids), ready_uuids([user.id for user in users]), *ready(after_ids))

    async def _store(self, connection: AsyncConnection, parameters: tuple[object, ...]) -> None:
        stored = (await connection.exec_driver_sql(_STORE, parameters)).one()
        self.counts["imported"] += stored.imported
        self.counts["updated"] += stored.updated
        self._deactivated += stored.deactivated
        self._changed_credentials += stored.changed_credentials
        self._changed_claims += stored.changed_claims

    async def finish(self, transaction: Transaction, *, snapshot: bool) -> None:
        """See the port. Names are compared only now: within a bundle two users may exchange theirs."""
        connection, batch = transaction.connection, {"batch": self._batch.batch_id}
        if self._waiting:
            await self._store_waiting(connection)
        missing = (await connection.execute(_RETIRE_MISSING, batch)).scalars().all() if snapshot else []
        displaced = (await connection.execute(_DISPLACE, batch)).scalars().all()
        try:
            await connection.execute(_COMPARE_NAMES)
        except IntegrityError:
            raise MalformedRecordError("Two users of the bundle have one name or one e-mail address.") from None
        self._deactivated += chain(missing, displaced)
        self.counts["deactivated"] += len(self._deactivated)
        await self._tell_sessions(connection)

    async def _tell_sessions(self, connection: AsyncConnection) -> None:
        """Ends the sessions of those who may not have them any more, in every process within seconds of the commit.

        Whoever opens a session just now is waited for, and is ended with the others; whoever comes later waits for the
        commit, and is judged by what is here now.
        """
        if not (self._deactivated or self._changed_credentials or self._changed_claims):
            return
        await wait_for_lock(connection, USERS_CHANGE)
        at = self._clock()
        await end_sessions_of_users(connection, self._deactivated, at=at, reason="deactivated")
        gone = set(self._deactivated)
        ended = [user_id for user_id in self._changed_credentials if user_id not in gone]
        await end_sessions_of_users(connection, ended, at=at, reason="credentials_changed")
        gone.update(ended)
        changed = [user_id for user_id in self._changed_claims if user_id not in gone]
        await note_changed_claims(connection, changed, at=at)


def users_sinks(clock: Callable[[], datetime]) -> SinkFactory:
    """Makes the sink for each bundle of users."""
    return partial(_users_sink, clock=clock)


def _users_sink(batch: IncomingBatch, clock: Callable[[], datetime]) -> RecordSink:
    return ReplicaSink(batch, UserRows(batch, clock))


def _check(user: User) -> None:
    if user.role not in ROLES:
        raise MalformedRecordError(
            f"A user has the role {user.role!r}, which is unknown here.",
            next_step="Upgrade Airlock on this network, then release the file from quarantine.",
        )
    numbers = (user.rate_limit_per_minute, user.rate_limit_per_hour, user.rate_limit_per_day, user.session_version)
    if max(numbers) > MAX_NUMBER or len(user.id) != ID_BYTES or not 1 <= user.priority <= 10:
        raise MalformedRecordError("A user has an id, a priority or a limit out of range.")
