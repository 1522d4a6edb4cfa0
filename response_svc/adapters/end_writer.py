"""Final ends of requests, written in groups: their new states and their results in one statement and one commit."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import psycopg
from sqlalchemy import text

from common.database.grouping import Grouping
from response_svc.domain.incoming_request import Answer, FinalEnd
from response_svc.ports import UnstorableAnswerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.database.transaction import Database

CHUNK_BYTES: Final = 256 * 1024
"""Also the longest answer that is kept in one value."""
MAX_GROUP_ENDS: Final = 64
MAX_GROUP_BYTES: Final = 1024 * 1024

_COLUMNS: Final = {
    "row_id": "uuid",
    "lease": "uuid",
    "status": "text",
    "outcome": "text",
    "reason": "text",
    "message": "text",
    "params": "text",
    "body": "text",
    "length": "int8",
    "sha256": "bytea",
    "count": "int8",
    "execution_ms": "int8",
    "took_ms": "int8",
    "cache_hit": "bool",
    "partial": "bool",
    "executions": "int4",
}
_ARRAYS: Final = ", ".join(f"%({name})b::{kind}[]" for name, kind in _COLUMNS.items())
# A request whose lease was lost has no row in `finished`, and so no result.
_WRITE: Final = f"""
WITH ended AS (SELECT * FROM unnest({_ARRAYS}) AS ended ({", ".join(_COLUMNS)})),
finished AS (
    UPDATE incoming_requests r
    SET status = ended.status, completed_at = now(), failure_reason = ended.reason, error_message = ended.message,
        query_params = ended.params::json, lease_owner = NULL, lease_expires_at = NULL
    FROM ended WHERE r.id = ended.row_id AND r.lease_owner = ended.lease AND r.status = 'processing'
    RETURNING r.id, r.original_request_id
)
INSERT INTO query_results (request_id, original_request_id, outcome, failure_reason, message, result_data,
                           total_length, sha256, result_count, execution_time_ms, elasticsearch_took_ms, cache_hit,
                           partial, executions)
SELECT finished.id, original_request_id, outcome, reason, message, body::json, length, sha256, count, execution_ms,
       took_ms, cache_hit, partial, executions
FROM finished JOIN ended ON ended.row_id = finished.id
RETURNING request_id, id
"""  # noqa: S608 - the names are the constants above; every value is a parameter.


_CHUNK: Final = text("INSERT INTO result_chunks (id, n, data) VALUES (:id, :n, :data)")


class GroupedEndWriter:
    """`EndWriter` on PostgreSQL. No driver's JSON loader ever sees an answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._direct = database.direct()
        self._ends: Grouping[FinalEnd, bool] = Grouping(
            self._written, most_parts=MAX_GROUP_ENDS, most_size=MAX_GROUP_BYTES
        )

    async def write(self, end: FinalEnd) -> bool:
        """See the port."""
        return await (self._write_long(end) if _is_long(end) else self._ends.do(end, size=_length(end)))

    async def _written(self, ends: Sequence[FinalEnd]) -> Sequence[bool | Exception]:
        """Raises psycopg.OperationalError where the database went away; then nobody knows whether they are written."""
        try:
            written = {row[0] for row in await self._direct.fetch(_WRITE, _values(ends))}
        except (psycopg.Error, UnicodeDecodeError) as error:
            if isinstance(error, psycopg.OperationalError) and not isinstance(error, psycopg.errors.DeadlockDetected):
                raise
            if len(ends) == 1:
                return [_unstorable(error) if isinstance(error, psycopg.DataError | UnicodeDecodeError) else error]
        else:
            return [end.claimed.row_id in written for end in ends]
        # One answer that is no JSON harms no other, nor does a cancellation that locks the same requests.
        return [outcome for end in ends for outcome in await self._written([end])]

    async def _write_long(self, end: FinalEnd) -> bool:
        """One whose answer has several pieces, each sent by itself so that no copy of the whole is made."""
        assert isinstance(end.outcome, Answer), "a failure is short"
        view = memoryview(end.outcome.body)
        async with self._database.transaction() as transaction:
            connection = transaction.connection
            row = (await connection.exec_driver_sql(_WRITE, _values([end]))).one_or_none()
            if row is None:
                return False
            for n, offset in enumerate(range(0, len(view), CHUNK_BYTES)):
                chunk = {"id": row.id, "n": n, "data": bytes(view[offset : offset + CHUNK_BYTES])}
                await connection.execute(_CHUNK, chunk)
        return True


def _length(end: FinalEnd) -> int:
    return len(end.outcome.body) if isinstance(end.outcome, Answer) else 0


def _is_long(end: FinalEnd) -> bool:
    return _length(end) > CHUNK_BYTES


def _values(ends: Sequence[FinalEnd]) -> dict[str, list[Any]]:
    rows = [_row(end) for end in ends]
    return {name: [row[name] for row in rows] for name in _COLUMNS}


def _unstorable(error: Exception) -> UnstorableAnswerError:
    unstorable = UnstorableAnswerError()
    unstorable.__cause__ = error
    return unstorable


def _row(end: FinalEnd) -> dict[str, Any]:
    answer = end.outcome if isinstance(end.outcome, Answer) else None
    failure = None if isinstance(end.outcome, Answer) else end.outcome
    short = not _is_long(end)
    return {
        "row_id": end.claimed.row_id,
        "lease": end.claimed.lease,
        "status": end.status.value,
        "outcome": "completed" if answer is not None else "failed",
        "reason": failure.reason.value if failure is not None else None,
        "message": failure.message if failure is not None else None,
        "params": end.query_params.decode() if end.query_params else None,
        "body": answer.body.decode() if answer is not None and short else None,
        "length": len(answer.body) if answer is not None else 0,
        "sha256": hashlib.sha256(answer.body).digest() if answer is not None else None,
        "count": answer.hit_count if answer is not None else 0,
        "execution_ms": end.execution_ms,
        "took_ms": answer.engine_took_ms if answer is not None else 0,
        "cache_hit": answer is not None and answer.cache_hit,
        "partial": answer is not None and answer.partial,
        "executions": end.executions,
    }
