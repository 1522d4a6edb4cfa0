"""Seals what was written into segments, each chained to the one before by its digest; and forgets old ones whole.

digest = SHA-256(digest of the segment before | the line of each row)
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from common.audit.lines import lines_of
from common.audit.segments import GENESIS, latest_segment, pages_between
from common.audit.tables import audit_segments
from common.database.exclusive import exclusively

if TYPE_CHECKING:
    from common.database.transaction import Database

log = structlog.get_logger("common.audit")

SEGMENT_ROWS: Final = 100_000
_LOCK_NOT_AVAILABLE: Final = "55P03"
_FORGET: Final = text("SELECT segment, forgotten FROM audit_forget(:days)")


async def seal_audit(database: Database, *, segment_rows: int = SEGMENT_ROWS) -> dict[str, int]:
    """Seals every row that is settled, in segments of at most `segment_rows`; how many of both.

    May run twice, beside itself, and die anywhere: a segment is there whole or not at all. Where a long transaction
    holds the table, nothing is sealed this time.
    """
    segments = rows = 0
    async with exclusively(database, "audit/seal") as alone:
        settled = await _settled_id(database) if alone else None
        while settled is not None and (sealed := await _seal_next(database, settled, segment_rows)):
            segments, rows = segments + 1, rows + sealed
    return {"segments": segments, "audit_rows_sealed": rows}


async def forget_audit(database: Database, keep_days: int) -> dict[str, int]:
    """Deletes the rows of segments that were sealed longer ago, oldest first; how many rows.

    Each segment is a transaction of its own. The database itself refuses to keep less than 30 days.
    """
    forgotten = 0
    while True:
        async with database.transaction() as transaction:
            row = (await transaction.connection.execute(_FORGET, {"days": keep_days})).one_or_none()
        if row is None:
            return {"audit_rows_forgotten": forgotten}
        log.info("audit_segment_forgotten", segment=row.segment, rows=row.forgotten)
        forgotten += row.forgotten


async def _settled_id(database: Database) -> int | None:
    """The id below which no row can appear any more. A transaction of its own: its lock holds up every writer."""
    try:
        async with database.transaction() as transaction:
            return await transaction.connection.scalar(select(func.audit_settled_id()))
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        log.info("audit_not_sealed", cause="a transaction holds the table; the next run seals")
        return None


async def _seal_next(database: Database, settled: int, most: int) -> int:
    """The next segment, in one transaction; how many rows it has, 0 if there is nothing to seal."""
    try:
        async with database.transaction() as transaction:
            connection = transaction.connection
            last = await latest_segment(connection)
            previous = last.digest if last is not None else GENESIS
            digest, rows, first_id, last_id = hashlib.sha256(previous), 0, 0, 0
            async for page in pages_between(connection, last.last_id if last else None, settled, most=most):
                digest.update(await asyncio.to_thread(lines_of, page))
                first_id, last_id, rows = first_id or page[0].id, page[-1].id, rows + len(page)
            if rows:
                values = {
                    "number": last.number + 1 if last is not None else 1,
                    "first_id": first_id,
                    "last_id": last_id,
                    "rows": rows,
                    "digest": digest.digest(),
                    "previous_digest": previous,
                }
                await connection.execute(insert(audit_segments).values(values))
            return rows
    except IntegrityError:
        # Only where the lock did not hold: another sealer was first, and the rows are in its segment.
        log.info("audit_not_sealed", cause="another run sealed the same rows")
        return 0
