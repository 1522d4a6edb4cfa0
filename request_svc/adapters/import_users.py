"""Where bundles of users go: the replica takes over the master's rows, ids included. Nothing else here makes a user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from airlock.bundle.v1.record_pb2 import Record
from sqlalchemy.exc import IntegrityError

from common.auth.sessions import end_user_sessions
from common.batches.snapshots import ask_for_snapshot, snapshot_came
from request_svc.adapters import user_replica
from request_svc.adapters.tables import ROLES
from request_svc.domain.replica import is_newer
from transfer.bundle.replication import row_digest
from transfer.errors import MalformedRecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from airlock.bundle.v1.frame_pb2 import ResultChunk
    from airlock.bundle.v1.replication_pb2 import TableState, User

    from common.batches.ports import IncomingBatch
    from common.database.transaction import Transaction

log = structlog.get_logger("request_svc.import_users")

MAX_LIMIT = 2**31 - 1


class UserSink:
    """`RecordSink` for one bundle of users. The first record says what the bundle holds; an older bundle is ignored."""

    def __init__(self, batch: IncomingBatch, clock: Callable[[], datetime]) -> None:
        self._batch = batch
        self._clock = clock
        self._state: TableState | None = None
        self._ignored = False
        self._counts = {"imported": 0, "updated": 0, "deactivated": 0, "ignored": 0}

    async def apply(self, transaction: Transaction, pieces: Sequence[Record | ResultChunk]) -> None:
        """See the port."""
        rows: dict[bytes, dict[str, Any]] = {}
        for piece in pieces:
            if not isinstance(piece, Record):
                raise MalformedRecordError("A bundle of users holds a piece of an answer.")
            kind = piece.WhichOneof("content")
            if self._state is None and kind == "table_state":
                await self._begin(transaction, piece.table_state)
            elif self._state is not None and kind == "user":
                rows[piece.user.id] = _row(piece.user)
            else:
                raise MalformedRecordError(f"A bundle of users holds a {kind} where it must not.")
        if self._ignored:
            self._counts["ignored"] += len(rows)
        elif rows:
            await self._store(transaction, list(rows.values()))

    async def finish(self, transaction: Transaction) -> dict[str, int]:
        """See the port. Names are compared only now: within a bundle two users may exchange theirs."""
        if self._state is None:
            raise MalformedRecordError("A bundle of users holds no table state.")
        if not self._ignored:
            connection, batch_id = transaction.connection, self._batch.batch_id
            missing = await user_replica.retire_missing(connection, batch_id) if self._state.snapshot else []
            displaced = await user_replica.displace_namesakes(connection, batch_id)
            self._counts["deactivated"] += len(missing)
            await self._end_sessions(transaction, [*missing, *displaced], "deactivated")
            try:
                await user_replica.compare_names(connection)
            except IntegrityError:
                raise MalformedRecordError("Two users of the bundle have one name or one e-mail address.") from None
            await self._keep_state(transaction, self._state)
        return {name: count for name, count in self._counts.items() if count or name in {"imported", "updated"}}

    async def _begin(self, transaction: Transaction, state: TableState) -> None:
        self._state = state
        last = await user_replica.last_applied(transaction.connection)
        self._ignored = not is_newer(last, self._batch.epoch, self._batch.sequence)

    async def _store(self, transaction: Transaction, rows: list[dict[str, Any]]) -> None:
        stored = await user_replica.store(transaction.connection, rows, self._batch.batch_id)
        self._counts["imported"] += stored.imported
        self._counts["updated"] += stored.updated
        self._counts["deactivated"] += len(stored.deactivated)
        await self._end_sessions(transaction, stored.deactivated, "deactivated")
        await self._end_sessions(transaction, stored.changed_credentials, "credentials_changed")

    async def _end_sessions(self, transaction: Transaction, user_ids: Sequence[Any], reason: str) -> None:
        for user_id in user_ids:
            await end_user_sessions(transaction.connection, user_id, at=self._clock(), reason=reason)

    async def _keep_state(self, transaction: Transaction, state: TableState) -> None:
        connection = transaction.connection
        in_step = await user_replica.keep_state(connection, self._batch, state)
        if not in_step:
            log.warning("replica_out_of_step", kind=user_replica.KIND, snapshot=state.snapshot)
            await ask_for_snapshot(connection, self._batch.kind)
        elif state.snapshot:
            await snapshot_came(connection, self._batch.kind)


def _row(user: User) -> dict[str, Any]:
    if user.role not in ROLES:
        raise MalformedRecordError(
            f"A user has the role {user.role!r}, which is unknown here.",
            next_step="Upgrade Airlock on this network, then release the file from quarantine.",
        )
    limits = (user.rate_limit_per_minute, user.rate_limit_per_hour, user.rate_limit_per_day)
    if max(limits) > MAX_LIMIT or len(user.id) != 16 or not 1 <= user.priority <= 10:
        raise MalformedRecordError("A user has an id, a priority or a limit out of range.")
    return {
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "hashed_password": user.hashed_password,
        "full_name": user.full_name,
        "role": user.role,
        "profile_type": user.profile_type,
        "rate_limit_per_minute": user.rate_limit_per_minute,
        "rate_limit_per_hour": user.rate_limit_per_hour,
        "rate_limit_per_day": user.rate_limit_per_day,
        "priority": user.priority,
        "is_active": user.is_active,
        "revision": user.revision,
        "row_digest": row_digest(user.SerializeToString(deterministic=True)),
    }
