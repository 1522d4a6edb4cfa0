"""Reading incoming requests: one by its id, or a page of them, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from common.database.transaction import Database
    from response_svc.domain.incoming_request import IncomingRequest, Status
    from response_svc.ports import IncomingRequestReader


async def get_incoming_request(
    database: Database, requests: IncomingRequestReader, request_id: UUID
) -> IncomingRequest:
    """One request by the id that it has on the Request Network. Raises NotFoundError."""
    async with database.transaction() as transaction:
        request = await requests.find(transaction.connection, request_id)
    if request is None:
        raise not_arrived()
    return request


def not_arrived() -> NotFoundError:
    """The refusal where no request has that id."""
    return NotFoundError(
        "No request with that id has arrived here; its bundle may still be under way.",
        metadata={"resource": "incoming request"},
    )


async def list_incoming_requests(
    database: Database,
    requests: IncomingRequestReader,
    *,
    statuses: Collection[Status],
    user_id: UUID | None,
    index: str | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> tuple[Sequence[IncomingRequest], bool]:
    """Up to `limit` requests, the newest first, and whether there are more.

    They are those that arrived before `before` (time of arrival and id).
    """
    async with database.transaction() as transaction:
        found = await requests.list_newest_first(
            transaction.connection,
            statuses=statuses,
            user_id=user_id,
            index=index,
            before=before,
            limit=limit + 1,
        )
    return found[:limit], len(found) > limit
