"""Jobs: one at a time, recorded, harmless twice; a wake-up goes through a real Redis and outlives a lost connection."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from airlock.common.v1 import network_pb2
from pydantic import SecretStr
from sqlalchemy import text
from taskiq_redis import RedisStreamBroker

from common.batches.reports import ExportReport, ImportReport, LeftFile
from common.database.exclusive import exclusively
from common.database.transaction import Database
from common.errors import StreamStoppedError
from common.jobs.broker import make_broker
from common.jobs.job import CountReport, Job
from common.jobs.queue import BrokerJobQueue
from common.jobs.runs import list_job_runs, run_job
from common.jobs.worker import register, run_scheduler, run_worker
from tests.integration.common.trail import trail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from common.jobs.job import Report
    from common.jobs.runs import JobRun
    from common.settings import NetworkSettings


@dataclass
class Kitchen:
    """The app that the tests' jobs work on."""

    database: Database
    cooked: asyncio.Queue[int] = field(default_factory=asyncio.Queue)
    fault: Exception | None = None
    busy: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)


async def cook(kitchen: Kitchen) -> dict[str, int]:
    if kitchen.fault is not None:
        raise kitchen.fault
    await kitchen.cooked.put(1)
    return {"meals": 3, "burnt": 0}


async def simmer(kitchen: Kitchen) -> dict[str, int]:
    kitchen.busy.set()
    await kitchen.go_on.wait()
    return await cook(kitchen)


@pytest.fixture
def kitchen(database: Database) -> Kitchen:
    return Kitchen(database)


async def row(database: Database, name: str) -> JobRun:
    async with database.transaction() as transaction:
        return (await list_job_runs(transaction.connection))[name]


async def test_a_run_is_recorded_in_numbers(kitchen: Kitchen) -> None:
    report = await run_job(Job(name="cook", run=cook), kitchen, kitchen.database)
    assert report is not None
    assert report.counts == {"meals": 3, "burnt": 0}
    run = await row(kitchen.database, "cook")
    assert (run.succeeded, run.summary, run.error) == (True, "3 meals", None)
    assert run.finished_at is not None
    assert run.finished_at >= run.started_at


async def test_a_failed_run_is_recorded_and_raised_and_the_next_one_heals_it(kitchen: Kitchen) -> None:
    job = Job(name="cook", run=cook)
    kitchen.fault = StreamStoppedError("The stream stands still; declare a new epoch.")
    with pytest.raises(StreamStoppedError):
        await run_job(job, kitchen, kitchen.database)
    failed = await row(kitchen.database, "cook")
    assert failed.succeeded is False
    assert "declare a new epoch" in (failed.error or "")
    kitchen.fault = None
    await run_job(job, kitchen, kitchen.database)
    healed = await row(kitchen.database, "cook")
    assert (healed.succeeded, healed.error) == (True, None)


async def test_what_a_driver_says_is_not_kept_with_the_job(kitchen: Kitchen) -> None:
    kitchen.fault = ValueError("hunter2")
    with pytest.raises(ValueError, match="hunter2"):
        await run_job(Job(name="cook", run=cook), kitchen, kitchen.database)
    assert "hunter2" not in ((await row(kitchen.database, "cook")).error or "")


async def test_a_second_run_ends_at_once_and_another_job_does_not(kitchen: Kitchen) -> None:
    job = Job(name="simmer", run=simmer)
    first = asyncio.create_task(run_job(job, kitchen, kitchen.database))
    await kitchen.busy.wait()
    assert await run_job(job, kitchen, kitchen.database) is None
    assert await run_job(Job(name="cook", run=cook), kitchen, kitchen.database) is not None
    kitchen.go_on.set()
    assert await first is not None


async def test_jobs_that_may_run_side_by_side_do(kitchen: Kitchen) -> None:
    job = Job(name="simmer", run=simmer, exclusive=False)
    runs = [asyncio.create_task(run_job(job, kitchen, kitchen.database)) for _ in range(2)]
    await kitchen.busy.wait()
    kitchen.go_on.set()
    assert None not in await asyncio.gather(*runs)


async def test_a_quiet_run_without_numbers_is_noted_now_and_then(kitchen: Kitchen) -> None:
    async def nothing(_kitchen: Kitchen) -> None:
        return None

    moment = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
    noted = []
    for seconds in (0, 1, 29, 31, 32):
        job = Job(name="idle", run=nothing, quiet=True)
        at = moment + timedelta(seconds=seconds)
        await run_job(job, kitchen, kitchen.database, clock=lambda at=at: at)
        noted.append((await row(kitchen.database, "idle")).started_at)
    assert noted == [moment + timedelta(seconds=seconds) for seconds in (0, 0, 0, 31, 31)]


