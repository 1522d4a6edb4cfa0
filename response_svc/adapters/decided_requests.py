"""What operators decide about incoming requests, in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from response_svc.adapters.incoming_requests import request_of, requests, selected
from response_svc.adapters.queue import notify_interrupted
from response_svc.adapters.tables import incoming_requests

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from response_svc.domain.incoming_request import IncomingRequest

GIVEN_UP = text("SELECT EXISTS (SELECT FROM cancellations WHERE request_id = :id)")
# An export that claims the failure in this moment holds its row: this waits for it and then finds it claimed.
TAKE_BACK = text("DELETE FROM query_results WHERE original_request_id = :id AND export_batch_id IS NULL")
WAIT_AGAIN = text("""
UPDATE incoming_requests
SET status = 'pending', retry_count = 0, retry_at = NULL, started_at = NULL, completed_at = NULL,
    assigned_worker = NULL, failure_reason = NULL, error_message = NULL
WHERE original_request_id = :id
""")
FAIL = text("""
WITH failed AS (
    UPDATE incoming_requests
    SET status = 'failed', completed_at = now(), failure_reason = 'refused', error_message = :message, retry_at = NULL,
        lease_owner = NULL, lease_expires_at = NULL
    WHERE original_request_id = :id
    RETURNING id, original_request_id, CASE WHEN started_at IS NULL THEN 0 ELSE retry_count + 1 END AS executions
)
INSERT INTO query_results (request_id, original_request_id, outcome, failure_reason, message, executions)
SELECT id, original_request_id, 'failed', 'refused', :message, executions FROM failed
""")


class PostgresDecidedRequests:
    """`DecidedRequests` on PostgreSQL."""

    async def hold(self, connection: AsyncConnection, request_id: UUID) -> IncomingRequest | None:
        """The request, which nobody else can change until the transaction ends."""
        statement = selected().where(requests.original_request_id == request_id)
        row = (await connection.execute(statement.with_for_update(of=incoming_requests))).one_or_none()
        return request_of(row) if row is not None else None

    async def was_given_up(self, connection: AsyncConnection, request_id: UUID) -> bool:
        """Whether its user has cancelled it, however it ended here."""
        return bool((await connection.execute(GIVEN_UP, {"id": request_id})).scalar_one())

    async def put_back(self, connection: AsyncConnection, request_id: UUID) -> bool:
        """Lets a failed request wait as if it had just arrived; False, and nothing written, if a bundle has its end."""
        if (await connection.execute(TAKE_BACK, {"id": request_id})).rowcount == 0:
            return False
        await connection.execute(WAIT_AGAIN, {"id": request_id})
        return True

    async def fail(self, connection: AsyncConnection, request_id: UUID, message: str) -> None:
        """Ends a request that has not ended, and tells whoever executes it to let go."""
        await connection.execute(FAIL, {"id": request_id, "message": message})
        await notify_interrupted(connection)
