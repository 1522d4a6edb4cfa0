"""Final answers as rows: short ones in one `json` value, long ones in chunks of bytes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.exc import DataError

from response_svc.ports import UnstorableAnswerError

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from response_svc.domain.incoming_request import Answer, ClaimedRequest, Failure

CHUNK_BYTES = 256 * 1024
"""Also the longest answer that is kept in one value."""

# Made once; the text becomes `json` in the server, without a round through a JSON library.
ADD_RESULT = text("""
INSERT INTO query_results (request_id, original_request_id, outcome, failure_reason, message, result_data,
                           total_length, sha256, result_count, execution_time_ms, elasticsearch_took_ms, cache_hit,
                           partial, executions)
VALUES (:row_id, :request_id, :outcome, :reason, :message, CAST(:body AS json), :length, :sha256, :count,
        :execution_ms, :took_ms, :cache_hit, :partial, :executions)
RETURNING id
""")
ADD_CHUNK = text("INSERT INTO result_chunks (id, n, data) VALUES (:id, :n, :data)")
WITHOUT_ANSWER = {
    "reason": None,
    "message": None,
    "body": None,
    "length": 0,
    "sha256": None,
    "count": 0,
    "took_ms": 0,
    "cache_hit": False,
    "partial": False,
}


class PostgresResults:
    """The results of this network in PostgreSQL. No driver's JSON loader ever sees an answer."""

    async def add_answer(
        self, connection: AsyncConnection, claimed: ClaimedRequest, answer: Answer, *, execution_ms: int
    ) -> None:
        """Keeps the answer to a finished request. Raises UnstorableAnswerError for bytes that are no JSON."""
        try:
            await self._add_whole(connection, claimed, answer, execution_ms)
        except (DataError, UnicodeDecodeError) as error:
            raise UnstorableAnswerError from error

    async def _add_whole(
        self, connection: AsyncConnection, claimed: ClaimedRequest, answer: Answer, execution_ms: int
    ) -> None:
        body = answer.body
        short = len(body) <= CHUNK_BYTES
        result_id = await self._add(
            connection,
            claimed,
            outcome="completed",
            body=body.decode() if short else None,
            length=len(body),
            sha256=hashlib.sha256(body).digest(),
            count=answer.hit_count,
            execution_ms=execution_ms,
            took_ms=answer.engine_took_ms,
            cache_hit=answer.cache_hit,
            partial=answer.partial,
            executions=claimed.executions,
        )
        if not short:
            await self._add_chunks(connection, result_id, body)

    async def add_failure(
        self,
        connection: AsyncConnection,
        claimed: ClaimedRequest,
        failure: Failure,
        *,
        execution_ms: int,
        executions: int,
    ) -> None:
        """Keeps the reason why a request ended without an answer."""
        await self._add(
            connection,
            claimed,
            outcome="failed",
            reason=failure.reason.value,
            message=failure.message,
            execution_ms=execution_ms,
            executions=executions,
        )

    @staticmethod
    async def _add(connection: AsyncConnection, claimed: ClaimedRequest, **values: Any) -> UUID:  # noqa: ANN401 - columns
        named = {"row_id": claimed.row_id, "request_id": claimed.request_id}
        result_id: UUID = (await connection.execute(ADD_RESULT, {**WITHOUT_ANSWER, **named, **values})).scalar_one()
        return result_id

    @staticmethod
    async def _add_chunks(connection: AsyncConnection, result_id: UUID, body: bytes) -> None:
        view = memoryview(body)
        for n, offset in enumerate(range(0, len(body), CHUNK_BYTES)):
            data = bytes(view[offset : offset + CHUNK_BYTES])
            await connection.execute(ADD_CHUNK, {"id": result_id, "n": n, "data": data})
