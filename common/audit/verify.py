"""Recomputes sealed segments from the rows as they are now, and names the first one that does not match."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from common import metrics
from common.audit.lines import lines_of
from common.audit.segments import GENESIS, find_segment, pages_between, segments_from

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.audit.segments import Segment
    from common.database.transaction import Database

log = structlog.get_logger("common.audit")

MOST_ROWS: Final = 200_000
MOST_SEGMENTS: Final = 5_000
_PAGE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was recomputed. `next_segment` is where to go on, 0 at the end of the chain or after a mismatch."""

    segments: int = 0
    rows: int = 0
    # Segments whose rows are gone, of which only the place in the chain was checked.
    forgotten: int = 0
    next_segment: int = 0
    mismatch_segment: int = 0
    mismatch: str = ""


async def verify_audit(
    database: Database, first: int = 1, *, most_rows: int = MOST_ROWS, most_segments: int = MOST_SEGMENTS
) -> Verification:
    """Recomputes segments from `first` on until about `most_rows` rows were read. Each segment is read by itself."""
    number, segments, rows, forgotten = max(first, 1), 0, 0, 0
    async with database.transaction() as transaction:
        before = await find_segment(transaction.connection, number - 1)
    while segments < most_segments and rows < most_rows:
        async with database.transaction() as transaction:
            page = await segments_from(transaction.connection, number, limit=_PAGE)
        if not page:
            number = 0
            break
        for segment in page:
            cause = await _mismatch(database, before, segment, number)
            if cause:
                metrics.AUDIT_MISMATCHES.labels("own").inc()
                log.error("audit_segment_mismatch", segment=number, cause=cause)
                return Verification(
                    segments=segments, rows=rows, forgotten=forgotten, mismatch_segment=number, mismatch=cause
                )
            segments, forgotten = segments + 1, forgotten + segment.forgotten
            rows += 0 if segment.forgotten else segment.rows
            before, number = segment, segment.number + 1
            if rows >= most_rows or segments >= most_segments:
                break
    return Verification(segments=segments, rows=rows, forgotten=forgotten, next_segment=number)


async def _mismatch(database: Database, before: Segment | None, segment: Segment, number: int) -> str:
    """Why the segment does not continue the chain or does not fit its rows; empty if it does both."""
    if segment.number != number:
        return "the segment is missing"
    if before is None and number > 1:
        return f"segment {number - 1}, which it continues, is missing"
    if segment.previous_digest != (before.digest if before is not None else GENESIS):
        return f"it does not continue segment {number - 1}"
    if segment.forgotten:
        return ""
    async with database.transaction() as transaction:
        connection = transaction.connection
        rows, digest = await _recomputed(connection, before, segment)
        if (rows, digest) == (segment.rows, segment.digest):
            return ""
        again = await find_segment(connection, number)
    if again is not None and again.forgotten:
        # Its time was over while it was being read.
        return ""
    if rows != segment.rows:
        return f"it was sealed with {segment.rows} rows and has {rows}"
    return "a row differs from what was sealed"


async def _recomputed(connection: AsyncConnection, before: Segment | None, segment: Segment) -> tuple[int, bytes]:
    digest, rows = hashlib.sha256(segment.previous_digest), 0
    after = before.last_id if before is not None else None
    # One row too many is enough to see that there are too many.
    async for page in pages_between(connection, after, segment.last_id, most=segment.rows + 1):
        digest.update(await asyncio.to_thread(lines_of, page))
        rows += len(page)
    return rows, digest.digest()
