"""The audit trail as JSON lines: the very lines that segments are made of, so that anyone can check a file.

By segments, a line `{"segment": …}` comes before each one's rows. The last line is `{"end": …}`: without it, it is cut.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, or_

from common.audit.lines import line_of, select_lines
from common.audit.segments import PAGE_ROWS, find_segment, pages_between, segments_from
from common.audit.tables import audit_logs

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence
    from datetime import datetime

    from sqlalchemy import Row

    from common.audit.segments import Segment
    from common.database.transaction import Database

PIECE_BYTES: Final = 256 * 1024
_SEGMENTS_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Rows from `after` on and before `before`, as far as either is given."""

    after: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class SegmentRange:
    """Segments `first` to `last`, both included; `last` 0 is the newest."""

    first: int
    last: int = 0


async def export_audit(database: Database, wanted: TimeRange | SegmentRange) -> AsyncGenerator[bytes]:
    """Pieces of about PIECE_BYTES. Each page is read in a transaction of its own, so a slow reader holds nothing."""
    parts = _by_segments(database, wanted) if isinstance(wanted, SegmentRange) else _by_time(database, wanted)
    rows, waiting = 0, bytearray()
    async for part in parts:
        if isinstance(part, bytes):
            waiting += part
            continue
        rows += len(part)
        for row in part:
            waiting += line_of(row)
            while len(waiting) >= PIECE_BYTES:
                yield bytes(waiting[:PIECE_BYTES])
                del waiting[:PIECE_BYTES]
        # Others have their turn: lines are made without waiting for anything.
        await asyncio.sleep(0)
    yield bytes(waiting) + _line({"end": {"rows": rows}})


async def _by_time(database: Database, wanted: TimeRange) -> AsyncIterator[Sequence[Row[Any]]]:
    columns = audit_logs.c
    statement = select_lines().order_by(columns.created_at, columns.id).limit(PAGE_ROWS)
    if wanted.before is not None:
        statement = statement.where(columns.created_at < wanted.before)
    page = statement if wanted.after is None else statement.where(columns.created_at >= wanted.after)
    while True:
        async with database.transaction() as transaction:
            rows = (await transaction.connection.execute(page)).all()
        if rows:
            yield rows
        if len(rows) < PAGE_ROWS:
            return
        at, last_id = rows[-1].created_at, rows[-1].id
        same_moment = and_(columns.created_at == at, columns.id > last_id)
        page = statement.where(columns.created_at >= at, or_(columns.created_at > at, same_moment))


async def _by_segments(database: Database, wanted: SegmentRange) -> AsyncIterator[bytes | Sequence[Row[Any]]]:
    async with database.transaction() as transaction:
        before = await find_segment(transaction.connection, wanted.first - 1)
    number = wanted.first
    while True:
        async with database.transaction() as transaction:
            page = await segments_from(transaction.connection, number, limit=_SEGMENTS_AT_ONCE)
        for segment in page:
            if wanted.last and segment.number > wanted.last:
                return
            yield _segment_line(segment)
            if not segment.forgotten:
                async for rows in _rows_of(database, before, segment):
                    yield rows
            before, number = segment, segment.number + 1
        if len(page) < _SEGMENTS_AT_ONCE:
            return


async def _rows_of(database: Database, before: Segment | None, segment: Segment) -> AsyncIterator[Sequence[Row[Any]]]:
    after = before.last_id if before is not None else None
    while True:
        async with database.transaction() as transaction:
            pages = pages_between(transaction.connection, after, segment.last_id, most=PAGE_ROWS)
            rows: Sequence[Row[Any]] = [row async for page in pages for row in page]
        if rows:
            yield rows
        if len(rows) < PAGE_ROWS:
            return
        after = rows[-1].id


def _segment_line(segment: Segment) -> bytes:
    told = {
        "number": segment.number,
        "first_id": segment.first_id,
        "last_id": segment.last_id,
        "rows": segment.rows,
        "previous_digest": segment.previous_digest.hex(),
        "digest": segment.digest.hex(),
        "sealed_at": segment.sealed_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "forgotten": segment.forgotten,
    }
    return _line({"segment": told})


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode("ascii") + b"\n"
