"""Where response bundles come from: final answers that no bundle carries yet, read a piece at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airlock.bundle.v1.frame_pb2 import ResultChunk
from airlock.bundle.v1.record_pb2 import OUTCOME_CANCELLED, OUTCOME_COMPLETED, OUTCOME_FAILED, Record, Response
from airlock.common.v1.failure_reason_pb2 import FailureReason as FailureReasonMessage
from airlock.common.v1.network_pb2 import BUNDLE_KIND_RESPONSES
from sqlalchemy import Text, cast, func, literal, select, update

from response_svc.adapters.end_writer import CHUNK_BYTES
from response_svc.adapters.tables import query_results, result_chunks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from uuid import UUID

    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.ports import OutgoingBatch

MAX_RECORDS = 500
# 64 MiB is the limit of the payload; the rest is for the acknowledgements before the records.
MAX_BYTES = 62 * 1024 * 1024
# What a record and the heads of its chunks add to the answer's own bytes, generously.
RECORD_BYTES = 1024
INLINE_BYTES = 128 * 1024
READ_BYTES = 1024 * 1024

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OUTCOMES = {"completed": OUTCOME_COMPLETED, "failed": OUTCOME_FAILED, "cancelled": OUTCOME_CANCELLED}

results = query_results.c


class ResponsesSource:
    """The RESPONSES source. A claimed answer names its batch and is never changed, so a batch reads the same again."""

    @property
    def kind(self) -> BundleKind.ValueType:
        """Responses."""
        return BUNDLE_KIND_RESPONSES

    async def claim(self, connection: AsyncConnection, batch: OutgoingBatch) -> int:
        """Claims the oldest unclaimed answers, at most 500 and as many as fit 64 MiB by their stored lengths."""
        statement = (
            select(results.id, results.total_length, func.octet_length(results.message).label("message_length"))
            .where(results.export_batch_id.is_(None))
            .order_by(results.executed_at, results.id)
            .limit(MAX_RECORDS)
            .with_for_update(skip_locked=True)
        )
        fitting = list(those_that_fit((await connection.execute(statement)).all()))
        if fitting:
            await connection.execute(
                update(query_results)
                .where(results.id == func.any(fitting))
                .values(export_batch_id=batch.batch_id, exported_at=None, acknowledged_at=None)
            )
        return len(fitting)

    async def pieces(
        self, connection: AsyncConnection, batch: OutgoingBatch
    ) -> AsyncIterator[Sequence[bytes | ResultChunk]]:
        """The claimed answers in the order of their execution, some records at a time and long answers by pieces."""
        statement = (
            select(results.id, results.total_length)
            .where(results.export_batch_id == batch.batch_id)
            .order_by(results.executed_at, results.id)
        )
        for group in groups((await connection.execute(statement)).all()):
            records: list[bytes | ResultChunk] = []
            for row in await read_rows(connection, group):
                if row.total_length <= CHUNK_BYTES:
                    records += short_answer(row)
                    continue
                async for chunk in long_answer(connection, row):
                    yield [chunk]
            if records:
                yield records

    async def sealed(self, connection: AsyncConnection, batch: OutgoingBatch) -> None:
        """The claimed answers count as exported."""
        await self._mark(connection, [batch.batch_id], exported_at=func.now())

    async def acknowledged(self, connection: AsyncConnection, batch_ids: Sequence[UUID], at: datetime) -> None:
        """The other network holds these answers."""
        await self._mark(connection, batch_ids, acknowledged_at=at)

    async def released(self, connection: AsyncConnection, batch_ids: Sequence[UUID]) -> None:
        """Answers that the other network does not hold are to be claimed again."""
        await self._mark(connection, batch_ids, export_batch_id=None, exported_at=None)

    async def begin_again(self, connection: AsyncConnection) -> None:
        """Answers that the other network never confirmed are to be claimed again; the others are asked for by it."""
        await connection.execute(
            update(query_results)
            .where(results.export_batch_id.is_not(None), results.acknowledged_at.is_(None))
            .values(export_batch_id=None, exported_at=None)
        )

    @staticmethod
    async def _mark(connection: AsyncConnection, batch_ids: Sequence[UUID], **values: Any) -> None:  # noqa: ANN401
        await connection.execute(
            update(query_results)
            .where(results.export_batch_id == func.any(list(batch_ids)), results.acknowledged_at.is_(None))
            .values(**values)
        )


def those_that_fit(rows: Sequence[Row[*tuple[Any, ...]]]) -> Iterator[UUID]:
    """The ids of the first answers, as long as they stay within a bundle's payload together."""
    room = MAX_BYTES
    for row in rows:
        room -= row.total_length + (row.message_length or 0) + RECORD_BYTES
        if room < 0:
            return
        yield row.id


