"""Accepts a question, and makes it durable before the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.errors import UnavailableError
from request_svc.domain.request import check_same_question, new_as_stored
from request_svc.usecases.read_question import audit_entry, new_request, read_question

if TYPE_CHECKING:
    from uuid import UUID

    from common.database.transaction import Database
    from common.rpc.caller import Caller
    from request_svc.domain.question import Question
    from request_svc.domain.request import NewRequest, Request
    from request_svc.ports import RequestStore, RequestWriter
    from request_svc.usecases.read_question import Asking


async def submit_request(
    question: Question,
    asking: Asking,
    *,
    request_id: UUID,
    origin: Caller,
    writer: RequestWriter,
    database: Database,
    requests: RequestStore,
) -> Request:
    """The request as stored under `request_id`, or the one that the same key and question gave before."""
    checked = read_question(question, asking)
    new = new_request(checked, asking, request_id=request_id, created_at=asking.now, trace_id=origin.request_id)
    if await writer.write(new, audit_entry(new, origin)):
        return new_as_stored(new)
    return await _earlier(new, database, requests)


async def _earlier(new: NewRequest, database: Database, requests: RequestStore) -> Request:
    assert new.idempotency_key is not None, "only an idempotency key can be there already"
    async with database.transaction() as transaction:
        earlier = await requests.find_by_key(transaction.connection, new.user_id, new.idempotency_key)
    if earlier is None:
        raise UnavailableError("The request under this idempotency key is just being removed; try again.")
    request, search = earlier
    check_same_question(request, search, new)
    return request
