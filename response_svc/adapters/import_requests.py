"""Where the records of a requests bundle go: into the queue, each request once, and cancellations beside them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from airlock.bundle.v1.record_pb2 import Cancellation, Record, Request

from response_svc.adapters.copy_requests import copy_requests
from response_svc.adapters.queue import notify_interrupted
from transfer.errors import MalformedRecordError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from airlock.bundle.v1.frame_pb2 import ResultChunk
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.ports import IncomingBatch, SinkFactory
    from common.database.transaction import Transaction

FLUSH_ROWS = 4096
FLUSH_BYTES = 4 * 1024 * 1024

# Ids are joined and not compared by `= ANY`: a generic plan may turn that into a comparison of each row with each id.
# They go both ways as bytes, which saves an object for each.
KNOWN = """
SELECT uuid_send(r.original_request_id) AS id, r.import_batch_id IS DISTINCT FROM %(batch)b AS came_before
FROM unnest(%(request_ids)b::bytea[]) AS asked (id)
JOIN incoming_requests r ON r.original_request_id = encode(asked.id, 'hex')::uuid
"""
INSERT_CANCELLATIONS = """
INSERT INTO cancellations (request_id, cancelled_at, import_batch_id)
SELECT request_id, timestamptz 'epoch' + micros * interval '1 microsecond', %(batch)b
FROM unnest(%(request_ids)b::uuid[], %(micros)b::bigint[]) AS row (request_id, micros)
ON CONFLICT (request_id) DO NOTHING
"""
# A running execution notices by its lease, which is taken away here, and is told to look at once.
CANCEL_NAMED = """
UPDATE incoming_requests r
SET status = 'cancelled', completed_at = now(), retry_at = NULL, lease_owner = NULL, lease_expires_at = NULL
FROM unnest(%(request_ids)b::uuid[]) AS named (id)
WHERE r.original_request_id = named.id AND r.status IN ('pending', 'retry', 'processing')
"""
CANCEL_ARRIVED = """
UPDATE incoming_requests r SET status = 'cancelled', completed_at = now()
FROM cancellations c
WHERE r.import_batch_id = %(batch)b AND r.status = 'pending' AND c.request_id = r.original_request_id
RETURNING r.original_request_id, c.import_batch_id IS DISTINCT FROM %(batch)b AS cancelled_before
"""
SEND_AGAIN = """
UPDATE query_results q SET export_batch_id = NULL, exported_at = NULL, acknowledged_at = NULL
FROM unnest(%(request_ids)b::uuid[]) AS asked (id)
WHERE q.original_request_id = asked.id AND q.exported_at IS NOT NULL
"""
ANSWER_CANCELLED = """
INSERT INTO query_results (request_id, original_request_id, outcome)
SELECT DISTINCT r.id, r.original_request_id, 'cancelled'
FROM unnest(%(request_ids)b::uuid[]) AS asked (id) JOIN incoming_requests r ON r.original_request_id = asked.id
WHERE r.status = 'cancelled'
ON CONFLICT (request_id) DO NOTHING
"""


class RequestsSink:
    """Applies one requests bundle. A request that is here already is counted, and what became of it is sent again."""

    def __init__(self, batch: IncomingBatch, wake: Callable[[int], Awaitable[None]]) -> None:
        self._batch = batch
        self._wake = wake
        self._requests: list[tuple[Request, bytes]] = []
        self._cancellations: list[Cancellation] = []
        self._waiting_bytes = 0
        self._repeated: list[UUID] = []
        self._received = 0
        self._inserted = 0
        self._received_cancellations = 0
        self._cancelled = 0

    async def apply(self, transaction: Transaction, pieces: Sequence[Record | ResultChunk]) -> None:
        """Takes the records and writes them some thousands at a time."""
        for piece in pieces:
            self._take(piece)
        if len(self._requests) >= FLUSH_ROWS or self._waiting_bytes >= FLUSH_BYTES:
            await self._write_requests(transaction.connection)
        if len(self._cancellations) >= FLUSH_ROWS:
            await self._write_cancellations(transaction.connection)

    def _take(self, piece: Record | ResultChunk) -> None:
        if isinstance(piece, Record) and piece.HasField("request"):
            search = piece.request.search.SerializeToString()
            self._requests.append((piece.request, search))
            self._waiting_bytes += len(search)
        elif isinstance(piece, Record) and piece.HasField("cancellation"):
            self._cancellations.append(piece.cancellation)
        else:
            raise MalformedRecordError("A requests bundle holds requests and cancellations only.")

    async def finish(self, transaction: Transaction) -> dict[str, int]:
        """Writes the rest, lets cancellations meet their requests, and has answers sent again where they are missed."""
        connection = transaction.connection
        await self._write_requests(connection)
        await self._write_cancellations(connection)
        await self._cancel_arrived(connection)
        sent_again = await self._send_again(connection)
        if self._inserted:
            transaction.after_commit(partial(self._wake, self._inserted))
        return {
            "inserted": self._inserted,
            "repeated": self._received - self._inserted,
            "cancellations": self._received_cancellations,
            "cancelled": self._cancelled,
            "sent_again": sent_again,
        }

    async def _write_requests(self, connection: AsyncConnection) -> None:
        """Copies in what is not known yet.

        Looking first and then copying takes less of the server than INSERT … ON CONFLICT. Imports hold the stream's row
        lock, so nobody comes between; if one did, the unique index would roll this bundle back until the next scan.
        """
        if not self._requests:
            return
        fresh = {request.id: (request, search) for request, search in self._requests}
        batch_id = self._batch.batch_id
        known = await connection.exec_driver_sql(KNOWN, {"request_ids": list(fresh), "batch": batch_id})
        for row in known.all():
            del fresh[row.id]
            if row.came_before:
                self._repeated.append(UUID(bytes=row.id))
        if fresh:
            await copy_requests(connection, fresh.values(), batch_id)
        self._received += len(self._requests)
        self._inserted += len(fresh)
        self._requests, self._waiting_bytes = [], 0

    async def _write_cancellations(self, connection: AsyncConnection) -> None:
        if not self._cancellations:
            return
        ids = [UUID(bytes=cancellation.request_id) for cancellation in self._cancellations]
        micros = [cancellation.cancelled_at_micros for cancellation in self._cancellations]
        batch_id = self._batch.batch_id
        await connection.exec_driver_sql(
            INSERT_CANCELLATIONS, {"batch": batch_id, "request_ids": ids, "micros": micros}
        )
        cancelled = (await connection.exec_driver_sql(CANCEL_NAMED, {"request_ids": ids})).rowcount
        if cancelled:
            await notify_interrupted(connection)
        self._cancelled += cancelled
        self._received_cancellations += len(ids)
        self._cancellations = []

    async def _cancel_arrived(self, connection: AsyncConnection) -> None:
        """Ends arrived requests whose cancellation is here; one cancelled before is one that the sender waits for."""
        if not self._inserted:
            return
        rows = (await connection.exec_driver_sql(CANCEL_ARRIVED, {"batch": self._batch.batch_id})).all()
        self._cancelled += len(rows)
        self._repeated += [row.original_request_id for row in rows if row.cancelled_before]

    async def _send_again(self, connection: AsyncConnection) -> int:
        if not self._repeated:
            return 0
        ids = {"request_ids": self._repeated}
        again = await connection.exec_driver_sql(SEND_AGAIN, ids)
        cancelled = await connection.exec_driver_sql(ANSWER_CANCELLED, ids)
        return again.rowcount + cancelled.rowcount


def requests_sinks(wake: Callable[[int], Awaitable[None]]) -> SinkFactory:
    """Makes the sink for each requests bundle. `wake` tells the executors how much work there is, after the commit."""

    def make(batch: IncomingBatch) -> RequestsSink:
        return RequestsSink(batch, wake)

    return make
