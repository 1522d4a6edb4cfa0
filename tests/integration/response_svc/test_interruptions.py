"""A running search whose request was cancelled: given up at once, and nothing of it is kept."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from common.database.notices import Notices
from response_svc.adapters.queue import INTERRUPTED
from response_svc.usecases.execute_next import execute_next
from response_svc.usecases.execute_waiting import Executors
from response_svc.usecases.hold_lease import Interruptions
from tests.integration.response_svc.world import (
    Arrivals,
    FakeEngine,
    cancellation,
    id_of,
    make_user,
    question,
    rows,
    run,
    state,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from common.database.transaction import Database
    from response_svc.usecases.change_users import UserContext
    from response_svc.usecases.execute_next import ExecutionContext

# Whatever is noticed before this, is noticed by the notice.
LEASE = timedelta(hours=1)


@pytest.fixture
async def hearing(database: Database, execution: ExecutionContext) -> AsyncIterator[ExecutionContext]:
    """Execution that hears notices, under a lease that is not renewed while a test runs."""
    notices = Notices(database.url)
    notices.wake_on(INTERRUPTED, execution.interruptions.wake)
    notices.start()
    yield replace(execution, lease=LEASE)
    await notices.close()


class Endless:
    """A search that ends only when it is given up."""

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.given_up = asyncio.Event()

    async def __call__(self) -> None:
        self.running.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.given_up.set()


async def test_a_cancelled_request_stops_its_search_and_frees_its_executor_at_once(
    database: Database, hearing: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    asked, other = question(user, minute=1), question(user, minute=2)
    await arrivals.arrive(asked)
    engine.meanwhile = endless = Endless()
    async with asyncio.timeout(10):
        executing = asyncio.create_task(Executors(hearing, 1).run())
        await endless.running.wait()
        engine.meanwhile = None
        await arrivals.arrive(cancellation(asked), other)
        assert await executing == {"lost": 1, "completed": 1}
    assert endless.given_up.is_set()
    assert await state(database, id_of(asked)) == ("cancelled", 0)
    assert await state(database, id_of(other)) == ("completed", 1)


async def test_a_search_whose_request_is_still_wanted_goes_on(
    database: Database, hearing: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    running, waiting = question(user, minute=1), question(user, minute=2)
    await arrivals.arrive(running, waiting)

    async def another_is_cancelled() -> None:
        [before] = await rows(database, "SELECT lease_expires_at FROM incoming_requests WHERE status = 'processing'")
        await arrivals.arrive(cancellation(waiting))
        async with asyncio.timeout(10):
            while [before] == await rows(
                database, "SELECT lease_expires_at FROM incoming_requests WHERE status = 'processing'"
            ):
                pass

    engine.meanwhile = another_is_cancelled
    assert await run(hearing) == "completed"
    assert await state(database, id_of(running)) == ("completed", 1)
    assert await state(database, id_of(waiting)) == ("cancelled", 0)


async def test_where_no_notice_comes_the_renewal_of_the_lease_finds_out(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)
    engine.meanwhile = endless = Endless()
    async with asyncio.timeout(10):
        executing = asyncio.create_task(execute_next(replace(execution, lease=timedelta(seconds=0.6))))
        await endless.running.wait()
        await arrivals.arrive(cancellation(asked))
        ended = await executing
    assert ended is not None
    assert ended.outcome == "lost"
    assert await state(database, id_of(asked)) == ("cancelled", 0)


async def test_a_claim_that_is_cut_off_leaves_its_request_in_the_queue(
    database: Database, execution: ExecutionContext, arrivals: Arrivals, user_context: UserContext
) -> None:
    asked = question(await make_user(user_context))
    await arrivals.arrive(asked)
    executing = asyncio.create_task(execute_next(execution))
    # The claim is on its way to the database.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    executing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await executing
    assert await state(database, id_of(asked)) == ("pending", 0)
    assert await run(execution) == "completed"


async def test_executors_that_are_to_stop_finish_what_they_have_begun_and_begin_nothing_more(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(*(question(user, minute=minute) for minute in range(5)))
    executors = Executors(execution, 1)

    async def is_told_to_stop() -> None:
        executors.stop_claiming()

    engine.meanwhile = is_told_to_stop
    assert await executors.run() == {"completed": 1}
    assert await executors.run() == {}
    assert (await rows(database, "SELECT count(*) FROM incoming_requests WHERE status = 'pending'"))[0].count == 4


async def test_executors_that_are_closed_hand_back_what_they_have_begun(
    database: Database, execution: ExecutionContext, engine: FakeEngine, arrivals: Arrivals, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    await arrivals.arrive(*(question(user, minute=minute) for minute in range(5)))
    executors = Executors(execution, 3)
    engine.meanwhile = endless = Endless()
    async with asyncio.timeout(10):
        running = asyncio.create_task(executors.run())
        await endless.running.wait()
        await executors.close()
        assert await running == {}
    [row] = await rows(
        database, "SELECT count(*), max(retry_count) AS most FROM incoming_requests WHERE status = 'pending'"
    )
    assert (row.count, row.most) == (5, 0)


async def test_nobody_who_has_let_go_is_waited_for() -> None:
    interruptions = Interruptions()
    first, second = interruptions.next(), interruptions.next()
    interruptions.forget(first)
    interruptions.wake()
    assert not first.done()
    assert second.done()
    interruptions.wake()
