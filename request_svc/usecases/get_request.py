"""Reads one request with its history and, once completed, its answer as far as it is shown inline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.errors import NotFoundError
from request_svc.domain.inline import MAX_INLINE_BYTES, NotInlineError, inline_object
from request_svc.domain.timeline import TimelineEvent, timeline

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.auth.principal import Principal
    from common.database.transaction import Database
    from request_svc.domain.request import Request, Response
    from request_svc.ports import AnswerCache, RequestStore, ResponseStore


@dataclass(frozen=True, slots=True)
class RequestDetails:
    """A request as its user sees it. Exactly one of `data` and `data_omitted` is set where there is an answer."""

    request: Request
    timeline: list[TimelineEvent]
    response: Response | None = None
    data: dict[str, Any] | None = None
    data_omitted: str = ""


async def get_request(
    request_id: UUID,
    *,
    caller: Principal,
    database: Database,
    requests: RequestStore,
    responses: ResponseStore,
    cache: AnswerCache,
) -> RequestDetails:
    """Raises NotFoundError for a request that is not the caller's own, whatever his role."""
    async with database.transaction() as transaction:
        connection = transaction.connection
        request = await own_request(connection, requests, request_id, caller)
        response = await responses.find(connection, request_id)
        events = timeline(request, response)
        if response is None or not response.completed:
            return RequestDetails(request, events)
        if response.result_bytes > MAX_INLINE_BYTES:
            omitted = (
                f"the answer has {response.result_bytes} bytes, more than the {MAX_INLINE_BYTES} that are shown inline"
            )
            return RequestDetails(request, events, response, data_omitted=omitted)
    text = await short_answer(request_id, database=database, responses=responses, cache=cache)
    if text is None:
        return RequestDetails(request, events, response, data_omitted="the answer is not plain JSON")
    try:
        return RequestDetails(request, events, response, data=inline_object(text))
    except NotInlineError as reason:
        return RequestDetails(request, events, response, data_omitted=str(reason))


async def short_answer(
    request_id: UUID, *, database: Database, responses: ResponseStore, cache: AnswerCache
) -> bytes | None:
    """The bytes of an answer that is held in one piece, from the cache if they are there; None for a longer one.

    The cache is asked outside any transaction: a Redis that hangs must not hold a connection of the pool.
    """
    cached = await cache.get(request_id)
    if cached is not None:
        return cached
    async with database.transaction() as transaction:
        data = await responses.small_data(transaction.connection, request_id)
    if data is not None:
        await cache.put([(request_id, data)])
    return data


async def own_request(
    connection: AsyncConnection, requests: RequestStore, request_id: UUID, caller: Principal
) -> Request:
    """The caller's request of that id; another user's is not found, so that ids tell nothing."""
    return found(await requests.find(connection, request_id, caller.user_id), request_id)


def found(request: Request | None, request_id: UUID) -> Request:
    """The request, or NotFoundError."""
    if request is None:
        raise NotFoundError(
            f"You have no request {request_id}; `GET /api/v1/requests` lists yours.", metadata={"resource": "request"}
        )
    return request
