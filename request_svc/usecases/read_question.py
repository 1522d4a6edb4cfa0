"""Reads and checks a question: the one way from what a caller sends to what may be stored, whoever needs it checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from common.audit.record import AuditEntry
from common.errors import QueryLimitError
from common.search.body import read_body
from common.search.kind import query_type
from common.search.normal import normal_form
from common.search.permitted import check_permitted, permitted_index
from request_svc.domain.known_searches import KnownSearches, PermittedSearch
from request_svc.domain.question import MAX_QUESTION, Question, check_options
from request_svc.domain.request import NewRequest, effective_priority

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from airlock.search.v1.search_pb2 import Search

    from common.auth.principal import Principal
    from common.policy.index import AllowedIndex
    from common.policy.policy import Policy
    from common.policy.profile_type import ProfileType
    from common.rpc.caller import Caller

NO_INDICES: Final = (
    "no list of allowed indices has arrived on this network yet. An operator must carry a settings bundle "
    "(BUNDLE_KIND_SETTINGS) from the Response Network, where an administrator allows indices"
)


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, when, and by which rules."""

    caller: Principal
    own_priority: int
    policy: Policy
    now: datetime
    known: KnownSearches = field(default_factory=KnownSearches)


@dataclass(frozen=True, slots=True)
class CheckedQuestion:
    """A question that would be accepted. `body` is what is kept as submitted."""

    question: Question
    index: AllowedIndex
    body: bytes
    search: PermittedSearch
    priority: int


def read_question(question: Question, asking: Asking) -> CheckedQuestion:
    """The question, checked; raises the AirlockError that refuses it."""
    policy = asking.policy
    # Until his profile type has arrived, only the rules for everybody count; the Response Network checks again.
    profile = policy.profile_types.get(asking.caller.profile_type)
    index = permitted_index(question.index, policy, profile, without_any=NO_INDICES)
    check_options(question, asking.now)
    may_raise = asking.caller.may_raise_priority
    priority = effective_priority(question.priority, asking.own_priority, may_raise=may_raise)
    body = _kept_bytes(question)
    key = (index.name, asking.caller.profile_type, question.search is None, body)
    permitted = asking.known.find(policy, key)
    if permitted is None:
        permitted = _permitted(question, index, policy, profile)
        asking.known.keep(policy, key, permitted)
    return CheckedQuestion(question, index, body, permitted, priority)


def _permitted(question: Question, index: AllowedIndex, policy: Policy, profile: ProfileType | None) -> PermittedSearch:
    search = question.search if question.search is not None else read_body(question.body or b"")
    check_permitted(search, index, policy, profile)
    normal = normal_form(search)
    _check_length(len(normal))
    return PermittedSearch(normal, query_type(search), _outline(index.name, search))


def new_request(
    checked: CheckedQuestion, asking: Asking, *, request_id: UUID, created_at: datetime, trace_id: str
) -> NewRequest:
    """The question as it is stored."""
    question = checked.question
    return NewRequest(
        request_id=request_id,
        user_id=asking.caller.user_id,
        index=question.index,
        query_type=checked.search.query_type,
        query_params=checked.search.outline,
        body=checked.body,
        search=checked.search.normal,
        priority=checked.priority,
        created_at=created_at,
        not_after=question.not_after,
        accept_partial=question.accept_partial,
        idempotency_key=question.idempotency_key or None,
        trace_id=trace_id,
    )


def audit_entry(new: NewRequest, origin: Caller) -> AuditEntry:
    """The audit row that is stored with a request."""
    return AuditEntry(
        action="request.submit",
        user_id=new.user_id,
        resource_type="request",
        resource_id=str(new.request_id),
        address=origin.address,
        user_agent=origin.user_agent,
        metadata={"index": new.index, "query_type": new.query_type, "priority": new.priority},
    )


def _kept_bytes(question: Question) -> bytes:
    """What is kept as submitted."""
    if question.search is not None:
        return question.search.SerializeToString()
    assert question.body is not None, "checked before"
    _check_length(len(question.body))
    return question.body


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
