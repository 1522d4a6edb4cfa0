"""The statements by which a users bundle replaces rows of the replica."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from request_svc.adapters.tables import replica_states, users
from request_svc.domain.replica import ReplicaState
from transfer.bundle.replication import TableDigest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airlock.bundle.v1.replication_pb2 import TableState
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.ports import IncomingBatch

KIND: Final = "users"
DIGESTS_AT_A_TIME: Final = 5000

_COLUMNS: Final = {
    "username": "text",
    "email": "text",
    "hashed_password": "text",
    "full_name": "text",
    "role": "text",
    "profile_type": "text",
    "rate_limit_per_minute": "int4",
    "rate_limit_per_hour": "int4",
    "rate_limit_per_day": "int4",
    "priority": "int4",
    "is_active": "bool",
    "revision": "int8",
    "row_digest": "bytea",
}
_NAMES: Final = ", ".join(_COLUMNS)
_ARRAYS: Final = ", ".join(f"%({name})b::{kind}[]" for name, kind in _COLUMNS.items())
# `before` reads the rows as they were: all parts of one statement see the same moment.
_STORE: Final = f"""
WITH input AS (
    SELECT * FROM unnest(%(id)b::uuid[], {_ARRAYS}) AS input (id, {_NAMES})
), before AS (
    SELECT users.* FROM users JOIN input USING (id)
), stored AS (
    INSERT INTO users (id, {_NAMES}, synced_at, import_batch_id)
    SELECT id, {_NAMES}, now(), %(batch_id)b FROM input
    ON CONFLICT (id) DO UPDATE SET
        ({_NAMES}, synced_at, import_batch_id, missing_since)
        = ROW ({", ".join(f"excluded.{name}" for name in _COLUMNS)}, now(), %(batch_id)b, NULL)
)
SELECT input.id,
    before.id IS NULL AS is_new,
    before.row_digest IS DISTINCT FROM input.row_digest OR before.missing_since IS NOT NULL AS is_changed,
    before.is_active AND NOT input.is_active AS is_deactivated,
    before.hashed_password IS DISTINCT FROM input.hashed_password OR before.role IS DISTINCT FROM input.role
        AS has_new_credentials
FROM input LEFT JOIN before USING (id)
"""  # noqa: S608 - the names are the constants above; every value is a parameter.

_RETIRE_MISSING = text(
    """
    WITH missing AS (
        SELECT id, is_active FROM users WHERE import_batch_id <> :batch_id AND missing_since IS NULL FOR UPDATE
    ), retired AS (
        UPDATE users SET is_active = false, missing_since = now() FROM missing WHERE users.id = missing.id
    )
    SELECT id FROM missing WHERE is_active
    """
)
# A row that holds a name which the master gave to another since: a restored master, and the replica must follow it.
_DISPLACE = text(
    """
    WITH namesakes AS (
        SELECT stale.id, stale.is_active FROM users AS stale JOIN users AS fresh
            ON fresh.import_batch_id = :batch_id AND stale.import_batch_id <> :batch_id
            AND (fresh.username = stale.username OR fresh.email = stale.email)
        GROUP BY stale.id
    ), displaced AS (
        UPDATE users SET is_active = false, missing_since = coalesce(missing_since, now()),
            username = left(username, 60) || '#' || users.id, email = left(email, 200) || '#' || users.id
        FROM namesakes WHERE users.id = namesakes.id
    )
    SELECT id FROM namesakes WHERE is_active
    """
)


@dataclass(frozen=True, slots=True)
class StoredUsers:
    """What storing some rows did. Changed credentials are another password or role of a user who was here before."""

    imported: int
    updated: int
    deactivated: list[UUID]
    changed_credentials: list[UUID]


async def last_applied(connection: AsyncConnection) -> ReplicaState | None:
    """The last users bundle that was used; its row is locked until the transaction ends."""
    columns = replica_states.c
    statement = (
        select(
            columns.epoch, columns.sequence, columns.revision, columns.row_count, columns.table_digest, columns.in_step
        )
        .where(columns.kind == KIND)
        .with_for_update()
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else ReplicaState(*row)


async def store(connection: AsyncConnection, rows: Sequence[dict[str, Any]], batch_id: UUID) -> StoredUsers:
    """Puts the rows in place of whatever is there under their ids. No id may come twice."""
    values: dict[str, Any] = {name: [row[name] for row in rows] for name in _COLUMNS}
    values["id"] = [UUID(bytes=row["id"]) for row in rows]
    values["batch_id"] = batch_id
    outcome = (await connection.exec_driver_sql(_STORE, values)).all()
    known = [row for row in outcome if not row.is_new]
    return StoredUsers(
        imported=len(outcome) - len(known),
        updated=sum(row.is_changed for row in known),
        deactivated=[row.id for row in known if row.is_deactivated],
        changed_credentials=[row.id for row in known if row.has_new_credentials],
    )


async def retire_missing(connection: AsyncConnection, batch_id: UUID) -> list[UUID]:
    """Makes every row inactive that the snapshot `batch_id` does not hold; returns those that were active."""
    return list((await connection.execute(_RETIRE_MISSING, {"batch_id": batch_id})).scalars())


async def displace_namesakes(connection: AsyncConnection, batch_id: UUID) -> list[UUID]:
    """Takes name and address from rows outside the bundle that a row of it now has; returns those that were active."""
    return list((await connection.execute(_DISPLACE, {"batch_id": batch_id})).scalars())


async def compare_names(connection: AsyncConnection) -> None:
    """Raises IntegrityError if two rows have one name or one address."""
    await connection.execute(text("SET CONSTRAINTS uq_users_username, uq_users_email IMMEDIATE"))


async def keep_state(connection: AsyncConnection, batch: IncomingBatch, state: TableState) -> bool:
    """Notes the bundle as the last one used, and returns whether the replica now equals the table it tells of."""
    count, digest = await _measure(connection)
    in_step = count == state.row_count and digest == state.table_digest
    values = {
        "epoch": batch.epoch,
        "sequence": batch.sequence,
        "batch_id": batch.batch_id,
        "revision": state.revision,
        "row_count": state.row_count,
        "table_digest": state.table_digest,
        "in_step": in_step,
        "sealed_at": batch.sealed_at,
        "applied_at": func.now(),
    }
    statement = insert(replica_states).values(kind=KIND, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["kind"], set_=values))
    return in_step


async def _measure(connection: AsyncConnection) -> tuple[int, bytes]:
    digest, count = TableDigest(), 0
    statement = (
        select(users.c.row_digest)
        .where(users.c.missing_since.is_(None))
        .order_by(users.c.id)
        .execution_options(yield_per=DIGESTS_AT_A_TIME)
    )
    async with connection.stream(statement) as rows:
        async for row in rows.scalars():
            digest.add_digest(bytes(row))
            count += 1
    return count, digest.digest()
