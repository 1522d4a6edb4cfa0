"""Gives a request up: at once where it has not left yet, with a cancellation record where it may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.audit.record import AuditEntry, record
from request_svc.domain.status import RequestStatus, cancel, must_tell_the_other_network
from request_svc.usecases.get_request import found

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from common.auth.principal import Principal
    from common.database.transaction import Database
    from common.rpc.caller import Caller
    from request_svc.domain.request import Request
    from request_svc.ports import RequestStore


async def cancel_request(
    request_id: UUID, *, caller: Principal, origin: Caller, now: datetime, database: Database, requests: RequestStore
) -> Request:
    """The request as it now stands. A second time is a success; WrongStateError once it has completed or failed."""
    async with database.transaction() as transaction:
        connection = transaction.connection
        request = found(await requests.find_for_update(connection, request_id, caller.user_id), request_id)
        cancel(request.status)
        if request.status is RequestStatus.CANCELLED:
            return request
        cancelled = await requests.cancel(
            connection,
            request_id,
            now,
            tell_the_other_network=must_tell_the_other_network(
                request.status, travelled_before=request.travelled_before
            ),
        )
        await record(
            connection,
            AuditEntry(
                action="request.cancel",
                user_id=caller.user_id,
                resource_type="request",
                resource_id=str(request_id),
                address=origin.address,
                user_agent=origin.user_agent,
                metadata={"state": request.status},
            ),
        )
        return cancelled
