"""Where bundles of requests come from: pending requests by urgency, and cancellations that must travel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airlock.bundle.v1.record_pb2 import Cancellation, Record
from airlock.bundle.v1.record_pb2 import Request as RequestRecord
from airlock.common.v1 import network_pb2
from sqlalchemy import ARRAY, Uuid, any_, case, cast, func, null, select, text, true, update

from request_svc.adapters.changes import notify_changes
from request_svc.adapters.tables import requests
from request_svc.adapters.wire import micros, varint
from request_svc.domain.status import RequestStatus, sources_of
from transfer.bundle.limits import MAX_BATCH_PAYLOAD, MAX_BATCH_RECORDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from airlock.bundle.v1.frame_pb2 import ResultChunk
    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.ports import OutgoingBatch

RECORD_OVERHEAD: Final = 1024
"""Bytes of a record beside its search, at most: index, trace id, ids, times and framing."""
FETCH_BYTES: Final = 1024 * 1024
"""About how much of the searches is in memory at a time."""
MAX_FETCH_ROWS: Final = 128

# Records are written without parsing the stored search again: field 15 of Request is length-delimited and comes last.
_SEARCH_TAG: Final = bytes([15 << 3 | 2])
_REQUEST_TAG: Final = bytes([1 << 3 | 2])

_CLAIM = text(
    """
    WITH candidates AS (
        SELECT id, priority, created_at, octet_length(search) + :overhead AS length FROM requests
        WHERE status = 'pending' ORDER BY priority DESC, created_at, id LIMIT :records FOR UPDATE SKIP LOCKED
    ), measured AS (
        SELECT id, sum(length) OVER (ORDER BY priority DESC, created_at, id) AS total FROM candidates
    )
    UPDATE requests SET status = 'queued', export_batch_id = :batch_id, export_sequence = :sequence
    FROM measured WHERE requests.id = measured.id AND measured.total <= :bytes
    """
)
_CLAIM_CANCELLATIONS = text(
    """
    WITH candidates AS (
        SELECT id FROM requests WHERE cancel_pending ORDER BY cancelled_at, id LIMIT :records FOR UPDATE SKIP LOCKED
    )
    UPDATE requests SET cancel_pending = false, cancel_batch_id = :batch_id
    FROM candidates WHERE requests.id = candidates.id
    """
)


class RequestExportSource:
    """`ExportSource` for bundles of requests."""

    @property
    def kind(self) -> BundleKind.ValueType:
        """See the port."""
        return network_pb2.BUNDLE_KIND_REQUESTS

    async def claim(self, connection: AsyncConnection, batch: OutgoingBatch) -> int:
        """See the port. At most 500 records and 64 MiB; what another run holds is left to it."""
        values = {"batch_id": batch.batch_id, "records": MAX_BATCH_RECORDS}
        size = {"overhead": RECORD_OVERHEAD, "bytes": MAX_BATCH_PAYLOAD, "sequence": batch.sequence}
        claimed = (await connection.execute(_CLAIM, {**values, **size})).rowcount
        room = {**values, "records": MAX_BATCH_RECORDS - claimed}
        cancellations = (await connection.execute(_CLAIM_CANCELLATIONS, room)).rowcount
        if claimed:
            await notify_changes(connection)
        return claimed + cancellations

    async def pieces(
        self, connection: AsyncConnection, batch: OutgoingBatch
    ) -> AsyncIterator[Sequence[bytes | ResultChunk]]:
        """See the port. Nothing that is read here changes while a batch holds the row, so the bytes are the same."""
        questions = (
            select(
                *(requests.c[name] for name in ("id", "user_id", "index_name", "priority", "created_at", "not_after")),
                *(requests.c[name] for name in ("accept_partial", "trace_id", "search")),
            )
            .where(requests.c.export_batch_id == batch.batch_id)
            .order_by(requests.c.priority.desc(), requests.c.created_at, requests.c.id)
            .execution_options(yield_per=await _rows_at_a_time(connection, batch))
        )
        # Not `async with`: that of SQLAlchemy takes the end of this generator for one of its own and lets it run on.
        rows = await connection.stream(questions)
        try:
            async for part in rows.partitions():
                yield [request_record(row) for row in part]
        finally:
            await rows.close()
        cancellations = (
            select(requests.c.id, requests.c.cancelled_at)
            .where(requests.c.cancel_batch_id == batch.batch_id)
            .order_by(requests.c.cancelled_at, requests.c.id)
        )
        records = [cancellation_record(row) for row in await connection.execute(cancellations)]
        if records:
            yield records

    async def sealed(self, connection: AsyncConnection, batch: OutgoingBatch) -> None:
        """See the port. A request that was cancelled meanwhile keeps its state; it is in the file all the same."""
        statement = (
            update(requests)
            .where(requests.c.export_batch_id == batch.batch_id)
            .values(
                exported_at=func.coalesce(requests.c.exported_at, func.now()), status=_advance(RequestStatus.EXPORTED)
            )
        )
        await connection.execute(statement)
        await notify_changes(connection)

    async def acknowledged(self, connection: AsyncConnection, batch_ids: Sequence[UUID], at: datetime) -> None:
        """See the port."""
        await connection.execute(
            update(requests)
            .where(requests.c.export_batch_id == _any(batch_ids), requests.c.acknowledged_at.is_(None))
            .values(acknowledged_at=at, status=_advance(RequestStatus.PROCESSING))
        )
        await connection.execute(
            update(requests)
            .where(requests.c.cancel_batch_id == _any(batch_ids), requests.c.cancel_acknowledged_at.is_(None))
            .values(cancel_acknowledged_at=at)
        )
        await notify_changes(connection)

    async def released(self, connection: AsyncConnection, batch_ids: Sequence[UUID]) -> None:
        """See the port. Ended requests keep their bundle; a cancellation that was not acknowledged is due again."""
        await self._claim_again(
            connection, requests.c.export_batch_id == _any(batch_ids), requests.c.cancel_batch_id == _any(batch_ids)
        )

    async def begin_again(self, connection: AsyncConnection) -> None:
        """See the port. The other network may know of an open request and answers it again; of one it may not."""
        await self._claim_again(connection, true(), requests.c.cancel_batch_id.is_not(None))

    @staticmethod
    async def _claim_again(
        connection: AsyncConnection, asked: ColumnElement[bool], cancelled: ColumnElement[bool]
    ) -> None:
        await connection.execute(
            update(requests)
            .where(asked, requests.c.status.in_(sources_of(RequestStatus.PENDING)))
            .values(
                status=RequestStatus.PENDING,
                travelled_before=true(),
                export_batch_id=null(),
                export_sequence=null(),
                exported_at=null(),
                acknowledged_at=null(),
            )
        )
        await connection.execute(
            update(requests)
            .where(cancelled, requests.c.cancel_acknowledged_at.is_(None))
            .values(cancel_pending=requests.c.status == RequestStatus.CANCELLED, cancel_batch_id=null())
        )
        await notify_changes(connection)


async def _rows_at_a_time(connection: AsyncConnection, batch: OutgoingBatch) -> int:
    longest = select(func.max(func.octet_length(requests.c.search))).where(requests.c.export_batch_id == batch.batch_id)
    length = await connection.scalar(longest)
    return max(1, min(MAX_FETCH_ROWS, FETCH_BYTES // (length or 1)))


def request_record(row: Row[*tuple[Any, ...]]) -> bytes:
    """The serialised Record of a stored request, its search appended as it is stored."""
    message = RequestRecord(
        id=row.id.bytes,
        user_id=row.user_id.bytes,
        index=row.index_name,
        priority=row.priority,
        created_at_micros=micros(row.created_at),
        not_after_micros=0 if row.not_after is None else micros(row.not_after),
        accept_partial=row.accept_partial,
        trace_id=row.trace_id,
    ).SerializeToString(deterministic=True)
    search = bytes(row.search)
    request = b"".join((message, _SEARCH_TAG, varint(len(search)), search))
    return b"".join((_REQUEST_TAG, varint(len(request)), request))


def cancellation_record(row: Row[*tuple[Any, ...]]) -> bytes:
    """The serialised Record of a cancellation."""
    cancellation = Cancellation(request_id=row.id.bytes, cancelled_at_micros=micros(row.cancelled_at))
    return Record(cancellation=cancellation).SerializeToString(deterministic=True)


def _advance(target: RequestStatus) -> ColumnElement[str]:
    """`target` where the row's state allows the step, the same state elsewhere."""
    return case((requests.c.status.in_(sources_of(target)), target.value), else_=requests.c.status)


def _any(ids: Sequence[UUID]) -> ColumnElement[Any]:
    return any_(cast(list(ids), ARRAY(Uuid)))
