"""Ends that share a commit: each is written once, and what is wrong with one harms no other."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import text

from response_svc.adapters.claims import PostgresClaims
from response_svc.adapters.end_writer import CHUNK_BYTES, GroupedEndWriter
from response_svc.domain.incoming_request import Answer, ClaimedRequest, Failure, FailureReason, FinalEnd
from response_svc.ports import UnstorableAnswerError
from tests.integration.response_svc.world import Arrivals, make_user, question, rows

if TYPE_CHECKING:
    from common.database.transaction import Database
    from response_svc.usecases.change_users import UserContext

GOOD = Answer(b'{"hits": 9007199254740993, "a": 1.0, "a": 2}', 3, 1)


async def claimed(
    database: Database, arrivals: Arrivals, user_context: UserContext, count: int
) -> list[ClaimedRequest]:
    user = await make_user(user_context)
    await arrivals.arrive(*(question(user) for _ in range(count)))
    claims = await PostgresClaims(database).claim(worker="w", lease=timedelta(seconds=60), wanted=count)
    return [claim.request for claim in claims]


async def test_ends_that_come_together_share_a_commit(
    database: Database, arrivals: Arrivals, user_context: UserContext
) -> None:
    claims = await claimed(database, arrivals, user_context, 20)
    writer = GroupedEndWriter(database)
    assert all(await asyncio.gather(*(writer.write(FinalEnd(claim, GOOD, 1, 1)) for claim in claims)))
    commits = await rows(database, "SELECT DISTINCT xmin::text FROM query_results")
    assert len(commits) <= 2
    stored = await rows(database, "SELECT result_data::text AS body FROM query_results")
    assert [row.body.encode() for row in stored] == [GOOD.body] * 20


async def test_an_answer_that_is_no_json_and_a_lost_lease_fail_alone(
    database: Database, arrivals: Arrivals, user_context: UserContext
) -> None:
    claims = await claimed(database, arrivals, user_context, 6)
    long = Answer(b'"' + b"x" * CHUNK_BYTES * 2 + b'"', 1, 1)
    outcomes: list[tuple[ClaimedRequest, Answer | Failure]] = [
        (claims[0], GOOD),
        (claims[1], Answer(b"{broken", 0, 0)),
        (replace(claims[2], lease=uuid4()), GOOD),
        (claims[3], Failure(FailureReason.EXPIRED, "too late")),
        (claims[4], long),
        (claims[5], Answer(b'"\xff"', 0, 0)),
    ]
    writer = GroupedEndWriter(database)
    written = await asyncio.gather(
        *(writer.write(FinalEnd(claim, outcome, 1, 1)) for claim, outcome in outcomes), return_exceptions=True
    )
    assert [type(one) if isinstance(one, Exception) else one for one in written] == [
        True,
        UnstorableAnswerError,
        False,
        True,
        True,
        UnstorableAnswerError,
    ]
    states = {row.id: row.status for row in await rows(database, "SELECT id, status FROM incoming_requests")}
    ends = {row.request_id for row in await rows(database, "SELECT request_id FROM query_results")}
    chunks = [row.data for row in await rows(database, "SELECT data FROM result_chunks ORDER BY n")]
    assert [states[claim.row_id] for claim in claims] == [
        "completed",
        "processing",
        "processing",
        "expired",
        "completed",
        "processing",
    ]
    assert ends == {claims[0].row_id, claims[3].row_id, claims[4].row_id}
    assert b"".join(bytes(chunk) for chunk in chunks) == long.body


async def test_ends_that_lock_each_other_out_with_somebody_else_are_written_one_by_one(
    database: Database, arrivals: Arrivals, user_context: UserContext
) -> None:
    claims = await claimed(database, arrivals, user_context, 20)
    lock = text("SELECT FROM incoming_requests WHERE id = :id FOR UPDATE")
    writer = GroupedEndWriter(database)
    async with database.transaction() as other:
        await other.connection.execute(lock, {"id": claims[-1].row_id})
        writing = asyncio.gather(*(writer.write(FinalEnd(claim, GOOD, 1, 1)) for claim in claims))
        async with asyncio.timeout(20):
            while not await rows(database, "SELECT FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - nobody tells.
                await asyncio.sleep(0.01)
        # Whoever has waited longest is told: the writer.
        await other.connection.execute(lock, {"id": claims[0].row_id})
    assert all(await writing)
    assert await rows(database, "SELECT count(*) AS results FROM query_results") == [(20,)]
