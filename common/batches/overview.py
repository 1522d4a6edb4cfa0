"""Both streams at a glance: what is in flight and where, what is missing, refused or quarantined, and how old."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, literal_column, select

from common.batches.epochs import select_waiting_epochs
from common.batches.stream_rows import read_streams
from common.batches.tables import INCOMING, OUTGOING, export_batches, import_batches, stream_bundles, streams
from transfer.bundle.names import kind_from_name
from transfer.custody.gaps import OVERDUE, gaps
from transfer.custody.numbers import format_numbers, format_ranges
from transfer.custody.state import Disposition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy import Row, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.context import BatchContext

# Outgoing numbers with one of these are never acknowledged.
UNACKNOWLEDGED: Final = frozenset({Disposition.CLAIMED, Disposition.SEALED})
# How many ranges of numbers are named.
MAX_RANGES: Final = 100


@dataclass(frozen=True, slots=True)
class OutgoingView:
    """What this network sends. Sets of numbers are written as `118-121,130`."""

    epoch: int
    last_sequence: int
    acknowledged_up_to: int
    in_flight: int
    in_flight_bytes: int
    refused: str
    proven_missing: str
    suspected_missing: str
    # How many in flight are on each medium that is in use, and how many on none.
    media: Mapping[str, int]
    on_no_medium: int
    oldest_in_flight_at: datetime | None
    last_acknowledged_at: datetime | None
    # Why exports stand still; empty when they do not.
    alarm: str


@dataclass(frozen=True, slots=True)
class IncomingView:
    """What this network receives. `missing` names numbers that have not arrived."""

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
    # What the other network declared and nobody accepted here yet; 0 when there is none.
    waiting_epoch: int


@dataclass(frozen=True, slots=True)
class StreamsView:
    """Both streams."""

    outgoing: OutgoingView
    incoming: IncomingView


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamBundleRow:
    """A numbered bundle of either stream. Those of an incoming number that was given up have no batch and no file."""

    sequence: int
    kind: BundleKind.ValueType | None
    disposition: Disposition
    batch_id: UUID | None
    filename: str
    size_bytes: int
    digest: bytes | None
    refused_reason: str
    recorded_at: datetime
    acknowledged_at: datetime | None


async def get_streams(connection: AsyncConnection, context: BatchContext) -> StreamsView:
    """Both streams. Media come from the outbox's journal, quarantined files are counted in their folder."""
    standing = await read_streams(connection)
    outgoing, incoming = standing.outgoing, standing.incoming
    flying = await _in_flight(connection, outgoing.epoch, context.clock() - OVERDUE)
    found = gaps(standing.peer, flying.numbers, flying.overdue)
    # Where nothing was seen above the cumulative number nothing is missing.
    complete = incoming.highest_seen <= incoming.cumulative
    missing = [] if complete else await _missing(connection, incoming.epoch, incoming.cumulative)
    refused_count, waiting_epoch = await _refused_and_waiting(connection, incoming.epoch)

    def look_into_folders() -> tuple[tuple[dict[str, int], int], int]:
        loads = context.outbox.media.loads(outgoing.epoch, flying.numbers)
        return loads, context.inbox.quarantine_folder.count()

    (loads, on_no_medium), quarantined = await asyncio.to_thread(look_into_folders)
    return StreamsView(
        OutgoingView(
            epoch=outgoing.epoch,
            last_sequence=outgoing.last_sequence,
            acknowledged_up_to=outgoing.cumulative,
            in_flight=len(flying.numbers),
            in_flight_bytes=flying.size_bytes,
            refused=_named(flying.refused),
            proven_missing=_named(found.proven),
            suspected_missing=_named(found.suspected),
            media=loads,
            on_no_medium=on_no_medium,
            oldest_in_flight_at=flying.oldest,
            last_acknowledged_at=standing.last_acknowledged_at,
            alarm=outgoing.alarm,
        ),
        IncomingView(
            epoch=incoming.epoch,
            cumulative=incoming.cumulative,
            highest_seen=incoming.highest_seen,
            missing=format_ranges(missing[:MAX_RANGES]),
            missing_count=sum(last - first + 1 for first, last in missing),
            refused_count=refused_count,
            quarantined_files=quarantined,
            last_received_at=standing.last_received_at,
            alarm=standing.incoming_alarm,
            waiting_epoch=waiting_epoch,
        ),
    )