async def test_a_report_may_bring_its_own_words(kitchen: Kitchen) -> None:
    @dataclass(frozen=True)
    class Sealed(CountReport):
        @property
        def summary(self) -> str:
            return "sealed two bundles"

    async def export(_kitchen: Kitchen) -> Sealed:
        return Sealed({"bundles": 2})

    await run_job(Job(name="export", run=export), kitchen, kitchen.database)
    assert (await row(kitchen.database, "export")).summary == "sealed two bundles"


async def test_a_run_that_did_something_or_failed_is_in_the_audit_trail_and_an_idle_one_is_not(
    kitchen: Kitchen,
) -> None:
    async def nothing(_kitchen: Kitchen) -> dict[str, int]:
        return {"meals": 0}

    async def seal(_kitchen: Kitchen) -> dict[str, int]:
        return {"segments": 1}

    database = kitchen.database
    await run_job(Job(name="idle", run=nothing), kitchen, database)
    await run_job(Job(name="seal", run=seal, audited=False), kitchen, database)
    await run_job(Job(name="cook", run=cook), kitchen, database)
    kitchen.fault = RuntimeError("password=hunter2")
    for audited in (True, False):
        with pytest.raises(RuntimeError):
            await run_job(Job(name="cook", run=cook, audited=audited), kitchen, database)
    rows = await trail(database)
    assert [(row.action, row.resource_id, row.outcome) for row in rows] == [
        ("job.run", "cook", "ok"),
        ("job.run", "cook", "failed"),
        ("job.run", "cook", "failed"),
    ]
    assert rows[0].metadata == {"counts": {"meals": 3, "burnt": 0}, "summary": "3 meals"}
    assert "hunter2" not in str(rows[1].metadata)
    assert rows[0].user_agent.endswith(f":{os.getpid()}")


@pytest.mark.parametrize(
    ("report", "worked"),
    [
        (ImportReport(), False),
        (ImportReport(waiting=3, left=(LeftFile(filename="x", cause="no room"),)), False),
        (ImportReport(skipped=True), False),
        (ExportReport(kind=network_pb2.BUNDLE_KIND_USERS), False),
        (ExportReport(kind=network_pb2.BUNDLE_KIND_USERS, voided=1), True),
        (CountReport({"files": 0}), False),
        (CountReport({"files": 1}), True),
    ],
)
def test_what_only_waits_is_no_work(report: Report, worked: bool) -> None:
    assert report.worked is worked


async def test_a_lock_ends_with_its_holder_however_that_ends(database: Database) -> None:
    async with exclusively(database, "one") as held:
        assert held
        async with exclusively(database, "one") as second, exclusively(database, "two") as other:
            assert (second, other) == (False, True)
    with pytest.raises(RuntimeError):
        async with exclusively(database, "one"):
            raise RuntimeError("dies")
    async with exclusively(database, "one") as again:
        assert again


async def test_a_killed_lock_connection_does_not_spoil_the_work(database: Database, database_url: str) -> None:
    other = Database(database_url)
    async with exclusively(database, "one") as held:
        assert held
        async with other.transaction() as transaction:
            await transaction.connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'")
            )
    async with exclusively(other, "one") as free:
        assert free
    await other.close()


async def test_one_who_waits_is_served_in_turn(database: Database) -> None:
    order: list[str] = []

    async def second() -> None:
        async with exclusively(database, "one", wait=True) as held:
            assert held
            order.append("second")

    async with exclusively(database, "one"):
        waiting = asyncio.create_task(second())
        async with asyncio.timeout(30):
            while not await waiters(database):
                pass
        order.append("first")
    await waiting
    assert order == ["first", "second"]


async def waiters(database: Database) -> bool:
    async with database.transaction() as transaction:
        query = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return bool(await transaction.connection.scalar(query))


def settings(redis_url: str, network: str = "request") -> NetworkSettings:
    values: Any = SimpleNamespace(redis_url=SecretStr(redis_url), network_name=network)
    return cast("NetworkSettings", values)


@asynccontextmanager
async def going(run: Callable[[asyncio.Event], Awaitable[None]]) -> AsyncIterator[asyncio.Event]:
    stopping = asyncio.Event()
    task = asyncio.ensure_future(run(stopping))
    try:
        yield stopping
    finally:
        stopping.set()
        async with asyncio.timeout(60):
            await task


@asynccontextmanager
async def worker(broker: RedisStreamBroker, *jobs: Job[Any], kitchen: Kitchen) -> AsyncIterator[asyncio.Event]:
    register(broker, jobs, kitchen, kitchen.database)
    try:
        async with going(lambda stop: run_worker(broker, stopping=stop, at_once=4, drain_seconds=5)) as stopping:
            yield stopping
    finally:
        await broker.shutdown()


