"""The group writer: what one commit holds, and what a bad row does to its neighbours."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from psycopg import IntegrityError
from sqlalchemy import event

from common.audit.record import AuditEntry
from common.audit.tables import audit_logs
from common.database.transaction import Database
from common.errors import UnavailableError
from request_svc.adapters.request_writer import GroupedRequestWriter
from request_svc.adapters.tables import requests
from request_svc.domain.request import NewRequest
from tests.integration.request_svc.request_world import NOW, World, principal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection


def new_request(user: UUID | None = None) -> NewRequest:
    return NewRequest(
        request_id=uuid4(),
        user_id=user or principal().user_id,
        index="cities",
        query_type="match_all",
        query_params={"index": "cities"},
        body=b"{}",
        search=b"",
        priority=5,
        created_at=NOW,
        not_after=None,
        accept_partial=False,
        idempotency_key=None,
        trace_id="",
    )


def entry(request: NewRequest) -> AuditEntry:
    return AuditEntry(action="request.submit", user_id=request.user_id, resource_id=str(request.request_id))


async def test_what_arrives_during_a_commit_goes_with_the_next_one(world: World) -> None:
    commits = 0

    def count(_connection: object) -> None:
        nonlocal commits
        commits += 1

    event.listen(world.database.engine.sync_engine, "commit", count)
    news = [new_request() for _ in range(350)]
    assert all(await asyncio.gather(*(world.writer.write(new, entry(new)) for new in news)))
    assert commits <= 3
    assert len(await world.rows(requests.c.id)) == 350
    assert len(await world.rows(audit_logs.c.id)) == 350


async def test_one_bad_row_fails_alone(world: World) -> None:
    good = [new_request() for _ in range(10)]
    bad = new_request(user=uuid4())
    worse = replace(new_request(), trace_id="a\0b")
    news = [*good[:5], bad, worse, *good[5:]]
    outcomes = await asyncio.gather(*(world.writer.write(new, entry(new)) for new in news), return_exceptions=True)
    failed = {new.request_id: outcome for new, outcome in zip(news, outcomes, strict=True) if outcome is not True}
    assert set(failed) == {bad.request_id, worse.request_id}
    assert isinstance(failed[bad.request_id], IntegrityError)
    stored = {row.id for row in await world.rows(requests.c.id)}
    assert stored == {new.request_id for new in good}
    assert len(await world.rows(audit_logs.c.id)) == 10


async def test_two_processes_with_the_same_keys_in_opposite_order_do_not_lock_each_other_out(world: World) -> None:
    other = GroupedRequestWriter(world.database)
    for round_number in range(5):
        keys = [f"{round_number}-{number}" for number in range(100)]
        news = [replace(new_request(), idempotency_key=key) for key in keys]
        again = [replace(new_request(), idempotency_key=key) for key in reversed(keys)]
        first, second = await asyncio.gather(
            asyncio.gather(*(world.writer.write(new, entry(new)) for new in news)),
            asyncio.gather(*(other.write(new, entry(new)) for new in again)),
        )
        assert [*first, *second].count(True) == 100
    await other.close()


async def test_a_caller_who_leaves_while_waiting_takes_his_request_along(world: World) -> None:
    first, left, last = new_request(), new_request(), new_request()
    waiting = [asyncio.create_task(world.writer.write(new, entry(new))) for new in (first, left, last)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    assert await waiting[0]
    assert await waiting[2]
    assert {row.id for row in await world.rows(requests.c.id)} == {first.request_id, last.request_id}


async def nothing_to_settle(_connection: AsyncConnection, known: Sequence[NewRequest]) -> None:
    assert not known


async def test_what_is_handed_over_together_shares_a_commit_with_others_and_is_never_parted(world: World) -> None:
    commits = 0

    def count(_connection: object) -> None:
        nonlocal commits
        commits += 1

    event.listen(world.database.engine.sync_engine, "commit", count)
    together = [[new_request() for _ in range(90)] for _ in range(4)]
    alone = [new_request() for _ in range(90)]
    await asyncio.gather(
        *(world.writer.write_together([(new, entry(new)) for new in news], nothing_to_settle) for news in together),
        *(world.writer.write(new, entry(new)) for new in alone),
    )
    assert commits <= 3
    assert len(await world.rows(requests.c.id)) == 450
    assert len(await world.rows(audit_logs.c.id)) == 450


async def test_one_bad_row_fails_with_those_that_were_handed_over_together(world: World) -> None:
    good, bad = [new_request() for _ in range(4)], new_request(user=uuid4())
    together = [new_request(), bad, new_request()]
    outcomes = await asyncio.gather(
        *(world.writer.write(new, entry(new)) for new in good[:2]),
        world.writer.write_together([(new, entry(new)) for new in together], nothing_to_settle),
        *(world.writer.write(new, entry(new)) for new in good[2:]),
        return_exceptions=True,
    )
    assert [isinstance(one, IntegrityError) for one in outcomes] == [False, False, True, False, False]
    assert {row.id for row in await world.rows(requests.c.id)} == {new.request_id for new in good}


async def test_a_caller_who_leaves_while_waiting_takes_all_of_his_requests_along(world: World) -> None:
    first, left = new_request(), [new_request() for _ in range(3)]
    waiting = [
        asyncio.create_task(world.writer.write(first, entry(first))),
        asyncio.create_task(world.writer.write_together([(new, entry(new)) for new in left], nothing_to_settle)),
    ]
    await asyncio.sleep(0)
    waiting[1].cancel()
    assert await waiting[0]
    await world.writer.close()
    assert {row.id for row in await world.rows(requests.c.id)} == {first.request_id}


async def test_a_database_that_is_away_is_said_and_does_not_stop_the_writer(world: World, request_url: str) -> None:
    away = Database(request_url.rpartition("/")[0] + "/no_such_database")
    writer = GroupedRequestWriter(away)
    for _ in range(2):
        new = new_request()
        with pytest.raises(UnavailableError) as refused:
            await writer.write(new, entry(new))
        assert refused.value.metadata == {"part": "postgresql"}
    await away.close()
