"""The import of 50,000 users into the replica in one snapshot, against a bare COPY of the same rows."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import psycopg
from airlock.bundle.v1.record_pb2 import Record
from airlock.bundle.v1.replication_pb2 import TableState, User
from airlock.common.v1 import network_pb2

from bench.imports import server
from bench.report import Figure, report
from common.batches.batch_rows import ImportBatchRow
from common.batches.import_rows import save_import
from common.batches.ports import IncomingBatch
from common.database.migrations import migrate
from common.database.transaction import Database
from request_svc.adapters.import_users import users_sinks
from transfer.bundle.replication import TableDigest, row_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

USERS: Final = 50_000
PIECES: Final = 1024
"""Records that an import hands to the sink at once."""
REPEATS: Final = 3
HASH: Final = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"
COLUMNS: Final = {
    "id": "uuid",
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
    "session_version": "int4",
    "row_digest": "bytea",
    "import_batch_id": "uuid",
}


def snapshot() -> list[Record]:
    """The records of a bundle of all users, in the order of their ids."""
    users = [
        User(
            id=uuid4().bytes,
            username=f"user{number:06}",
            email=f"user{number:06}@example.org",
            hashed_password=HASH,
            full_name=f"The user with the number {number}",
            role="user",
            profile_type="basic",
            rate_limit_per_minute=10,
            rate_limit_per_hour=100,
            rate_limit_per_day=500,
            priority=5,
            is_active=True,
            revision=number + 1,
        )
        for number in range(USERS)
    ]
    users.sort(key=lambda user: user.id)
    digest = TableDigest()
    for user in users:
        digest.add(user.SerializeToString(deterministic=True))
    state = TableState(snapshot=True, revision=USERS, row_count=USERS, table_digest=digest.digest())
    return [Record(table_state=state), *(Record(user=user) for user in users)]


async def imported(database: Database, records: Sequence[Record], sequence: int) -> float:
    """Seconds that the sink takes, with digest and commit."""
    now = datetime.now(UTC)
    kind = network_pb2.BUNDLE_KIND_USERS
    batch = IncomingBatch(uuid4(), uuid4(), kind, 1, sequence, now, now)
    row = ImportBatchRow(
        id=batch.batch_id,
        kind=kind,
        filename="users",
        file_path="/users",
        status="processing",
        created_at=now,
        epoch=1,
        sequence=sequence,
    )
    sink = users_sinks(lambda: now)(batch)
    started = time.perf_counter()
    async with database.transaction() as transaction:
        await save_import(transaction.connection, row)
        for first in range(0, len(records), PIECES):
            await sink.apply(transaction, records[first : first + PIECES])
        await sink.finish(transaction)
    return time.perf_counter() - started


def copied(url: str, records: Sequence[Record]) -> float:
    """Seconds that COPY takes for the same columns of the same rows, commit included."""
    batch = uuid4()
    rows = [
        tuple(_value(record.user, name, batch) for name in COLUMNS) for record in records if record.HasField("user")
    ]
    statement = f"COPY users ({', '.join(COLUMNS)}) FROM STDIN (FORMAT binary)"
    started = time.perf_counter()
    with psycopg.connect(url) as connection, connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(list(COLUMNS.values()))
        for row in rows:
            copy.write_row(row)
    return time.perf_counter() - started


def _value(user: User, column: str, batch: UUID) -> object:
    if column == "row_digest":
        return row_digest(user.SerializeToString(deterministic=True))
    if column == "import_batch_id":
        return batch
    return UUID(bytes=user.id) if column == "id" else getattr(user, column)


async def emptied(database: Database) -> None:
    """Each turn begins alike."""
    async with database.transaction() as transaction:
        await transaction.connection.exec_driver_sql("TRUNCATE users, replica_states CASCADE")


async def measure(url: str) -> list[Figure]:
    """Runs both, turn by turn, on emptied tables."""
    migrate(url, "request_svc:migrations")
    database = Database(url)
    records = await asyncio.to_thread(snapshot)
    fresh, again, bare = [], [], []
    for _ in range(REPEATS):
        await emptied(database)
        fresh.append(await imported(database, records, 1))
        again.append(await imported(database, records, 2))
        await emptied(database)
        bare.append(await asyncio.to_thread(copied, url, records))
    await database.close()
    return [
        Figure("import of 50,000 users in a snapshot / bare COPY, speed", median(bare) / median(fresh), "≥ 0.50"),
        Figure("the same snapshot again / fresh, time", median(again) / median(fresh), ""),
        Figure("users a second, fresh", USERS / median(fresh), ""),
    ]


def main() -> None:
    """Measures and prints."""
    with server() as url:
        report("Users", asyncio.run(measure(url)))


if __name__ == "__main__":
    main()
