"""Several questions in one call: all of them or none, whoever sends what again, at once or halfway."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from airlock.common.v1 import budget_pb2
from airlock.search.v1.search_pb2 import Search
from sqlalchemy import event, text

from common.audit.tables import audit_logs
from common.errors import (
    AirlockError,
    IdempotencyConflictError,
    IndexNotAllowedError,
    InvalidFieldError,
    PermissionMissingError,
    QueryInvalidError,
    RateLimitedError,
)
from request_svc.adapters.tables import requests
from request_svc.domain.question import Question
from request_svc.ports import RequestFilter
from request_svc.usecases.list_requests import list_requests
from tests.integration.request_svc.request_world import World, principal

if TYPE_CHECKING:
    from common.database.transaction import Database

ALL = {"query": {"match_all": {}}}
LOCKED = text("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
TAKE_KEY = """
INSERT INTO requests
    (id, user_id, index_name, query_type, query_params, body, search, priority, created_at, idempotency_key)
SELECT gen_random_uuid(), user_id, index_name, query_type, query_params, body, search, priority, created_at, :key
FROM requests
"""
LIMIT_SECONDS = 20


def lines(*questions: tuple[dict[str, Any], dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(part).encode() + b"\n" for question in questions for part in question)


def keyed(*keys: str, size: int = 1) -> bytes:
    return lines(*(({"idempotency_key": key}, {"size": size}) for key in keys))


async def until_locked(owner: Database) -> int:
    """The backend whose statement waits for another's lock, once there is one."""
    async with asyncio.timeout(LIMIT_SECONDS), owner.engine.connect() as connection:
        while True:
            pid = (await connection.execute(LOCKED)).scalar()
            await connection.rollback()
            if pid is not None:
                return int(pid)


async def stored(world: World) -> int:
    return len(await world.rows(requests.c.id))


async def test_a_batch_is_answered_in_order_and_stored_with_an_audit_row_each(world: World) -> None:
    made = await world.submit_batch(lines(*(({"priority": 1 + number % 5}, {"size": number}) for number in range(100))))
    assert [one.priority for one in made] == [1 + number % 5 for number in range(100)]
    rows = await world.rows(requests.c.id, requests.c.query_params, requests.c.trace_id)
    assert {row.id: row.query_params["size"] for row in rows} == {made[n].request_id: n for n in range(100)}
    assert len({row.trace_id for row in rows}) == 1
    audited = await world.rows(audit_logs.c.resource_id, where=audit_logs.c.action == "request.submit")
    assert {row.resource_id for row in audited} == {str(one.request_id) for one in made}
    assert len(audited) == 100


async def test_lists_keep_the_order_of_a_batch(world: World) -> None:
    made = await world.submit_batch(lines(*[({}, ALL)] * 20))
    wanted = RequestFilter(principal().user_id, newest_first=False)
    page = await list_requests(wanted, after=None, limit=50, database=world.database, requests=world.requests)
    assert list(page.requests) == made


async def test_bodies_and_typed_searches_may_stand_in_one_batch(world: World) -> None:
    typed = Search(size=3)
    first, second = await world.submit_batch(
        None, Question("cities", search=typed), Question("flights", body=b'{"size": 3}')
    )
    assert (first.index, second.index) == ("cities", "flights")
    [one, other] = await world.rows(requests.c.search)
    assert bytes(one.search) == bytes(other.search)


async def test_one_commit_holds_a_batch_and_a_statement_of_one_alone(world: World) -> None:
    commits = 0

    def count(_connection: object) -> None:
        nonlocal commits
        commits += 1

    event.listen(world.database.engine.sync_engine, "commit", count)
    await world.submit_batch(lines(*[({}, ALL)] * 100))
    assert commits == 1


