"""What an operator decides about an incoming request: to have it tried again, or to end it. Both are audited."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from common.audit.record import caller_entry, record
from common.clock import now
from common.errors import WrongStateError
from response_svc.domain.incoming_request import MAY_STILL_END, IncomingRequest, Status, bounded, is_expired
from response_svc.usecases.read_incoming_requests import not_arrived

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.audit.record import AuditEntry
    from common.database.transaction import Database
    from common.rpc.caller import Caller
    from response_svc.ports import DecidedRequests

SEALED = (
    "Its failure is sealed in a bundle; the Request Network takes the first answer and drops every other, so its user"
    " has to submit it again."
)


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """What the use cases of operators work with. `wake` wakes the executors, after a commit."""

    database: Database
    requests: DecidedRequests
    wake: Callable[[], Awaitable[None]]
    clock: Callable[[], datetime] = field(default=now)


async def retry_request(context: DecisionContext, request_id: UUID, *, caller: Caller) -> IncomingRequest:
    """Lets a failed request wait again, with all its attempts. Raises NotFoundError and WrongStateError."""
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        before = await held(context, connection, request_id)
        if before.status is not Status.FAILED:
            raise wrong_state(f"It is {before.status}; only a request that failed can be tried again.")
        if is_expired(before.not_after, context.clock()):
            raise wrong_state("Its time is over, so no answer would be of use; its user has to submit it again.")
        if await context.requests.was_given_up(connection, request_id):
            raise wrong_state("Its user has given it up; an answer would be dropped.")
        if not await context.requests.put_back(connection, request_id):
            raise wrong_state(SEALED)
        reason = before.failure_reason.value if before.failure_reason is not None else ""
        await record(connection, entry("incoming_request.retried", request_id, caller, {"failure_reason": reason}))
        transaction.after_commit(context.wake)
        return await held(context, connection, request_id)


async def fail_request(context: DecisionContext, request_id: UUID, reason: str, *, caller: Caller) -> IncomingRequest:
    """Ends a request that waits or runs. Raises NotFoundError and WrongStateError."""
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        before = await held(context, connection, request_id)
        if before.status not in MAY_STILL_END:
            raise wrong_state(f"It has ended already: it is {before.status}.")
        message = bounded(f"An operator of the Response Network ended it: {reason}")
        await context.requests.fail(connection, request_id, message)
        told = {"reason": reason, "status": before.status.value}
        await record(connection, entry("incoming_request.failed", request_id, caller, told))
        return await held(context, connection, request_id)


async def held(context: DecisionContext, connection: AsyncConnection, request_id: UUID) -> IncomingRequest:
    """The request, which nobody else changes meanwhile. Raises NotFoundError."""
    request = await context.requests.hold(connection, request_id)
    if request is None:
        raise not_arrived()
    return request


def wrong_state(message: str) -> WrongStateError:
    """The refusal of a decision that comes too late."""
    return WrongStateError(message, metadata={"resource": "incoming request"})


def entry(action: str, request_id: UUID, caller: Caller, data: Mapping[str, str]) -> AuditEntry:
    """A row of the audit trail."""
    return caller_entry(
        caller, action, resource_type="incoming_request", resource_id=str(request_id), request_data=data
    )
