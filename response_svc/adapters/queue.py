"""The incoming requests as a queue: claims, leases and ends, all by the clock of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from sqlalchemy import TextClause, text

from response_svc.domain.incoming_request import ClaimedRequest, RetryLater

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from sqlalchemy.ext.asyncio import AsyncConnection

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
# What it does is in `migrations.claim_function`.
CLAIM = "SELECT * FROM claim_requests(%(worker)s, %(duration)b, %(served)b::uuid[], %(wanted)b::int4)"
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
PRIORITIES = 10
INTERRUPTED: Final = "request_interrupted"
"""The channel on which executors hear that a request which may be running was ended by somebody else."""


async def notify_interrupted(connection: AsyncConnection) -> None:
    """Lets every executor look whether it still holds its lease, once the caller's transaction is committed."""
    await connection.execute(text(f"NOTIFY {INTERRUPTED}"))


class PostgresQueue:
    """The queue in PostgreSQL. A lease is a fresh id at every claim, and whatever ends a request names it.

    The users of a priority stand in a circle, in the order of their ids; each process goes round it by itself, from a
    place of its own, so that no two need to agree on anything.
    """

    def __init__(self) -> None:
        self._served = [uuid4() for _ in range(PRIORITIES)]

    async def return_expired_leases(self, connection: AsyncConnection) -> int:
        """Puts requests whose executor has gone back into the queue and says how many."""
        return (await connection.execute(RETURN_EXPIRED)).rowcount

    async def return_due_retries(self, connection: AsyncConnection) -> int:
        """Puts requests whose pause is over back into the queue and says how many."""
        return (await connection.execute(RETURN_DUE)).rowcount

    async def expire_waiting(self, connection: AsyncConnection, *, at: datetime, message: str, limit: int) -> int:
        """Ends up to `limit` waiting requests whose time was over at `at`, and says how many."""
        return (await connection.execute(EXPIRE, {"at": at, "message": message, "limit": limit})).rowcount

    async def claim(
        self, connection: AsyncConnection, *, worker: str, lease: timedelta, wanted: int
    ) -> Sequence[ClaimedRequest]:
        """Claims up to `wanted` requests whose turn it is, each under a lease of its own.

        Of the highest priority that waits: a user with the fewest executions under way, of those the next in the
        circle, and of his the oldest.
        """
        values = {"worker": worker[:WORKER_NAME_LIMIT], "duration": lease, "served": self._served, "wanted": wanted}
        claimed = []
        for row in await connection.exec_driver_sql(CLAIM, values):
            fields: list[Any] = list(row)
            # It comes last, and is of no matter to whoever executes.
            priority = fields.pop()
            claimed.append(ClaimedRequest(*fields))
            self._served[priority - 1] = claimed[-1].user_id
        return claimed

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