@pytest.mark.parametrize(
    ("header", "search", "error", "field"),
    [
        ({}, {"qery": {}}, QueryInvalidError, "requests[2].qery"),
        ({}, {"size": 1.5}, QueryInvalidError, "requests[2].size"),
        ({"index": "salaries"}, ALL, IndexNotAllowedError, "requests[2].index"),
        ({"index": "cities,flights"}, ALL, QueryInvalidError, "requests[2].index"),
        ({"priority": 9}, ALL, PermissionMissingError, "requests[2].priority"),
        ({"prioriti": 3}, ALL, InvalidFieldError, "requests[2].prioriti"),
        ({"not_after": "2020-01-01T00:00:00Z"}, ALL, InvalidFieldError, "requests[2].not_after"),
        ({"idempotency_key": "x" * 129}, ALL, InvalidFieldError, "requests[2].idempotency_key"),
    ],
)
async def test_one_wrong_question_keeps_all_others_out(
    world: World, header: dict[str, Any], search: dict[str, Any], error: type[AirlockError], field: str
) -> None:
    with pytest.raises(error) as refused:
        await world.submit_batch(lines(({}, ALL), ({}, ALL), (header, search), ({}, ALL)))
    [violation] = refused.value.violations
    assert violation.field == field
    assert refused.value.metadata["refused"] == "2"
    assert "so none was stored" in refused.value.message
    assert await stored(world) == 0
    assert await world.rows(audit_logs.c.id) == []


async def test_a_body_that_is_no_json_is_named_by_its_position(world: World) -> None:
    with pytest.raises(QueryInvalidError) as refused:
        await world.submit_batch(b"{}\n{}\n{}\n{\n{}\n\n{}\n{}")
    assert [one.field for one in refused.value.violations] == ["requests[1].body", "requests[2].body"]


async def test_a_batch_that_is_sent_again_gives_the_same_requests(world: World) -> None:
    body = keyed("a", "b", "c")
    first = await world.submit_batch(body)
    assert await world.submit_batch(body) == first
    assert await world.submit_batch(keyed("c", "a")) == [first[2], first[0]]
    assert await stored(world) == 3
    assert len(await world.rows(audit_logs.c.id)) == 3


async def test_known_and_new_keys_and_none_go_together(world: World) -> None:
    known = await world.submit(b'{"size": 1}', idempotency_key="b")
    made = await world.submit_batch(
        lines(({}, ALL), ({"idempotency_key": "b"}, {"size": 1}), ({"idempotency_key": "c"}, ALL))
    )
    assert made[1] == known
    assert await stored(world) == 3
    assert {row.id for row in await world.rows(requests.c.id)} == {one.request_id for one in made}


async def test_the_same_key_and_question_twice_in_a_batch_is_one_request(world: World) -> None:
    first, other, again = await world.submit_batch(keyed("a", "b", "a"))
    assert again == first != other
    assert await stored(world) == 2


async def test_one_key_at_two_questions_of_a_batch_is_refused(world: World) -> None:
    body = keyed("a", "b") + keyed("a", size=2) + keyed("a")
    with pytest.raises(IdempotencyConflictError) as refused:
        await world.submit_batch(body)
    assert refused.value.metadata == {"refused": "2"}
    assert await stored(world) == 0


async def test_a_known_key_at_another_question_keeps_all_others_out(world: World) -> None:
    known = await world.submit(b'{"size": 7}', idempotency_key="b")
    with pytest.raises(IdempotencyConflictError) as refused:
        await world.submit_batch(keyed("a", "b", "c"))
    assert refused.value.metadata == {"request_id": str(known.request_id), "refused": "1"}
    assert [one.field for one in refused.value.violations] == ["requests[1].idempotency_key"]
    assert [row.id for row in await world.rows(requests.c.id)] == [known.request_id]
    assert len(await world.rows(audit_logs.c.id)) == 1


async def test_a_refused_batch_harms_nobody_who_is_stored_in_the_same_group(world: World) -> None:
    await world.submit(b'{"size": 7}', idempotency_key="b")
    blocked = asyncio.create_task(world.submit(idempotency_key="first of the group before"))
    await asyncio.sleep(0)
    outcomes = await asyncio.gather(
        *(world.submit(idempotency_key=f"alone-{number}") for number in range(5)),
        world.submit_batch(keyed("a", "b")),
        world.submit_batch(keyed("d", "e")),
        *(world.submit(idempotency_key=f"behind-{number}") for number in range(5)),
        return_exceptions=True,
    )
    await blocked
    assert [type(one) for one in outcomes if isinstance(one, BaseException)] == [IdempotencyConflictError]
    keys = {row.idempotency_key for row in await world.rows(requests.c.idempotency_key)}
    assert {"d", "e", "alone-0", "behind-4"} <= keys
    assert "a" not in keys
    assert await stored(world) == 14


async def test_the_same_batch_from_two_processes_at_once_is_stored_once(world: World) -> None:
    other = World(world.database)
    for number in range(5):
        keys = [f"{number}-{one}" for one in range(50)]
        first, second = await asyncio.gather(
            world.submit_batch(keyed(*keys)), other.submit_batch(keyed(*reversed(keys)))
        )
        assert [one.request_id for one in first] == [one.request_id for one in reversed(second)]
    assert await stored(world) == 250
    await other.writer.close()


