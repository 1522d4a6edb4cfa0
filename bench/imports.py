"""The import of 50,000 requests into PostgreSQL, against a bare COPY of the same rows into the same table."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import psycopg
from airlock.bundle.v1.record_pb2 import Record
from airlock.common.v1 import network_pb2

from bench.report import Figure, report
from common.batches.ports import IncomingBatch
from common.database.metadata import shared_metadata
from common.database.transaction import Database
from common.search.kind import query_type
from response_svc.adapters.import_requests import requests_sinks
from response_svc.adapters.tables import response_metadata
from sandbox.postgres import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RECORDS = 50_000
BLOCK = 128
REPEATS = 3
COLUMNS = (
    "original_request_id, user_id, index_name, query_type, search, accept_partial, trace_id, priority, requested_at, "
    "import_batch_id"
)


def records() -> list[Record]:
    """As many requests as one import of the bench brings, each about as long as a usual question."""
    made = []
    for number in range(RECORDS):
        record = Record()
        request = record.request
        request.id = uuid4().bytes
        request.user_id = UUID(int=number % 50 + 1).bytes
        request.index = "flights"
        request.priority = number % 10 + 1
        request.created_at_micros = 1_750_000_000_000_000 + number
        request.trace_id = str(uuid4())
        request.search.size = 10
        clause = request.search.query.bool.must.add()
        clause.match["destination"].query.string_value = f"the airport with the number {number}"
        made.append(record)
    return made


async def imported(database: Database, made: Sequence[Record]) -> float:
    """Seconds that the sink takes, commit included."""

    async def wake(_requests: int) -> None:
        """Nobody is waiting here."""

    now = datetime.now(UTC)
    kind = network_pb2.BUNDLE_KIND_REQUESTS
    sink = requests_sinks(wake)(IncomingBatch(uuid4(), uuid4(), kind, 1, 1, now, now))
    started = time.perf_counter()
    async with database.transaction() as transaction:
        for first in range(0, len(made), BLOCK):
            await sink.apply(transaction, made[first : first + BLOCK])
        await sink.finish(transaction)
    return time.perf_counter() - started


def copied(url: str, made: Sequence[Record]) -> float:
    """Seconds that COPY takes for the same columns of the same rows, commit included."""
    batch = uuid4()
    rows = [
        (
            UUID(bytes=record.request.id),
            UUID(bytes=record.request.user_id),
            record.request.index,
            query_type(record.request.search),
            record.request.search.SerializeToString(),
            record.request.accept_partial,
            record.request.trace_id,
            record.request.priority,
            datetime.fromtimestamp(record.request.created_at_micros / 1e6, UTC),
            batch,
        )
        for record in made
    ]
    statement = f"COPY incoming_requests ({COLUMNS}) FROM STDIN (FORMAT binary)"
    types = ["uuid", "uuid", "text", "text", "bytea", "bool", "text", "int2", "timestamptz", "uuid"]
    started = time.perf_counter()
    with psycopg.connect(url) as connection, connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)
    return time.perf_counter() - started


@contextmanager
def server() -> Iterator[str]:
    """A fresh embedded PostgreSQL, as durable as in earnest."""
    with tempfile.TemporaryDirectory(prefix="airlock-bench-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "postgres") as postgres:
            yield postgres.create_database("bench")


async def measure(url: str) -> list[Figure]:
    """Runs both, turn by turn, on an emptied table."""
    database = Database(url)
    async with database.engine.begin() as connection:
        # Users refer to their profile type, a table of both networks.
        await connection.run_sync(shared_metadata.create_all)
        await connection.run_sync(response_metadata.create_all)
    made = records()
    fresh, again, bare = [], [], []
    for _ in range(REPEATS):
        await emptied(database)
        fresh.append(await imported(database, made))
        again.append(await imported(database, made))
        await emptied(database)
        bare.append(await asyncio.to_thread(copied, url, made))
    await database.close()
    return [
        Figure("import of 50,000 requests / bare COPY, speed", median(bare) / median(fresh), "≥ 0.50"),
        Figure("all duplicates / fresh, time", median(again) / median(fresh), "< 1"),
        Figure("rows a second, fresh", RECORDS / median(fresh), ""),
    ]


async def emptied(database: Database) -> None:
    """Each turn begins alike."""
    async with database.transaction() as transaction:
        await transaction.connection.exec_driver_sql("TRUNCATE incoming_requests CASCADE")


def main() -> None:
    """Measures and prints."""
    with server() as url:
        report("Imports", asyncio.run(measure(url)))


if __name__ == "__main__":
    main()
