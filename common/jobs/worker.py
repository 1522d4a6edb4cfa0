"""The worker and the scheduler as coroutines, so that one command of ours runs each in its own process."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import structlog
from taskiq import TaskiqScheduler
from taskiq.acks import AcknowledgeType
from taskiq.cli.scheduler.run import SchedulerLoop
from taskiq.receiver import Receiver
from taskiq.schedule_sources import LabelScheduleSource

from common.cancellation import cancel_and_wait
from common.jobs.runs import run_job

if TYPE_CHECKING:
    from collections.abc import Iterable

    from taskiq import AsyncBroker

    from common.database.transaction import Database
    from common.jobs.job import App, Job

log = structlog.get_logger("jobs")

RECONNECT_SECONDS: Final = 2.0
SEND_TIMEOUT_SECONDS: Final = 10.0


def register(broker: AsyncBroker, jobs: Iterable[Job[App]], app: App | None, database: Database | None) -> None:
    """Makes every job known to `broker`, schedule included. A scheduler needs no app: it only sends."""
    for job in jobs:
        broker.register_task(_task_of(job, app, database), task_name=job.name, schedule=job.labels)


def _task_of(job: Job[App], app: App | None, database: Database | None) -> Any:  # noqa: ANN401 - taskiq's own type.
    async def task() -> None:
        if app is None or database is None:
            raise RuntimeError("a scheduler does not run jobs")
        # The error is logged and kept by run_job; raising it once more would only log it twice.
        with suppress(Exception):
            await run_job(job, app, database)

    return task


async def run_worker(
    broker: AsyncBroker, *, stopping: asyncio.Event, at_once: int, drain_seconds: float, threads: int | None = None
) -> None:
    """Runs wake-ups, `at_once` of them side by side, until `stopping`; then lets the running ones finish for a while.

    Redis away is waited out. A wake-up that is cut off by a kill comes again to another worker.
    """
    broker.is_worker_process = True
    with ThreadPoolExecutor(max_workers=threads or min(8, (os.cpu_count() or 1) + 2)) as executor:
        while not stopping.is_set():
            receiver = Receiver(
                broker=broker,
                executor=executor,
                run_startup=False,
                max_async_tasks=at_once,
                ack_type=AcknowledgeType.WHEN_EXECUTED,
                wait_tasks_timeout=drain_seconds,
            )
            try:
                await broker.startup()
                await receiver.listen(stopping)
            except Exception as error:  # noqa: BLE001 - whatever ended it, it begins again.
                log.warning("broker_lost", error=_names(error), retry_in_seconds=RECONNECT_SECONDS)
                await _pause(stopping, RECONNECT_SECONDS)


async def run_scheduler(broker: AsyncBroker, *, stopping: asyncio.Event) -> None:
    """Sends every job's wake-ups when they are due. One scheduler is enough on a network; two would only wake twice."""
    broker.is_scheduler_process = True
    source = LabelScheduleSource(broker)
    scheduler = TaskiqScheduler(broker, [source])
    await source.startup()
    while not stopping.is_set():
        try:
            await scheduler.startup()
            await _until(stopping, SchedulerLoop(scheduler).run(send_timeout=SEND_TIMEOUT_SECONDS))
        except Exception as error:  # noqa: BLE001 - whatever ended it, it begins again.
            log.warning("broker_lost", error=_names(error), retry_in_seconds=RECONNECT_SECONDS)
            await _pause(stopping, RECONNECT_SECONDS)


async def _until(stopping: asyncio.Event, work: Any) -> None:  # noqa: ANN401 - a coroutine of taskiq's.
    running = asyncio.create_task(work)
    told = asyncio.create_task(stopping.wait())
    await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
    await cancel_and_wait(running, told)
    if not running.cancelled():
        running.result()


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)


def _names(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return ", ".join(sorted({_names(inner) for inner in error.exceptions}))
    return type(error).__name__
