"""The incoming requests as a queue: claims, leases and ends, all by the clock of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import TextClause, text

from response_svc.domain.incoming_request import ClaimedRequest, RetryLater

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy.ext.asyncio import AsyncConnection

# Made once: building statements anew for each request would cost more than running them.
RETURN_EXPIRED = text("""
UPDATE incoming_requests SET status = 'retry', retry_at = NULL, lease_owner = NULL, lease_expires_at = NULL
WHERE id IN (SELECT id FROM incoming_requests WHERE status = 'processing' AND lease_expires_at < now()
             FOR UPDATE SKIP LOCKED)
""")
# A request that was started before is executed again, which is what its retries count.
CLAIM_BEST = text("""
UPDATE incoming_requests
SET status = 'processing', assigned_worker = :worker, lease_owner = :lease, lease_expires_at = now() + :duration,
    retry_count = retry_count + (started_at IS NOT NULL)::int, started_at = now(), retry_at = NULL
WHERE id = (SELECT id FROM incoming_requests
            WHERE status IN ('pending', 'retry') AND (retry_at IS NULL OR retry_at <= now())
            ORDER BY priority DESC, requested_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id AS row_id, original_request_id AS request_id, lease_owner AS lease, user_id, index_name AS index, search,
          retry_count + 1 AS executions, accept_partial, trace_id, not_after
""")
HELD = "WHERE id = :id AND lease_owner = :lease AND status = 'processing'"
RENEW = text(f"UPDATE incoming_requests SET lease_expires_at = now() + :duration {HELD}")  # noqa: S608 - constants only.
GIVE_BACK = text(f"""
UPDATE incoming_requests
SET status = CASE WHEN :first THEN 'pending' ELSE 'retry' END, retry_count = :retries,
    started_at = CASE WHEN :first THEN NULL ELSE started_at END, lease_owner = NULL, lease_expires_at = NULL {HELD}
""")  # noqa: S608 - constants only.
RETRY = text(f"""
UPDATE incoming_requests
SET status = 'retry', retry_at = now() + :delay, error_message = :message, lease_owner = NULL, lease_expires_at = NULL
{HELD}
""")  # noqa: S608 - constants only.
WORKER_NAME_LIMIT = 100


class PostgresQueue:
    """The queue in PostgreSQL. A lease is a fresh id at every claim, and whatever ends a request names it."""

    async def return_expired_leases(self, connection: AsyncConnection) -> int:
        """Puts requests whose executor has gone back into the queue and says how many."""
        return (await connection.execute(RETURN_EXPIRED)).rowcount

    async def claim_best(self, connection: AsyncConnection, *, worker: str, lease: timedelta) -> ClaimedRequest | None:
        """Claims the waiting request of the highest priority, of those the oldest; none is None."""
        values = {"worker": worker[:WORKER_NAME_LIMIT], "lease": uuid4(), "duration": lease}
        row = (await connection.execute(CLAIM_BEST, values)).one_or_none()
        return ClaimedRequest(**row._mapping) if row is not None else None  # noqa: SLF001 - documented for rows.

    async def renew_lease(self, connection: AsyncConnection, claimed: ClaimedRequest, *, lease: timedelta) -> bool:
        """Extends the lease; False when it was lost or the request was cancelled."""
        return await self._write(connection, RENEW, claimed, duration=lease)

    async def give_back(self, connection: AsyncConnection, claimed: ClaimedRequest) -> None:
        """Returns an unfinished request to the queue as if it had not been claimed; nothing if the lease was lost."""
        retries = max(claimed.executions - 2, 0)
        await self._write(connection, GIVE_BACK, claimed, first=claimed.executions == 1, retries=retries)

    async def retry_later(self, connection: AsyncConnection, claimed: ClaimedRequest, retry: RetryLater) -> bool:
        """Lets the request wait; False, and nothing written, if the lease was lost."""
        return await self._write(connection, RETRY, claimed, delay=retry.delay, message=retry.message)

    @staticmethod
    async def _write(
        connection: AsyncConnection,
        statement: TextClause,
        claimed: ClaimedRequest,
        **values: Any,  # noqa: ANN401 - the statement's own.
    ) -> bool:
        held = {"id": claimed.row_id, "lease": claimed.lease}
        return (await connection.execute(statement, {**held, **values})).rowcount == 1
