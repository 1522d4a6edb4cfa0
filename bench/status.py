"""Both streams at a glance with 10,000 bundles, against one `SELECT count(*)` over them."""

from __future__ import annotations

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from airlock.common.v1 import network_pb2
from sqlalchemy import text

from bench.imports import server
from bench.report import Figure, report
from common.batches.context import BatchContext
from common.batches.overview import get_streams, list_stream_bundles
from common.batches.tables import streams
from common.database.metadata import shared_metadata
from common.database.transaction import Database
from transfer.custody.state import Disposition
from transfer.spool.inbox import Inbox
from transfer.spool.journal import Journal
from transfer.spool.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BUNDLES: Final = 10_000
REPEATS: Final = 30
FILL = """
INSERT INTO export_batches
    (batch_type, filename, file_path, file_size_bytes, status, epoch, sequence, first_frame, digest)
SELECT 'responses', 'responses_20260301_120000_' || md5(n::text)::uuid || '.pb.enc', '/x', 1000, 'completed', 7, n,
    '\\x', sha256(n::text::bytea)
FROM generate_series(1, :bundles) n
"""
NUMBERS = """
INSERT INTO stream_bundles
    (direction, epoch, sequence, digest, disposition, kind, batch_id, size_bytes, recorded_at, acknowledged_at)
SELECT 'outgoing', epoch, sequence, digest, CASE WHEN sequence > :settled THEN 'sealed' ELSE 'acknowledged' END,
    batch_type, id, file_size_bytes, now(), CASE WHEN sequence > :settled THEN NULL ELSE now() END
FROM export_batches
"""


async def filled(database: Database, outbox: Path, settled: int) -> None:
    """So many bundles, the first `settled` of them acknowledged, each noted on one of ten media."""
    async with database.engine.begin() as connection:
        await connection.run_sync(shared_metadata.drop_all)
        await connection.run_sync(shared_metadata.create_all)
        sent = {"direction": "outgoing", "epoch": 7, "last_sequence": BUNDLES, "cumulative": settled}
        await connection.execute(streams.insert(), [sent, sent | {"direction": "incoming", "cumulative": BUNDLES}])
        await connection.execute(text(FILL), {"bundles": BUNDLES})
        await connection.execute(text(NUMBERS), {"settled": settled})
        names = list(await connection.scalars(text("SELECT filename FROM export_batches ORDER BY sequence")))
    async with database.engine.connect() as connection:
        await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(text("ANALYZE"))
    journal = Journal.of_spool(outbox)
    journal.path.unlink(missing_ok=True)
    for number in range(10):
        journal.write(
            *(
                journal.entry(
                    "took", medium=f"stick-{number}", medium_id=f"m{number}", file=name, epoch=7, sequence=place + 1
                )
                for place, name in enumerate(names)
                if place % 10 == number
            )
        )


async def seconds(work: Callable[[], Awaitable[Any]]) -> float:
    """The median of many runs, after one to warm up."""
    await work()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        await work()
        times.append(time.perf_counter() - began)
    return median(times)


async def measure(url: str, folder: Path) -> list[Figure]:
    """With everything in flight, and with a usual hundred."""
    database = Database(url)
    outbox, inbox = Outbox(folder / "export"), Inbox(folder / "import")
    outbox.make_folders()
    inbox.make_folders()
    context = BatchContext(
        network=network_pb2.NETWORK_RESPONSE,
        database=database,
        keys=lambda: None,  # type: ignore[arg-type, return-value] # No key is needed to look.
        outbox=outbox,
        inbox=inbox,
        clock=lambda: datetime.now(UTC),
    )

    async def counted() -> None:
        async with database.transaction() as transaction:
            await transaction.connection.scalar(text("SELECT count(*) FROM stream_bundles"))

    async def looked() -> None:
        """What `transfer status` asks for: both streams, and the newest page of what is in flight, with its media."""
        async with database.transaction() as transaction:
            await get_streams(transaction.connection, context)
        async with database.transaction() as transaction:
            sealed = (Disposition.SEALED, Disposition.CLAIMED)
            page = await list_stream_bundles(transaction.connection, incoming=False, dispositions=sealed, limit=21)
        await asyncio.to_thread(outbox.media.places, [row.filename for row in page])

    figures = []
    for what, settled in (("100 of them in flight", BUNDLES - 100), ("all in flight", 0)):
        await filled(database, outbox.root, settled)
        figures.append(
            Figure(f"status / SELECT count(*), time, {what}", await seconds(looked) / await seconds(counted), "< 10")
        )
    figures.append(Figure("SELECT count(*), ms", 1000 * await seconds(counted), ""))
    await database.close()
    return figures


def main() -> None:
    """Measures and prints."""
    with server() as url, tempfile.TemporaryDirectory(prefix="airlock-bench-") as folder:
        report(f"status over {BUNDLES:,} bundles", asyncio.run(measure(url, Path(folder))))


if __name__ == "__main__":
    main()
