"""Tells what would become of a question, by the very way that it would go, and keeps nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final
from uuid import UUID

from airlock.search.v1.search_pb2 import Search

from common.search.advice.cost import estimate
from common.search.advice.warnings import query_warnings
from common.search.emit import emit_body
from common.search.field_uses import field_uses
from common.search.walk import walk
from request_svc.domain.request import check_same_question
from request_svc.usecases.read_question import new_request, read_question

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from common.database.transaction import Database
    from common.search.advice.cost import Cost
    from common.search.advice.warning import QueryWarning
    from request_svc.domain.question import Question
    from request_svc.domain.request import Request
    from request_svc.ports import RequestStore
    from request_svc.usecases.read_question import Asking, CheckedQuestion

MAX_FIELDS: Final = 256
"""How many fields are told of."""


@dataclass(frozen=True, slots=True)
class Validated:
    """A question that would be accepted, and what is to be said about it.

    `fields` are the index's that it names, with their types, empty where those are not known. `earlier` is the request
    that the same key gave before.
    """

    checked: CheckedQuestion
    engine_body: bytes
    digest: bytes
    fields: Mapping[str, str]
    warnings: Sequence[QueryWarning]
    cost: Cost
    earlier: Request | None


async def validate_request(
    question: Question, asking: Asking, *, database: Database, requests: RequestStore
) -> Validated:
    """What SubmitRequest would make of the question; raises the AirlockError with which it would refuse it."""
    checked = read_question(question, asking)
    # What crosses the gap and is executed there, and nothing else.
    search = Search.FromString(checked.search.normal)
    advice = query_warnings(search, checked.index)
    names = dict.fromkeys(use.name for use in field_uses(walk(search)))
    return Validated(
        checked=checked,
        engine_body=emit_body(search),
        digest=hashlib.sha256(checked.search.normal).digest(),
        fields={name: checked.index.fields.get(name, "") for name in islice(names, MAX_FIELDS)},
        warnings=advice,
        cost=estimate(search, advice),
        earlier=await _earlier(checked, asking, database, requests),
    )


async def _earlier(
    checked: CheckedQuestion, asking: Asking, database: Database, requests: RequestStore
) -> Request | None:
    key, user_id = checked.question.idempotency_key, asking.caller.user_id
    if not key:
        return None
    async with database.transaction() as transaction:
        earlier = await requests.find_by_key(transaction.connection, user_id, key)
    if earlier is None:
        return None
    new = new_request(checked, asking, request_id=UUID(int=0), created_at=asking.now, trace_id="")
    check_same_question(*earlier, new)
    return earlier[0]
