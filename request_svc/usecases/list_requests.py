"""Lists a user's own requests, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from common.database.transaction import Database
    from request_svc.domain.request import Request
    from request_svc.ports import RequestFilter, RequestStore


@dataclass(frozen=True, slots=True)
class RequestPage:
    """Some requests in order, and whether more follow."""

    requests: list[Request]
    more: bool


async def list_requests(
    wanted: RequestFilter,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
    database: Database,
    requests: RequestStore,
) -> RequestPage:
    """The page behind `after`, the place (created_at, id) of the last request of the page before."""
    async with database.transaction() as transaction:
        rows = await requests.page(transaction.connection, wanted, after, limit + 1)
    return RequestPage(rows[:limit], more=len(rows) > limit)
