"""What operators see of batches and streams: lists page by page, and both streams at a glance."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Table, func, literal_column, select, tuple_

from common.batches.batch_rows import ExportBatchRow, ImportBatchRow, export_row, import_row, select_exports
from common.batches.stream_rows import read_streams
from common.batches.tables import INCOMING, OUTGOING, export_batches, import_batches, stream_bundles
from transfer.bundle.names import kind_name
from transfer.custody.numbers import format_ranges
from transfer.custody.state import Disposition

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from transfer.spool.inbox import Inbox

# How many ranges of missing numbers are named.
MAX_MISSING_RANGES: Final = 100


@dataclass(frozen=True, slots=True)
class OutgoingView:
    """What this network sends."""

    epoch: int
    last_sequence: int
    acknowledged_up_to: int
    in_flight: int
    refused: int
    oldest_in_flight_at: datetime | None
    last_acknowledged_at: datetime | None
    # Why exports stand still; empty when they do not.
    alarm: str


@dataclass(frozen=True, slots=True)
class IncomingView:
    """What this network receives. `missing` names numbers that have not arrived, as `118-121,130`."""

    epoch: int
    cumulative: int
    highest_seen: int
    missing: str
    missing_count: int
    refused_count: int
    quarantined_files: int
    last_received_at: datetime | None
    # A fork that was seen; empty when none was.
    alarm: str


@dataclass(frozen=True, slots=True)
class StreamsView:
    """Both streams."""

    outgoing: OutgoingView
    incoming: IncomingView


async def list_export_batches(
    connection: AsyncConnection,
    *,
    kind: BundleKind.ValueType | None,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
) -> list[ExportBatchRow]:
    """Bundles made here, the newest first, from behind `after` (created_at and id of the last one seen)."""
    statement = _page(select_exports(), export_batches, kind, limit, after)
    return [export_row(row) for row in await connection.execute(statement)]


async def list_import_batches(
    connection: AsyncConnection,
    *,
    kind: BundleKind.ValueType | None,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
) -> list[ImportBatchRow]:
    """Bundles that came in, the newest first, from behind `after` (created_at and id of the last one seen)."""
    statement = _page(select(import_batches), import_batches, kind, limit, after)
    return [import_row(row) for row in await connection.execute(statement)]


async def get_export_batch(connection: AsyncConnection, batch_id: UUID) -> ExportBatchRow | None:
    """One bundle made here."""
    row = (await connection.execute(select_exports().where(export_batches.c.id == batch_id))).one_or_none()
    return None if row is None else export_row(row)


async def waiting_bundles(connection: AsyncConnection, *, limit: int, after: int = 0) -> list[ExportBatchRow]:
    """Bundles that are to be carried, the oldest number first, from behind the sequence `after`."""
    numbers = stream_bundles.c
    statement = (
        select_exports()
        # Sealed numbers are all of the present epoch: those of earlier ones are retired.
        .where(numbers.disposition == Disposition.SEALED, numbers.sequence > after)
        .order_by(numbers.sequence)
        .limit(limit)
    )
    return [export_row(row) for row in await connection.execute(statement)]


async def get_streams(connection: AsyncConnection, inbox: Inbox) -> StreamsView:
    """Both streams; quarantined files are counted in the folder."""
    streams = await read_streams(connection)
    outgoing, incoming = streams.outgoing, streams.incoming
    in_flight = await _in_flight(connection, outgoing.epoch)
    missing = await _missing(connection, incoming.epoch, incoming.cumulative)
    quarantined = await asyncio.to_thread(inbox.quarantine_folder.files)
    return StreamsView(
        OutgoingView(
            epoch=outgoing.epoch,
            last_sequence=outgoing.last_sequence,
            acknowledged_up_to=outgoing.cumulative,
            in_flight=in_flight.number,
            refused=in_flight.refused,
            oldest_in_flight_at=in_flight.oldest,
            last_acknowledged_at=streams.last_acknowledged_at,
            alarm=outgoing.alarm,
        ),
        IncomingView(
            epoch=incoming.epoch,
            cumulative=incoming.cumulative,
            highest_seen=incoming.highest_seen,
            missing=format_ranges(missing[:MAX_MISSING_RANGES]),
            missing_count=sum(last - first + 1 for first, last in missing),
            refused_count=await _refused(connection, incoming.epoch),
            quarantined_files=len(quarantined),
            last_received_at=streams.last_received_at,
            alarm=streams.incoming_alarm,
        ),
    )


def _page(
    statement: Select[Any],
    table: Table,
    kind: BundleKind.ValueType | None,
    limit: int,
    after: tuple[datetime, UUID] | None,
) -> Select[Any]:
    statement = statement.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit)
    if kind is not None:
        statement = statement.where(table.c.batch_type == kind_name(kind))
    if after is not None:
        statement = statement.where(tuple_(table.c.created_at, table.c.id) < after)
    return statement


@dataclass(frozen=True, slots=True)
class _InFlight:
    number: int
    refused: int
    oldest: datetime | None


async def _in_flight(connection: AsyncConnection, epoch: int) -> _InFlight:
    numbers = stream_bundles.c
    row = (
        await connection.execute(
            select(func.count(), func.count(numbers.refused_reason), func.min(numbers.recorded_at)).where(
                numbers.direction == OUTGOING,
                numbers.epoch == epoch,
                numbers.disposition == Disposition.SEALED,
                numbers.acknowledged_at.is_(None),
            )
        )
    ).one()
    return _InFlight(*row)


async def _refused(connection: AsyncConnection, epoch: int) -> int:
    numbers = stream_bundles.c
    refused: ColumnElement[bool] = numbers.disposition == Disposition.REFUSED
    statement = select(func.count()).where(numbers.direction == INCOMING, numbers.epoch == epoch, refused)
    return await connection.scalar(statement) or 0


async def _missing(connection: AsyncConnection, epoch: int, cumulative: int) -> Sequence[tuple[int, int]]:
    """The gaps between the numbers above the cumulative one."""
    numbers = stream_bundles.c
    before = func.lag(numbers.sequence, 1, cumulative).over(order_by=numbers.sequence)
    above = (
        select(numbers.sequence, before.label("before"))
        .where(numbers.direction == INCOMING, numbers.epoch == epoch, numbers.sequence > cumulative)
        .subquery()
    )
    gaps = (
        select(above.c.before + literal_column("1"), above.c.sequence - literal_column("1"))
        .where(above.c.sequence > above.c.before + literal_column("1"))
        .order_by(above.c.sequence)
    )
    return [(first, last) for first, last in await connection.execute(gaps)]
