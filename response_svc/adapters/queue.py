"""The incoming requests as a queue: claims, leases and ends, all by the clock of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import func, or_, select, text, update

from response_svc.adapters.tables import incoming_requests
from response_svc.domain.incoming_request import ClaimedRequest, Failure, FailureReason, RetryLater, Status

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy import ColumnElement, Update
    from sqlalchemy.ext.asyncio import AsyncConnection

requests = incoming_requests.c
UNLEASED = {"lease_owner": None, "lease_expires_at": None}


class PostgresQueue:
    """The queue in PostgreSQL. A lease is a fresh id at every claim, and whatever ends a request names it."""

    async def return_expired_leases(self, connection: AsyncConnection) -> int:
        """Puts requests whose executor has gone back into the queue and says how many."""
        expired = (
            select(requests.id)
            .where(requests.status == Status.PROCESSING, requests.lease_expires_at < func.now())
            .with_for_update(skip_locked=True)
        )
        statement = update(incoming_requests).where(requests.id.in_(expired))
        return (await connection.execute(statement.values(status=Status.RETRY, retry_at=None, **UNLEASED))).rowcount

    async def claim_best(self, connection: AsyncConnection, *, worker: str, lease: timedelta) -> ClaimedRequest | None:
        """Claims the waiting request of the highest priority, of those the oldest; none is None."""
        best = (
            select(requests.id)
            # Written out, so that the planner sees the partial index whatever the parameters are.
            .where(
                text("status IN ('pending', 'retry')"),
                or_(requests.retry_at.is_(None), requests.retry_at <= func.now()),
            )
            .order_by(requests.priority.desc(), requests.requested_at, requests.id)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        statement = (
            update(incoming_requests)
            .where(requests.id == best)
            .values(
                status=Status.PROCESSING,
                assigned_worker=worker[:100],
                lease_owner=uuid4(),
                lease_expires_at=func.now() + lease,
                started_at=func.now(),
                retry_at=None,
                retry_count=requests.retry_count + started_before(),
            )
            .returning(
                requests.id.label("row_id"),
                requests.original_request_id.label("request_id"),
                requests.lease_owner.label("lease"),
                requests.user_id,
                requests.index_name.label("index"),
                requests.search,
                (requests.retry_count + 1).label("executions"),
                requests.accept_partial,
                requests.trace_id,
                requests.not_after,
            )
        )
        row = (await connection.execute(statement)).one_or_none()
        return ClaimedRequest(**row._mapping) if row is not None else None  # noqa: SLF001 - documented for rows.

    async def renew_lease(self, connection: AsyncConnection, claimed: ClaimedRequest, *, lease: timedelta) -> bool:
        """Extends the lease; False when it was lost or the request was cancelled."""
        return await self._write(connection, held(claimed).values(lease_expires_at=func.now() + lease))

    async def give_back(self, connection: AsyncConnection, claimed: ClaimedRequest) -> None:
        """Returns an unfinished request to the queue as if it had not been claimed; nothing if the lease was lost."""
        first = claimed.executions == 1
        values = {"status": Status.PENDING, "started_at": None} if first else {"status": Status.RETRY}
        retries = max(claimed.executions - 2, 0)
        await self._write(connection, held(claimed).values(**values, retry_count=retries, **UNLEASED))

    async def retry_later(self, connection: AsyncConnection, claimed: ClaimedRequest, retry: RetryLater) -> bool:
        """Lets the request wait; False, and nothing written, if the lease was lost."""
        values = {"status": Status.RETRY, "retry_at": func.now() + retry.delay, "error_message": retry.message}
        return await self._write(connection, held(claimed).values(**values, **UNLEASED))

    async def finish(
        self,
        connection: AsyncConnection,
        claimed: ClaimedRequest,
        *,
        failure: Failure | None,
        query_params: bytes | None,
    ) -> bool:
        """Ends the request, completed or failed; False, and nothing written, if the lease was lost."""
        values = {
            "status": status_after(failure),
            "completed_at": func.now(),
            "failure_reason": failure.reason if failure else None,
            "error_message": failure.message if failure else None,
            "query_params": text("CAST(:params AS json)").bindparams(
                params=query_params.decode() if query_params else None
            ),
        }
        return await self._write(connection, held(claimed).values(**values, **UNLEASED))

    @staticmethod
    async def _write(connection: AsyncConnection, statement: Update) -> bool:
        return (await connection.execute(statement)).rowcount == 1


def held(claimed: ClaimedRequest) -> Update:
    """An update that touches the request only while this claim's lease is on it."""
    return update(incoming_requests).where(
        requests.id == claimed.row_id,
        requests.lease_owner == claimed.lease,
        requests.status == Status.PROCESSING,
    )


def started_before() -> ColumnElement[int]:
    """1 for a request that was executed before, else 0."""
    return text("CASE WHEN started_at IS NULL THEN 0 ELSE 1 END")  # type: ignore[return-value]


def status_after(failure: Failure | None) -> Status:
    """The final state that an end leads to."""
    if failure is None:
        return Status.COMPLETED
    return Status.EXPIRED if failure.reason is FailureReason.EXPIRED else Status.FAILED