async def list_stream_bundles(
    connection: AsyncConnection,
    *,
    incoming: bool,
    dispositions: Sequence[Disposition] = (),
    limit: int,
    before: int | None = None,
) -> list[StreamBundleRow]:
    """Numbers of the present epoch, the newest first, from below `before`."""
    direction = INCOMING if incoming else OUTGOING
    present_epoch = select(streams.c.epoch).where(streams.c.direction == direction).scalar_subquery()
    batches = import_batches if incoming else export_batches
    statement: Select[Any] = (
        select(*_T, batches.c.filename, batches.c.file_size_bytes)
        .select_from(stream_bundles.outerjoin(batches, batches.c.id == _T.batch_id))
        .where(_T.direction == direction, _T.epoch == present_epoch)
        .order_by(_T.sequence.desc())
        .limit(limit)
    )
    if dispositions:
        statement = statement.where(_T.disposition.in_(dispositions))
    if dispositions and not incoming and UNACKNOWLEDGED.issuperset(dispositions):
        # These have an index of their own.
        statement = statement.where(_T.acknowledged_at.is_(None))
    if before is not None:
        statement = statement.where(_T.sequence < before)
    return [_row(row) for row in await connection.execute(statement)]


def _row(row: Row[Any]) -> StreamBundleRow:
    return StreamBundleRow(
        sequence=row.sequence,
        kind=None if row.kind is None else kind_from_name(row.kind),
        disposition=Disposition(row.disposition),
        batch_id=row.batch_id,
        filename=row.filename or "",
        size_bytes=row.file_size_bytes or 0,
        digest=row.digest,
        refused_reason=row.refused_reason or "",
        recorded_at=row.recorded_at,
        acknowledged_at=row.acknowledged_at,
    )


def _named(numbers: Sequence[int]) -> str:
    """As many ranges as are shown."""
    return ",".join(format_numbers(numbers).split(",")[:MAX_RANGES]) if numbers else ""


@dataclass(frozen=True, slots=True)
class _InFlight:
    numbers: Collection[int]
    size_bytes: int
    oldest: datetime | None
    refused: Sequence[int]
    overdue: Sequence[int]


async def _in_flight(connection: AsyncConnection, epoch: int, overdue_before: datetime) -> _InFlight:
    """Summed up by the database: after a month without a courier there are thousands."""
    refused, overdue = _T.refused_reason.is_not(None), _T.recorded_at <= overdue_before
    flying = (
        _T.direction == OUTGOING,
        _T.epoch == epoch,
        _T.acknowledged_at.is_(None),
        _T.disposition == Disposition.SEALED,
    )
    statement = select(
        func.count(),
        func.min(_T.sequence),
        func.max(_T.sequence),
        func.coalesce(func.sum(_T.size_bytes), 0),
        func.min(_T.recorded_at),
        func.array_agg(_T.sequence).filter(refused),
        func.array_agg(_T.sequence).filter(overdue, ~refused),
    ).where(*flying)
    count, first, last, size_bytes, oldest, refusals, late = (await connection.execute(statement)).one()
    numbers: Collection[int] = range(first, last + 1) if count else ()
    if len(numbers) != count:
        numbers = frozenset(await connection.scalars(select(_T.sequence).where(*flying)))
    return _InFlight(numbers, int(size_bytes), oldest, sorted(refusals or ()), late or ())


async def _refused_and_waiting(connection: AsyncConnection, epoch: int) -> tuple[int, int]:
    """How many numbers are refused, and the latest epoch that waits for being accepted, or 0."""
    refused = select(func.count()).where(
        _T.direction == INCOMING, _T.epoch == epoch, _T.disposition == Disposition.REFUSED
    )
    waiting = select_waiting_epochs(epoch).subquery()
    latest = select(func.coalesce(func.max(waiting.c.epoch), 0))
    row = (await connection.execute(select(refused.scalar_subquery(), latest.scalar_subquery()))).one()
    return row[0], row[1]


async def _missing(connection: AsyncConnection, epoch: int, cumulative: int) -> Sequence[tuple[int, int]]:
    """The gaps between the numbers above the cumulative one."""
    before = func.lag(_T.sequence, 1, cumulative).over(order_by=_T.sequence)
    above = (
        select(_T.sequence, before.label("before"))
        .where(_T.direction == INCOMING, _T.epoch == epoch, _T.sequence > cumulative)
        .subquery()
    )
    found = (
        select(above.c.before + literal_column("1"), above.c.sequence - literal_column("1"))
        .where(above.c.sequence > above.c.before + literal_column("1"))
        .order_by(above.c.sequence)
    )
    return [(first, last) for first, last in await connection.execute(found)]


_T = stream_bundles.c
