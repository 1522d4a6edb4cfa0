"""The incoming requests as a queue: claims, leases and ends, all by the clock of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import TextClause, text

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from sqlalchemy.ext.asyncio import AsyncConnection

    from response_svc.domain.incoming_request import ClaimedRequest, RetryLater

# Made once: building statements anew for each request would cost more than running them.
RETURN_EXPIRED = text("""
UPDATE incoming_requests SET status = 'retry', retry_at = NULL, lease_owner = NULL, lease_expires_at = NULL
WHERE id IN (SELECT id FROM incoming_requests WHERE status = 'processing' AND lease_expires_at < now()
             FOR UPDATE SKIP LOCKED)
""")
# Some at a time, so that no transaction gets long.
RETURN_DUE = text("""
UPDATE incoming_requests SET retry_at = NULL
WHERE id IN (SELECT id FROM incoming_requests WHERE status = 'retry' AND retry_at <= now()
             ORDER BY retry_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
""")
EXPIRE = text("""
WITH over AS (
    SELECT id FROM incoming_requests WHERE status IN ('pending', 'retry') AND not_after < :at
    ORDER BY not_after LIMIT :limit FOR UPDATE SKIP LOCKED
), ended AS (
    UPDATE incoming_requests r
    SET status = 'expired', completed_at = now(), failure_reason = 'expired', error_message = :message, retry_at = NULL
    FROM over WHERE r.id = over.id
    RETURNING r.id, r.original_request_id, CASE WHEN started_at IS NULL THEN 0 ELSE retry_count + 1 END AS executions
)
INSERT INTO query_results (request_id, original_request_id, outcome, failure_reason, message, executions)
SELECT id, original_request_id, 'failed', 'expired', :message, executions FROM ended
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
INTERRUPTED: Final = "request_interrupted"
"""The channel on which executors hear that a request which may be running was ended by somebody else."""


async def notify_interrupted(connection: AsyncConnection) -> None:
    """Lets every executor look whether it still holds its lease, once the caller's transaction is committed."""
    await connection.execute(text(f"NOTIFY {INTERRUPTED}"))


class PostgresQueue:
    """The queue in PostgreSQL, but for claims. A lease is a fresh id at every claim; whatever ends one names it."""

    async def return_expired_leases(self, connection: AsyncConnection) -> int:
        """Puts requests whose executor has gone back into the queue and says how many."""
        return (await connection.execute(RETURN_EXPIRED)).rowcount

    async def return_due_retries(self, connection: AsyncConnection) -> int:
        """Puts requests whose pause is over back into the queue and says how many."""
        return (await connection.execute(RETURN_DUE)).rowcount

    async def expire_waiting(self, connection: AsyncConnection, *, at: datetime, message: str, limit: int) -> int:
        """Ends up to `limit` waiting requests whose time was over at `at`, and says how many."""
        return (await connection.execute(EXPIRE, {"at": at, "message": message, "limit": limit})).rowcount

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
