"""Sealed segments as the database has them, and the rows that each covers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from common.audit.lines import select_lines
from common.audit.tables import audit_forgettings, audit_logs, audit_segments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from sqlalchemy import Row, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

GENESIS: Final = bytes(32)
"""The previous digest of segment 1."""
PAGE_ROWS: Final = 200
"""Rows that are in memory at once; each may hold some hundred KiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Every row behind the segment before, up to `last_id`. `forgotten`: its rows are gone, since they were old."""

    number: int
    first_id: int
    last_id: int
    rows: int
    digest: bytes
    previous_digest: bytes
    sealed_at: datetime
    forgotten: bool = False


async def latest_segment(connection: AsyncConnection) -> Segment | None:
    """The head of the chain."""
    rows = await connection.execute(_select().order_by(audit_segments.c.number.desc()).limit(1))
    row = rows.one_or_none()
    return _segment(row) if row is not None else None


async def find_segment(connection: AsyncConnection, number: int) -> Segment | None:
    """The segment of that number."""
    row = (await connection.execute(_select().where(audit_segments.c.number == number))).one_or_none()
    return _segment(row) if row is not None else None


async def segments_from(connection: AsyncConnection, number: int, *, limit: int) -> list[Segment]:
    """Segments from that number on, in their order."""
    columns = audit_segments.c
    rows = await connection.execute(_select().where(columns.number >= number).order_by(columns.number).limit(limit))
    return list(map(_segment, rows))


async def forgotten_up_to(connection: AsyncConnection) -> int:
    """The last segment whose rows are gone; 0 when none is."""
    return int(await connection.scalar(select(func.coalesce(func.max(audit_forgettings.c.number), 0))) or 0)


async def pages_between(
    connection: AsyncConnection, after: int | None, last_id: int, *, most: int
) -> AsyncIterator[Sequence[Row[Any]]]:
    """The first `most` rows with ids above `after` (None: from the very first) and up to `last_id`, in pages."""
    left = most
    while left > 0:
        page = select_lines().where(audit_logs.c.id <= last_id).order_by(audit_logs.c.id).limit(min(PAGE_ROWS, left))
        if after is not None:
            page = page.where(audit_logs.c.id > after)
        rows = (await connection.execute(page)).all()
        if rows:
            yield rows
        if len(rows) < PAGE_ROWS:
            return
        after, left = rows[-1].id, left - len(rows)


def _select() -> Select[Any]:
    forgotten = audit_forgettings.c.number.is_not(None).label("forgotten")
    joined = audit_segments.outerjoin(audit_forgettings, audit_forgettings.c.number == audit_segments.c.number)
    return select(*audit_segments.c, forgotten).select_from(joined)


def _segment(row: Row[Any]) -> Segment:
    return Segment(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it.
