"""Writes arrived requests through PostgreSQL's COPY, in its binary format, straight from the records' own bytes.

The format (PostgreSQL documentation, COPY, "Binary Format"): a signature, then for each row the number of fields and
each field's length and bytes, then -1. Making driver objects of each row first would cost more than all else here.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy.exc import DBAPIError

from common.search.kind import query_type

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from airlock.bundle.v1.record_pb2 import Request
    from sqlalchemy.ext.asyncio import AsyncConnection

STATEMENT = """
COPY incoming_requests (original_request_id, user_id, import_batch_id, accept_partial, priority, requested_at,
                        not_after, index_name, query_type, trace_id, search) FROM STDIN (FORMAT binary)
"""
SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
FIELDS = 11
# The fields of fixed length, each behind its length: three ids, a boolean, a small integer, one time or two.
WITHOUT_LIMIT = Struct(">h i16s i16s i16s i? ih iq i")
WITH_LIMIT = Struct(">h i16s i16s i16s i? ih iq iq")
LENGTH = Struct(">i")
NULL = -1
# PostgreSQL counts microseconds from the year 2000, records from 1970.
YEAR_2000_MICROS = 946_684_800_000_000
# The end of the year 9999. PostgreSQL can keep later times, but no datetime can hold them when they are read.
LATEST_MICROS = 253_402_300_799_999_999
WRITE_BYTES = 128 * 1024


async def copy_requests(connection: AsyncConnection, requests: Iterable[tuple[Request, bytes]], batch_id: UUID) -> None:
    """Adds the requests, each with its serialised search, in the connection's open transaction.

    They must not be there yet: a known one breaks the unique index and with it the transaction. Raises SQLAlchemy's
    errors, as every other statement does.
    """
    try:
        await copy_rows(connection, requests, batch_id.bytes)
    except psycopg.Error as error:
        raise DBAPIError.instance(STATEMENT, None, error, psycopg.Error, hide_parameters=True) from error


async def copy_rows(connection: AsyncConnection, requests: Iterable[tuple[Request, bytes]], batch: bytes) -> None:
    """Streams the rows to the server, some at a time. Raises the driver's own errors."""
    raw = await connection.get_raw_connection()
    driver: psycopg.AsyncConnection[Any] = raw.driver_connection  # type: ignore[assignment]  # our only driver is psycopg.
    waiting = bytearray(SIGNATURE)
    async with driver.cursor() as cursor, cursor.copy(STATEMENT) as copy:
        for request, search in requests:
            waiting += row(request, search, batch)
            if len(waiting) >= WRITE_BYTES:
                # The server inserts these while the next rows are made.
                await copy.write(bytes(waiting))
                waiting.clear()
        await copy.write(bytes(waiting + END))


def row(request: Request, search: bytes, batch: bytes) -> bytes:
    """One request as a row of COPY's binary format."""
    fixed = (
        FIELDS, 16, request.id, 16, request.user_id, 16, batch, 1, request.accept_partial, 2, request.priority,
        8, min(request.created_at_micros, LATEST_MICROS) - YEAR_2000_MICROS,
    )  # fmt: skip
    limit = min(request.not_after_micros, LATEST_MICROS)
    head = WITH_LIMIT.pack(*fixed, 8, limit - YEAR_2000_MICROS) if limit else WITHOUT_LIMIT.pack(*fixed, NULL)
    texts = (request.index.encode(), query_type(request.search).encode(), request.trace_id.encode(), search)
    return head + b"".join(part for text in texts for part in (LENGTH.pack(len(text)), text))
