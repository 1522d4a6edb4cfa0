"""Accepts a question: reads and checks it, and makes it durable before the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from common.audit.record import AuditEntry
from common.errors import FieldViolation, InvalidFieldError, QueryLimitError, UnavailableError
from common.search.body import read_body
from common.search.kind import query_type
from common.search.normal import normal_form
from common.search.permitted import check_permitted, permitted_index
from request_svc.domain.request import (
    MAX_IDEMPOTENCY_KEY,
    NewRequest,
    check_same_question,
    effective_priority,
    new_as_stored,
)

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from airlock.search.v1.search_pb2 import Search

    from common.auth.principal import Principal
    from common.database.transaction import Database
    from common.policy.policy import Policy
    from common.rpc.caller import Caller
    from request_svc.domain.request import Request
    from request_svc.ports import RequestStore, RequestWriter

MAX_QUESTION: Final = 256 * 1024
"""Bytes of a body as submitted, and of its normal form."""
NO_INDICES: Final = (
    "no list of allowed indices has arrived on this network yet. An operator must carry a settings bundle "
    "(BUNDLE_KIND_SETTINGS) from the Response Network, where an administrator allows indices"
)


@dataclass(frozen=True, slots=True)
class Question:
    """What a caller asks, unchecked. Exactly one of `body` (JSON) and `search` (the typed message) must be set."""

    index: str
    body: bytes | None = None
    search: Search | None = None
    priority: int | None = None
    idempotency_key: str = ""
    not_after: datetime | None = None
    accept_partial: bool = False


async def submit_request(
    question: Question,
    *,
    request_id: UUID,
    caller: Principal,
    origin: Caller,
    now: datetime,
    own_priority: int,
    policy: Policy,
    writer: RequestWriter,
    database: Database,
    requests: RequestStore,
) -> Request:
    """The request as stored under `request_id`, or the one that the same key and question gave before."""
    # Until his profile type has arrived, only the rules for everybody count; the Response Network checks again.
    profile = policy.profile_types.get(caller.profile_type)
    index = permitted_index(question.index, policy, profile, without_any=NO_INDICES)
    _check_options(question, now)
    priority = effective_priority(question.priority, own_priority, may_raise=caller.may_raise_priority)
    search, body = _read(question)
    check_permitted(search, index, policy, profile)
    normal = normal_form(search)
    _check_length(len(normal))
    new = NewRequest(
        request_id=request_id,
        user_id=caller.user_id,
        index=question.index,
        query_type=query_type(search),
        query_params=_outline(question.index, search),
        body=body,
        search=normal,
        priority=priority,
        created_at=now,
        not_after=question.not_after,
        accept_partial=question.accept_partial,
        idempotency_key=question.idempotency_key or None,
        trace_id=origin.request_id,
    )
    if await writer.write(new, _audit(new, origin)):
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


def _check_options(question: Question, now: datetime) -> None:
    if question.not_after is not None and question.not_after <= now:
        _refuse("not_after", "is in the past; leave it out or name a later time")
    key = question.idempotency_key
    if len(key.encode()) > MAX_IDEMPOTENCY_KEY or not key.isprintable():
        _refuse("idempotency_key", f"must be printable and at most {MAX_IDEMPOTENCY_KEY} bytes long")
    if (question.body is None) == (question.search is None):
        _refuse("body", "exactly one of body and search must be set; over REST the search body is the HTTP body")


def _refuse(field: str, description: str) -> None:
    raise InvalidFieldError(f"{field}: {description}.", violations=[FieldViolation(field, description)])


def _read(question: Question) -> tuple[Search, bytes]:
    """The search, and the bytes that are kept as submitted."""
    if question.search is not None:
        return question.search, question.search.SerializeToString()
    assert question.body is not None, "checked before"
    _check_length(len(question.body))
    return read_body(question.body), question.body


def _check_length(length: int) -> None:
    if length > MAX_QUESTION:
        raise QueryLimitError(
            f"The search has {length} bytes; at most {MAX_QUESTION} are carried. Ask for less at a time.",
            metadata={"limit": "body_bytes", "allowed": str(MAX_QUESTION)},
        )


def _outline(index: str, search: Search) -> dict[str, object]:
    """The question in short, for lists and statistics; no text of the caller's but the checked index name."""
    outline: dict[str, object] = {"index": index, "sort_keys": len(search.sort), "aggregations": len(search.aggs)}
    if search.HasField("size"):
        outline["size"] = search.size
    if search.HasField("from_offset"):
        outline["from"] = search.from_offset
    return outline


def _audit(new: NewRequest, origin: Caller) -> AuditEntry:
    return AuditEntry(
        action="request.submit",
        user_id=new.user_id,
        resource_type="request",
        resource_id=str(new.request_id),
        address=origin.address,
        user_agent=origin.user_agent,
        metadata={"index": new.index, "query_type": new.query_type, "priority": new.priority},
    )
