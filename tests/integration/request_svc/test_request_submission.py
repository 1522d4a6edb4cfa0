"""Submitting, reading, listing and cancelling requests, and who may."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from airlock.search.v1.search_pb2 import Search

from common.audit.tables import audit_logs
from common.errors import (
    IdempotencyConflictError,
    IndexNotAllowedError,
    InvalidFieldError,
    NotFoundError,
    PermissionMissingError,
    QueryInvalidError,
    QueryLimitError,
    ResultNotReadyError,
    WrongStateError,
)
from common.policy.index import AllowedIndex
from common.policy.limits import BASIC, EffectiveLimits
from common.policy.policy import Policy
from common.policy.profile_type import ProfileType
from request_svc.adapters.tables import requests
from request_svc.domain.status import RequestStatus
from request_svc.ports import RequestFilter
from request_svc.usecases.list_requests import list_requests
from tests.integration.request_svc.request_world import INDEX, NOW, POLICY, World, answer, principal

OTHER_QUESTION = b'{"query":{"term":{"country":"IR"}}}'


async def test_a_submitted_request_is_stored_with_its_normal_form_and_audited(world: World) -> None:
    body = b' {"query": {"term": {"country": {"value": "IR"}}}, "size": 3}'
    submitted = await world.submit(body, not_after=NOW + timedelta(days=1), accept_partial=True)
    [row] = await world.rows(requests, where=requests.c.id == submitted.request_id)
    assert bytes(row.body) == body
    assert Search.FromString(bytes(row.search)).size == 3
    assert (row.status, row.query_type, row.priority, row.accept_partial) == ("pending", "term", 5, True)
    assert row.query_params == {"index": "cities", "sort_keys": 0, "aggregations": 0, "size": 3}
    [entry] = await world.rows(audit_logs, where=audit_logs.c.resource_id == str(submitted.request_id))
    assert (entry.action, entry.user_id) == ("request.submit", principal().user_id)
    assert str(entry.ip_address) == "192.0.2.7"
    details = await world.get(submitted.request_id)
    assert details.request == submitted
    assert details.response is None


async def test_a_typed_search_and_a_body_of_one_meaning_are_the_same_question(world: World) -> None:
    typed = Search()
    typed.query.term["country"].value.string_value = "IR"
    first = await world.submit(body=None, search=typed, idempotency_key="one")
    assert await world.submit(OTHER_QUESTION, idempotency_key="one") == first


async def test_the_same_key_and_question_give_the_same_request(world: World) -> None:
    first = await world.submit(idempotency_key="monday", priority=3)
    again = await world.submit(b'{ "query": {"match_all": {} } }', idempotency_key="monday")
    assert again == first
    assert len(await world.rows(requests.c.id)) == 1
    assert len(await world.rows(audit_logs.c.id, where=audit_logs.c.action == "request.submit")) == 1


async def test_the_same_key_twice_at_once_gives_one_request(world: World) -> None:
    submitted = await asyncio.gather(*(world.submit(idempotency_key="race") for _ in range(20)))
    assert len({request.request_id for request in submitted}) == 1


async def test_a_key_that_comes_with_another_question_is_refused(world: World) -> None:
    first = await world.submit(idempotency_key="monday")
    with pytest.raises(IdempotencyConflictError) as refused:
        await world.submit(OTHER_QUESTION, idempotency_key="monday")
    assert refused.value.metadata == {"request_id": str(first.request_id)}


async def test_two_users_may_choose_the_same_key(world: World) -> None:
    first = await world.submit(idempotency_key="monday")
    other = await world.submit(OTHER_QUESTION, idempotency_key="monday", caller=principal("omid"))
    assert other.request_id != first.request_id


async def test_an_index_that_is_not_allowed_is_refused(world: World) -> None:
    with pytest.raises(IndexNotAllowedError):
        await world.submit(index="salaries")


@pytest.mark.parametrize(
    "options",
    [
        {"body": None},
        {"search": Search()},
        {"idempotency_key": "x" * 129},
        {"idempotency_key": "a\0b"},
        {"not_after": NOW - timedelta(seconds=1)},
    ],
    ids=["neither body nor search", "both", "long key", "key with NUL", "too late"],
)
async def test_options_that_break_their_rule_are_refused(world: World, options: dict[str, object]) -> None:
    with pytest.raises(InvalidFieldError) as refused:
        await world.submit(**options)  # type: ignore[arg-type]
    assert refused.value.violations


async def test_an_unknown_key_in_the_body_is_refused_and_nothing_is_stored(world: World) -> None:
    with pytest.raises(QueryInvalidError):
        await world.submit(b'{"qery":{"match_all":{}}}')
    with pytest.raises((QueryLimitError, QueryInvalidError)):
        await world.submit(b'{"size":1001}')
    assert await world.rows(requests.c.id) == []


async def test_a_body_beyond_256_kib_is_refused(world: World) -> None:
    with pytest.raises(QueryLimitError, match="at most 262144"):
        await world.submit(b'{"query":{"match":{"name":"' + b"x" * 262_144 + b'"}}}')


async def test_more_than_ones_own_priority_is_for_operators(world: World) -> None:
    with pytest.raises(PermissionMissingError):
        await world.submit(priority=6)
    assert (await world.submit(priority=1)).priority == 1
    assert (await world.submit(priority=9, caller=principal(role="operator"))).priority == 9


@pytest.mark.parametrize("role", ["user", "admin"])
async def test_another_users_request_is_not_found_for_anyone(world: World, role: str) -> None:
    request = await world.submit()
    stranger = principal("omid", role=role)
    with pytest.raises(NotFoundError):
        await world.get(request.request_id, caller=stranger)
    with pytest.raises(NotFoundError):
        await world.cancel(request.request_id, caller=stranger)
    with pytest.raises(NotFoundError):
        await world.result(request.request_id, caller=stranger)
    assert await world.status(request.request_id) == "pending"


async def test_a_result_that_is_not_here_yet_names_the_state(world: World) -> None:
    request = await world.submit()
    with pytest.raises(ResultNotReadyError) as refused:
        await world.result(request.request_id)
    assert refused.value.metadata == {"state": "pending"}


async def test_a_pending_request_is_cancelled_at_once_and_never_travels(world: World) -> None:
    request = await world.submit()
    assert (await world.cancel(request.request_id)).status is RequestStatus.CANCELLED
    assert (await world.cancel(request.request_id)).status is RequestStatus.CANCELLED
    assert (await world.claim())[1] == 0
    actions = [row.action for row in await world.rows(audit_logs.c.action)]
    assert actions.count("request.cancel") == 1


async def test_an_answered_request_cannot_be_cancelled(world: World) -> None:
    request = await world.submit()
    await world.import_responses(answer(request.request_id, b"{}"))
    with pytest.raises(WrongStateError) as refused:
        await world.cancel(request.request_id)
    assert refused.value.metadata["state"] == "completed"


async def test_cancelling_an_unknown_request_is_not_found(world: World) -> None:
    with pytest.raises(NotFoundError):
        await world.cancel(uuid4())


async def test_lists_go_page_by_page_without_gaps_or_repeats(world: World) -> None:
    made = [await world.submit(now=NOW + timedelta(minutes=minute // 2)) for minute in range(7)]
    await world.submit(caller=principal("omid"))
    wanted = RequestFilter(principal().user_id)
    for newest_first in (True, False):
        seen, after = [], None
        while True:
            page = await list_requests(
                replace(wanted, newest_first=newest_first),
                after=after,
                limit=3,
                database=world.database,
                requests=world.requests,
            )
            seen += page.requests
            if not page.more:
                break
            after = (page.requests[-1].created_at, page.requests[-1].request_id)
        order = sorted(made, key=lambda one: (one.created_at, one.request_id), reverse=newest_first)
        assert seen == order


async def test_lists_can_be_narrowed(world: World) -> None:
    early = await world.submit(now=NOW - timedelta(days=1))
    flights = await world.submit(index="flights")
    cancelled = await world.submit()
    await world.cancel(cancelled.request_id)
    user = principal().user_id

    async def ids(wanted: RequestFilter) -> set[object]:
        page = await list_requests(wanted, after=None, limit=10, database=world.database, requests=world.requests)
        return {one.request_id for one in page.requests}

    assert await ids(RequestFilter(user, index="flights")) == {flights.request_id}
    assert await ids(RequestFilter(user, created_before=NOW)) == {early.request_id}
    assert await ids(RequestFilter(user, created_after=NOW - timedelta(hours=1))) == {
        flights.request_id,
        cancelled.request_id,
    }
    assert await ids(RequestFilter(user, statuses=frozenset({RequestStatus.CANCELLED}))) == {cancelled.request_id}


async def test_without_a_list_of_indices_the_refusal_says_what_to_carry(world: World) -> None:
    with pytest.raises(IndexNotAllowedError, match="must carry a settings bundle"):
        await world.submit(policy=Policy())
    assert await world.rows(requests) == []


@pytest.mark.parametrize(
    ("body", "advice"),
    [
        (b'{"query":{"match":{"nmae":"x"}}}', "did you mean name"),
        (b'{"sort":"name"}', "use name.keyword"),
        (b'{"query":{"term":{"population":"many"}}}', "is no number"),
    ],
)
async def test_a_mistake_about_fields_is_refused_before_the_trip(world: World, body: bytes, advice: str) -> None:
    fields = {"name": "text", "name.keyword": "keyword", "population": "long"}
    policy = Policy(indices={INDEX: AllowedIndex(INDEX, "", fields)})
    with pytest.raises(QueryInvalidError) as refused:
        await world.submit(body, policy=policy)
    assert advice in refused.value.violations[0].description
    assert await world.rows(requests) == []


async def test_the_callers_profile_type_decides_once_it_is_known(world: World) -> None:
    limits = EffectiveLimits(BASIC.rates, BASIC.priority)
    strict = ProfileType("basic", limits, query_kinds=("term",), indices=("flights",))
    known = replace(POLICY, profile_types={"basic": strict})
    with pytest.raises(IndexNotAllowedError) as refused:
        await world.submit(policy=known)
    assert refused.value.metadata["allowed"] == "flights"
    with pytest.raises(QueryLimitError):
        await world.submit(b'{"query":{"match":{"carrier":"UA"}}}', index="flights", policy=known)
    assert await world.submit(b'{"query":{"term":{"carrier":"UA"}}}', index="flights", policy=known)
    assert await world.submit(policy=POLICY), "a profile type that has not arrived forbids nothing"


async def test_settings_bound_what_may_be_asked(world: World) -> None:
    with pytest.raises(QueryLimitError, match="max_size is 20"):
        await world.submit(b'{"size":21}', policy=replace(POLICY, values={"query.max_size": 20}))
    assert await world.submit(b'{"size":21}')