async def test_of_two_batches_at_once_that_share_a_key_one_is_stored_whole(world: World) -> None:
    other = World(world.database)
    for number in range(10):
        shared = f"{number}-shared"
        outcomes = await asyncio.gather(
            world.submit_batch(keyed(f"{number}-a", shared, size=1)),
            other.submit_batch(keyed(shared, f"{number}-b", size=2)),
            return_exceptions=True,
        )
        [refusal] = [one for one in outcomes if isinstance(one, BaseException)]
        assert isinstance(refusal, IdempotencyConflictError)
        rows = await world.rows(requests.c.idempotency_key, where=requests.c.idempotency_key.startswith(f"{number}-"))
        assert len(rows) == 2
    await other.writer.close()


async def test_a_key_that_another_question_takes_while_a_batch_is_stored_keeps_all_of_it_out(
    world: World, owner: Database
) -> None:
    await world.submit(b'{"size": 7}', idempotency_key="seed")
    async with owner.transaction() as other:
        await other.connection.execute(text(TAKE_KEY), {"key": "b"})
        submitting = asyncio.create_task(world.submit_batch(keyed("a", "b", "c")))
        await until_locked(owner)
    with pytest.raises(IdempotencyConflictError) as refused:
        await submitting
    assert refused.value.metadata["refused"] == "1"
    assert {row.idempotency_key for row in await world.rows(requests.c.idempotency_key)} == {"seed", "b"}


async def test_a_batch_is_never_stored_in_part_when_the_database_breaks_off(world: World, owner: Database) -> None:
    """The backend of the writer is ended while its statement waits for a lock."""
    async with owner.transaction() as blocking:
        await blocking.connection.execute(text("LOCK TABLE audit_logs IN ACCESS EXCLUSIVE MODE"))
        submitting = asyncio.create_task(world.submit_batch(keyed("a", "b", "c")))
        waiting = {"pid": await until_locked(owner)}
        await blocking.connection.execute(text("SELECT pg_terminate_backend(:pid)"), waiting)
    with pytest.raises(AirlockError, match="try again"):
        await submitting
    assert await stored(world) == 0
    assert len(await world.submit_batch(keyed("a", "b", "c"))) == 3


class Budget:
    """Lets so many submissions through."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.asked: list[int] = []

    async def spend(self, budget: int, cost: int) -> None:
        assert budget == budget_pb2.BUDGET_SUBMISSION
        self.asked.append(cost)
        if cost > self.left:
            raise RateLimitedError("used up", retry_after_seconds=7)
        self.left -= cost


async def test_the_limits_count_each_question_and_let_in_all_or_none(world: World) -> None:
    budget = Budget(5)
    await world.submit_batch(keyed("a", "b", "c"), spend=budget.spend)
    with pytest.raises(RateLimitedError) as refused:
        await world.submit_batch(keyed("d", "e", "f"), spend=budget.spend)
    assert refused.value.retry_after_seconds == 7
    await world.submit_batch(keyed("d", "e"), spend=budget.spend)
    assert budget.asked == [3, 3, 2]
    assert await stored(world) == 5


async def test_a_refused_batch_has_cost_its_questions_and_one_of_no_form_counts_as_one(world: World) -> None:
    budget = Budget(10)
    with pytest.raises(QueryInvalidError):
        await world.submit_batch(lines(({}, {"qery": 1}), ({}, ALL)), spend=budget.spend)
    with pytest.raises(InvalidFieldError):
        await world.submit_batch(b"{}\n{}\n{}", spend=budget.spend)
    assert budget.asked == [2, 1]


async def test_nothing_is_read_before_it_is_counted(world: World) -> None:
    with pytest.raises(RateLimitedError):
        await world.submit_batch(b"{}\nthis is no JSON", spend=Budget(0).spend)


async def test_other_calls_go_on_while_a_large_batch_is_read(world: World) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(others())
    await world.submit_batch(lines(*[({}, ALL)] * 100))
    running.cancel()
    assert turns >= 100


async def test_an_operator_may_ask_for_more_than_his_own_priority_in_a_batch(world: World) -> None:
    [made] = await world.submit_batch(lines(({"priority": 9}, ALL)), caller=principal(role="operator"))
    assert made.priority == 9