async def test_a_wake_up_reaches_a_worker_also_one_that_starts_later(kitchen: Kitchen, redis_url: str) -> None:
    sender = make_broker(settings(redis_url))
    await BrokerJobQueue(sender).wake("cook", times=2)
    job = Job(name="cook", run=cook, exclusive=False)
    async with worker(make_broker(settings(redis_url)), job, kitchen=kitchen), asyncio.timeout(60):
        for _ in range(2):
            await kitchen.cooked.get()
        await BrokerJobQueue(sender).wake("cook")
        await kitchen.cooked.get()
    await sender.shutdown()


async def test_a_failing_job_does_not_stop_the_worker(kitchen: Kitchen, redis_url: str) -> None:
    queue = BrokerJobQueue(broker := make_broker(settings(redis_url)))
    job = Job(name="cook", run=cook, exclusive=False)
    kitchen.fault = RuntimeError("burnt")
    async with worker(broker, job, kitchen=kitchen), asyncio.timeout(60):
        await queue.wake("cook")
        while True:
            try:
                if (await row(kitchen.database, "cook")).succeeded is False:
                    break
            except KeyError:
                pass
            await asyncio.sleep(0.02)
        kitchen.fault = None
        await queue.wake("cook")
        await kitchen.cooked.get()


async def test_an_unknown_wake_up_is_dropped(kitchen: Kitchen, redis_url: str) -> None:
    queue = BrokerJobQueue(broker := make_broker(settings(redis_url)))
    async with worker(broker, Job(name="cook", run=cook), kitchen=kitchen), asyncio.timeout(60):
        await queue.wake("no_such_job")
        await queue.wake("cook")
        await kitchen.cooked.get()


async def test_a_stopping_worker_finishes_what_runs(kitchen: Kitchen, redis_url: str) -> None:
    queue = BrokerJobQueue(broker := make_broker(settings(redis_url)))
    async with worker(broker, Job(name="simmer", run=simmer), kitchen=kitchen) as stopping, asyncio.timeout(60):
        await queue.wake("simmer")
        await kitchen.busy.wait()
        stopping.set()
        kitchen.go_on.set()
        await kitchen.cooked.get()


async def test_a_worker_stops_though_its_broker_swallows_the_first_cancellation(
    kitchen: Kitchen, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = asyncio.Event()

    async def listen(_broker: RedisStreamBroker) -> AsyncIterator[Any]:
        # As asyncio.wait_for does when the cancellation comes while the command is sent.
        with suppress(asyncio.CancelledError):
            reading.set()
            await asyncio.Event().wait()
        await asyncio.Event().wait()
        yield

    monkeypatch.setattr(RedisStreamBroker, "listen", listen)
    async with worker(make_broker(settings(redis_url)), Job(name="cook", run=cook), kitchen=kitchen):
        await reading.wait()


async def test_the_scheduler_wakes_a_job_when_it_is_due(kitchen: Kitchen, redis_url: str) -> None:
    job = Job(name="cook", run=cook, every=1, exclusive=False)
    timer = make_broker(settings(redis_url))
    register(timer, [job], None, None)
    async with (
        worker(make_broker(settings(redis_url)), job, kitchen=kitchen),
        going(lambda stop: run_scheduler(timer, stopping=stop)),
        asyncio.timeout(60),
    ):
        await kitchen.cooked.get()
        await kitchen.cooked.get()
    await timer.shutdown()


async def test_a_wake_up_while_redis_is_away_is_swallowed() -> None:
    broker = make_broker(settings("redis://127.0.0.1:1/0"))
    await BrokerJobQueue(broker).wake("cook")
    await broker.shutdown()


async def test_worker_and_scheduler_wait_for_redis(kitchen: Kitchen) -> None:
    job = Job(name="cook", run=cook, every=1)
    timer = make_broker(settings("redis://127.0.0.1:1/0"))
    register(timer, [job], None, None)
    async with (
        worker(make_broker(settings("redis://127.0.0.1:1/0")), job, kitchen=kitchen),
        going(lambda stop: run_scheduler(timer, stopping=stop)),
    ):
        await asyncio.sleep(0)
    await timer.shutdown()


async def test_both_networks_may_share_a_redis(kitchen: Kitchen, redis_url: str, database: Database) -> None:
    theirs = Kitchen(database)
    job = Job(name="cook", run=cook, exclusive=False)
    here, there = make_broker(settings(redis_url)), make_broker(settings(redis_url, "response"))
    async with worker(here, job, kitchen=kitchen), worker(there, job, kitchen=theirs), asyncio.timeout(60):
        await BrokerJobQueue(there).wake("cook")
        await theirs.cooked.get()
    assert kitchen.cooked.empty()


def test_a_job_has_one_schedule() -> None:
    with pytest.raises(ValueError, match="two schedules"):
        Job(name="x", run=cook, every=1, cron="* * * * *")
    assert Job(name="x", run=cook, cron="0 2 * * *").labels == [{"cron": "0 2 * * *", "schedule_id": "x"}]
    assert Job(name="x", run=cook, every=30).labels == [{"interval": 30, "schedule_id": "x"}]
    assert Job(name="x", run=cook).labels == []
