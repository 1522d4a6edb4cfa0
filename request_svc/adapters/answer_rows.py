"""The statements by which answers reach the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import ARRAY, Uuid, any_, cast, select, update

from request_svc.adapters.answer_cache import MAX_CACHED_BYTES, cache_key
from request_svc.adapters.tables import requests, result_chunks
from request_svc.adapters.wire import from_micros
from request_svc.domain.answer_fate import Fate, fate_of
from request_svc.domain.status import RequestStatus
from transfer.errors import MalformedRecordError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.ports import IncomingBatch
    from request_svc.adapters.incoming_answer import IncomingAnswer

MAX_RETRY_COUNT: Final = 5


_COLUMNS: Final = {
    "request_id": "uuid",
    "status": "text",
    "result_data": "text",
    "result_bytes": "int8",
    "result_sha256": "bytea",
    "result_count": "int8",
    "execution_time_ms": "int8",
    "engine_took_ms": "int8",
    "executed_at": "timestamptz",
    "is_cached": "bool",
    "is_partial": "bool",
    "cache_key": "text",
    "retry_count": "int4",
    "failure_reason": "text",
    "error_message": "text",
}
_ARRAYS: Final = ", ".join(f"%({name})b::{kind}[]" for name, kind in _COLUMNS.items())
_STORE: Final = f"""
WITH input AS (SELECT * FROM unnest({_ARRAYS}) AS input ({", ".join(_COLUMNS)})),
stored AS (
    INSERT INTO responses (
        request_id, outcome, result_data, result_bytes, result_sha256, result_count, execution_time_ms, engine_took_ms,
        executed_at, is_cached, is_partial, cache_key, sealed_at, received_at, import_batch_id, import_sequence
    )
    SELECT request_id, status, result_data::json, result_bytes, result_sha256, result_count, execution_time_ms,
        engine_took_ms, executed_at, is_cached, is_partial, cache_key, %(sealed_at)b::timestamptz,
        %(received_at)b::timestamptz, %(batch_id)b::uuid, %(sequence)b::int8
    FROM input WHERE status <> 'cancelled'
    ON CONFLICT (request_id) DO NOTHING
)
UPDATE requests SET status = input.status, retry_count = input.retry_count, failure_reason = input.failure_reason,
    error_message = input.error_message,
    result_received_at = CASE WHEN input.status <> 'cancelled' THEN %(received_at)b::timestamptz END,
    cancelled_at = CASE WHEN input.status = 'cancelled' THEN %(received_at)b::timestamptz END
FROM input WHERE requests.id = input.request_id
"""  # noqa: S608 - the names are the constants above; every value is a parameter.


async def fates(connection: AsyncConnection, answers: Sequence[IncomingAnswer]) -> list[Fate]:
    """What becomes of each answer, in order. Their requests are locked until the transaction ends."""
    ids = sorted({answer.request_id for answer in answers})
    statement = (
        select(requests.c.id, requests.c.status)
        .where(requests.c.id == any_(cast(ids, ARRAY(Uuid))))
        .order_by(requests.c.id)
        .with_for_update()
    )
    states = {row.id: RequestStatus(row.status) for row in await connection.execute(statement)}
    decided = []
    for answer in answers:
        fate = fate_of(answer.status, states.get(answer.request_id))
        if fate is Fate.APPLIED:
            states[answer.request_id] = answer.status
        decided.append(fate)
    return decided


async def store(connection: AsyncConnection, answers: Sequence[IncomingAnswer], batch: IncomingBatch) -> None:
    """Stores answers whose fate is to be applied, and ends their requests."""
    rows = [await _row(connection, answer) for answer in answers]
    values: dict[str, Any] = {name: [row[name] for row in rows] for name in _COLUMNS}
    values["sealed_at"] = batch.sealed_at
    values["received_at"] = batch.received_at
    values["batch_id"] = batch.batch_id
    values["sequence"] = batch.sequence
    await connection.exec_driver_sql(_STORE, values)


async def store_chunk(connection: AsyncConnection, request_id: UUID, number: int, data: bytes) -> None:
    """Stores one piece of a long answer."""
    await connection.execute(result_chunks.insert().values(id=request_id, n=number, data=data))


async def confirm_cancellations(connection: AsyncConnection, ids: Sequence[UUID], at: datetime) -> None:
    """The other network says that it gave these requests up."""
    await connection.execute(
        update(requests)
        .where(requests.c.id == any_(cast(list(ids), ARRAY(Uuid))), requests.c.cancel_acknowledged_at.is_(None))
        .values(cancel_acknowledged_at=at, cancel_pending=False)
    )


async def _row(connection: AsyncConnection, answer: IncomingAnswer) -> dict[str, Any]:
    response = answer.response
    failed = answer.status is RequestStatus.FAILED
    return {
        "request_id": answer.request_id,
        "status": str(answer.status),
        "result_data": await _text_or_chunk(connection, answer),
        "result_bytes": response.total_length,
        "result_sha256": response.sha256 or None,
        "result_count": response.result_count,
        "execution_time_ms": response.execution_time_ms,
        "engine_took_ms": response.engine_took_ms,
        "executed_at": _executed_at(response.executed_at_micros),
        "is_cached": response.cache_hit,
        "is_partial": response.partial,
        "cache_key": cache_key(answer.request_id) if 0 < response.total_length <= MAX_CACHED_BYTES else None,
        "retry_count": min(max(response.executions - 1, 0), MAX_RETRY_COUNT),
        "failure_reason": None if answer.failure_reason is None else str(answer.failure_reason),
        # PostgreSQL's text holds no U+0000.
        "error_message": response.message.replace("\0", "\ufffd") if failed else None,
    }


async def _text_or_chunk(connection: AsyncConnection, answer: IncomingAnswer) -> str | None:
    """The text of a short answer for the json column; what is not JSON is kept all the same, as a piece of bytes."""
    if not answer.is_short or not answer.received:
        return None
    data = answer.held
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        await store_chunk(connection, answer.request_id, 0, data)
        return None
    return data.decode()


def _executed_at(micros: int) -> datetime | None:
    try:
        return from_micros(micros)
    except OverflowError:
        raise MalformedRecordError("A response was executed beyond the year 9999.") from None
