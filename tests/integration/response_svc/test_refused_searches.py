"""A request in a valid bundle is judged again here: what breaks a limit, a rule or the mapping comes back refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from common.policy.index import AllowedIndex
from common.policy.policy import Policy
from tests.bad_searches import BAD, FIELDS
from tests.integration.response_svc.world import (
    Arrivals,
    FakeEngine,
    FixedPolicy,
    id_of,
    make_user,
    question,
    rows,
    run,
)

if TYPE_CHECKING:
    from common.database.transaction import Database
    from response_svc.usecases.change_users import UserContext
    from response_svc.usecases.execute_next import ExecutionContext


async def test_every_bad_search_comes_back_refused_with_its_reason_and_none_is_searched(
    database: Database,
    execution: ExecutionContext,
    engine: FakeEngine,
    arrivals: Arrivals,
    user_context: UserContext,
) -> None:
    policy = Policy(indices={"cities": AllowedIndex("cities", "", FIELDS)})
    execution = replace(execution, policy=FixedPolicy(policy))
    sara = await make_user(user_context)
    asked = {bad.name: question(sara, search=bad.search) for bad in BAD}
    await arrivals.arrive(*asked.values())
    assert [await run(execution) for _ in BAD] == ["refused"] * len(BAD)
    assert await run(execution) is None
    found = await rows(
        database,
        "SELECT r.original_request_id AS id, q.message FROM query_results q"
        " JOIN incoming_requests r ON r.id = q.request_id WHERE r.status = 'failed'",
    )
    by_id = {row.id: row.message for row in found}
    messages = {name: by_id[id_of(one)] for name, one in asked.items()}
    assert {bad.name: messages[bad.name] for bad in BAD if bad.told not in messages[bad.name]} == {}
    assert engine.asked == []