def groups(rows: Sequence[Row[*tuple[Any, ...]]]) -> Iterator[list[UUID]]:
    """Ids in order: short answers together up to 1 MiB, each long one alone."""
    group: list[UUID] = []
    size = 0
    for row in rows:
        alone = row.total_length > CHUNK_BYTES
        if group and (alone or size + row.total_length > READ_BYTES):
            yield group
            group, size = [], 0
        group.append(row.id)
        size += row.total_length
        if alone:
            yield group
            group, size = [], 0
    if group:
        yield group


async def read_rows(connection: AsyncConnection, ids: Sequence[UUID]) -> Sequence[Row[*tuple[Any, ...]]]:
    """The results with these ids, in order; short answers as bytes, past any JSON loader."""
    body = func.convert_to(cast(results.result_data, Text), literal("UTF8")).label("body")
    columns = [column for column in results if column is not results.result_data]
    statement = select(*columns, body).where(results.id == func.any(list(ids)))
    return (await connection.execute(statement.order_by(results.executed_at, results.id))).all()


def short_answer(row: Row[*tuple[Any, ...]]) -> Iterator[bytes | ResultChunk]:
    """The record of an answer that is at hand, and what goes beyond a record."""
    body: bytes = row.body or b""
    yield record_of(row, body[:INLINE_BYTES])
    if len(body) > INLINE_BYTES:
        yield chunk_of(row, INLINE_BYTES, body[INLINE_BYTES:])


async def long_answer(connection: AsyncConnection, row: Row[*tuple[Any, ...]]) -> AsyncIterator[bytes | ResultChunk]:
    """The record and the pieces of an answer that is kept in chunks, one chunk in memory at a time."""
    for n, offset in enumerate(range(0, row.total_length, CHUNK_BYTES)):
        statement = select(result_chunks.c.data).where(result_chunks.c.id == row.id, result_chunks.c.n == n)
        data: bytes = (await connection.execute(statement)).scalar_one()
        if n == 0:
            yield record_of(row, data[:INLINE_BYTES])
            yield chunk_of(row, INLINE_BYTES, data[INLINE_BYTES:])
        else:
            yield chunk_of(row, offset, data)


def record_of(row: Row[*tuple[Any, ...]], data: bytes) -> bytes:
    """The serialised record of an answer that begins with `data`."""
    response = Response(
        request_id=row.original_request_id.bytes,
        outcome=OUTCOMES[row.outcome],
        message=row.message or "",
        result_count=min(row.result_count, 0xFFFFFFFF),
        execution_time_ms=row.execution_time_ms,
        engine_took_ms=row.elasticsearch_took_ms,
        cache_hit=row.cache_hit,
        partial=row.partial,
        executions=row.executions,
        executed_at_micros=(row.executed_at - EPOCH) // timedelta(microseconds=1),
        total_length=row.total_length,
        sha256=(row.sha256 or b"") if row.total_length else b"",
        data=data,
    )
    if row.failure_reason:
        response.failure_reason = FailureReasonMessage.Value(f"FAILURE_REASON_{row.failure_reason.upper()}")
    return Record(response=response).SerializeToString()


def chunk_of(row: Row[*tuple[Any, ...]], offset: int, data: bytes) -> ResultChunk:
    """A piece of the answer."""
    return ResultChunk(request_id=row.original_request_id.bytes, offset=offset, data=data)
