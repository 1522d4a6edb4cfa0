"""Validation before the trip: the refusals of submission, word by word, and what is told of what would be accepted."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airlock.search.v1.search_pb2 import Search

from common.audit.tables import audit_logs
from common.errors import (
    AirlockError,
    IdempotencyConflictError,
    IndexNotAllowedError,
    InvalidFieldError,
    QueryInvalidError,
    QueryLimitError,
)
from common.policy.index import AllowedIndex
from common.policy.limits import BASIC, EffectiveLimits
from common.policy.policy import Policy
from common.policy.profile_type import ProfileType
from common.search.advice.cost import CostClass
from common.search.advice.warning import WarningKind
from request_svc.adapters.tables import requests
from request_svc.domain.known_searches import KnownSearches
from request_svc.domain.question import Question
from request_svc.usecases.read_question import read_question
from tests.integration.request_svc.request_world import INDEX, NOW, World, asking, principal
from tests.integration.search.refused_cases import REFUSED, UNSUPPORTED

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELDS = {"title": "text", "tags": "keyword", "price": "double", "views": "long", "published": "date"}
STRICT = ProfileType("basic", EffectiveLimits(BASIC.rates, BASIC.priority), query_kinds=("term",), indices=(INDEX,))
KNOWN = Policy(indices={INDEX: AllowedIndex(INDEX, "", FIELDS)})
LIMITED = Policy({"query.max_size": 5, "query.allow_leading_wildcard": False}, {"basic": STRICT}, KNOWN.indices)
DEEP = '{"query":' + '{"bool":{"must":' * 40 + '{"match_all":{}}' + "}}" * 40 + "}"

BAD_BODIES: list[bytes] = [
    b"",
    b"{",
    b"[]",
    b"\xff",
    b"\xef\xbb\xbf{}",
    b'{"query":{"mach":{"title":"x"}}}',
    b'{"query":{"script":{"script":"1"}}}',
    b'{"query":{"term":{"title":{"value":[1]}}}}',
    b'{"query":{"term":{"a":1},"match":{"b":2}}}',
    b'{"size":1,"size":2}',
    b'{"size":1001}',
    b'{"size":-1}',
    b'{"from":10000,"size":10}',
    b'{"size":99999999999999999999}',
    b'{"query":{"range":{"price":{"gte":NaN}}}}',
    b'{"query":{"wildcard":{"tags":"' + b"*" * 300 + b'"}}}',
    b'{"query":{"match":{"title":"' + b"x" * 9000 + b'"}}}',
    b'{"query":{"match":{"title":"' + b"x" * 262_144 + b'"}}}',
    b'{"query":{"terms":{"tags":[' + b",".join([b"1"] * 2000) + b"]}}}",
    b'{"query":{"bool":{"must":[' + b",".join([b'{"match_all":{}}'] * 300) + b"]}}}",
    b'{"aggs":{"a":{"terms":{"field":"tags","size":10001}}}}',
    b'{"aggs":{"a":{"terms":{"field":"tags","size":500},"aggs":{"b":{"terms":{"field":"tags","size":500}}}}}}',
    b'{"query":{"match":{"nowhere":"x"}}}',
    b'{"sort":"title"}',
    DEEP.encode(),
    *(json.dumps(body).encode() for body in (*REFUSED, *UNSUPPORTED)),
]

BAD_OPTIONS: list[dict[str, Any]] = [
    {"body": None},
    {"search": Search()},
    {"index": "salaries"},
    {"index": "cit*"},
    {"index": "a,b"},
    {"index": "<x-{now/d}>"},
    {"index": "other:cities"},
    {"index": ".."},
    {"priority": 9},
    {"idempotency_key": "x" * 129},
    {"idempotency_key": "a\0b"},
    {"not_after": NOW - timedelta(seconds=1)},
    {"policy": Policy()},
    {"body": b'{"size":6}', "policy": LIMITED},
    {"body": b'{"query":{"match":{"title":"x"}}}', "policy": LIMITED},
    {"body": b'{"query":{"wildcard":{"tags":"*x"}}}', "policy": LIMITED},
]


def told(error: AirlockError) -> tuple[type, str, Mapping[str, str], object]:
    return type(error), error.message, error.metadata, error.violations


async def refusals(world: World, options: dict[str, Any]) -> list[object]:
    """What submission and validation say."""
    said: list[object] = []
    for ask in (world.submit, world.validate):
        try:
            await ask(**{"policy": KNOWN, **options})
            said.append(None)
        except AirlockError as error:
            said.append(told(error))
    return said


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: body[:60].decode(errors="replace"))
async def test_a_bad_body_gets_the_refusal_that_submission_gives(world: World, body: bytes) -> None:
    submitted, validated = await refusals(world, {"body": body})
    assert validated == submitted


@pytest.mark.parametrize("options", BAD_OPTIONS, ids=lambda options: str(options)[:60])
async def test_bad_options_get_the_refusal_that_submission_gives(world: World, options: dict[str, Any]) -> None:
    submitted, validated = await refusals(world, options)
    assert submitted is not None
    assert validated == submitted


async def test_nothing_is_kept_of_a_validation(world: World) -> None:
    await world.validate(idempotency_key="monday")
    assert await world.rows(requests.c.id) == []
    assert await world.rows(audit_logs.c.id) == []


async def test_what_would_be_accepted_is_told_as_the_engine_would_get_it(world: World) -> None:
    body = (
        '{"size":3,"query":{"bool":{"filter":{"term":{"views":9007199254740993}},"must":{"match":{"title":"تهران"}}}}}'
    )
    validated = await world.validate(body.encode(), policy=KNOWN, priority=2)
    assert validated.engine_body.decode() == (
        '{"query":{"bool":{"must":[{"match":{"title":{"query":"تهران"}}}],'
        '"filter":[{"term":{"views":{"value":9007199254740993}}}]}},"size":3}'
    )
    assert (validated.checked.search.query_type, validated.checked.priority) == ("bool", 2)
    assert validated.fields == {"title": "text", "views": "long"}
    assert validated.warnings == []
    assert validated.cost.cost_class is CostClass.LOW
    assert validated.earlier is None


async def test_the_digest_is_that_of_what_would_be_stored(world: World) -> None:
    short, long = b'{"query":{"term":{"tags":"x"}}}', b'{ "query": {"term": {"tags": {"value": "x"}}} }'
    validated = [await world.validate(body) for body in (short, long)]
    assert validated[0].digest == validated[1].digest
    await world.submit(short)
    [row] = await world.rows(requests.c.search)
    assert hashlib.sha256(bytes(row.search)).digest() == validated[0].digest


async def test_a_typed_search_is_validated_as_a_pasted_one(world: World) -> None:
    typed = Search(size=0)
    typed.query.term["tags"].value.string_value = "x"
    validated = await world.validate(body=None, search=typed, policy=KNOWN)
    pasted = await world.validate(b'{"size":0,"query":{"term":{"tags":"x"}}}', policy=KNOWN)
    assert replace(validated, checked=pasted.checked) == pasted


async def test_mistakes_are_warned_of_and_dear_questions_told(world: World) -> None:
    validated = await world.validate(b'{"query":{"wildcard":{"tags":"*x"}}}', policy=KNOWN)
    assert [one.kind for one in validated.warnings] == [WarningKind.LEADING_WILDCARD]
    assert validated.cost.cost_class is CostClass.HIGH


async def test_fields_that_have_not_arrived_are_named_without_types(world: World) -> None:
    validated = await world.validate(b'{"query":{"term":{"tags":"x"}},"sort":["_score","views"]}')
    assert validated.fields == {"tags": "", "_score": "", "views": ""}
    assert [one.kind for one in validated.warnings] == [WarningKind.FIELDS_NOT_KNOWN]


async def test_an_idempotency_key_that_came_before_is_told_or_refused_as_submission_would(world: World) -> None:
    earlier = await world.submit(b'{"size":3}', idempotency_key="monday")
    validated = await world.validate(b'{"size": 3}', idempotency_key="monday")
    assert validated.earlier == earlier
    assert (await world.validate(b'{"size":3}', idempotency_key="monday", caller=principal("omid"))).earlier is None
    with pytest.raises(IdempotencyConflictError) as refused:
        await world.validate(b'{"size":4}', idempotency_key="monday")
    assert refused.value.metadata == {"request_id": str(earlier.request_id)}


async def test_a_question_that_is_remembered_follows_the_policy_and_the_clock_at_once() -> None:
    known = KnownSearches()
    body = b'{"query":{"match":{"title":"x"}},"size":6}'
    asked = replace(asking(policy=KNOWN), known=known)
    first = read_question(Question(INDEX, body), asked)
    again = read_question(Question(INDEX, body, not_after=NOW + timedelta(hours=1)), asked)
    assert again.search is first.search
    with pytest.raises(InvalidFieldError):
        read_question(Question(INDEX, body, not_after=NOW), asked)
    with pytest.raises(QueryLimitError):
        read_question(Question(INDEX, body), replace(asked, policy=LIMITED))
    with pytest.raises(IndexNotAllowedError):
        read_question(Question(INDEX, body), replace(asked, policy=Policy()))


async def test_a_question_that_is_remembered_was_permitted_to_one_profile_type_and_of_one_index() -> None:
    """The same bytes may well be refused to others, and of another index."""
    policy = Policy(
        profile_types={"basic": replace(STRICT, query_kinds=("match",), indices=(INDEX, "flights")), "strict": STRICT},
        indices={**KNOWN.indices, "flights": AllowedIndex("flights", "", {"carrier": "keyword"})},
    )
    body = b'{"query":{"match":{"title":"x"}}}'
    asked = replace(asking(policy=policy), known=KnownSearches())
    read_question(Question(INDEX, body), asked)
    with pytest.raises(QueryInvalidError):
        read_question(Question("flights", body), asked)
    with pytest.raises(QueryLimitError):
        read_question(Question(INDEX, body), replace(asked, caller=replace(principal(), profile_type="strict")))
