"""Runs one job: one at a time, recorded in `job_runs`, measured, and told in one log line of numbers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog
from sqlalchemy import case, func, select
from sqlalchemy.dialects.postgresql import insert

from common import metrics
from common.clock import now
from common.database.exclusive import exclusively
from common.jobs.tables import job_runs

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.database.transaction import Database
    from common.jobs.job import App, Counts, Job

log = structlog.get_logger("jobs")

ERROR_LIMIT = 2000
"""Characters of an error that are kept with its job."""


@dataclass(frozen=True, slots=True)
class JobRun:
    """A job's row: what its last run did."""

    name: str
    started_at: datetime
    finished_at: datetime | None
    succeeded: bool | None
    duration_seconds: float | None
    summary: str | None
    error: str | None
    last_success_at: datetime | None


async def run_job(job: Job[App], app: App, database: Database, *, clock: Callable[[], datetime] = now) -> Counts | None:
    """Runs `job` and returns its counts; None when another run held the lock. What it raises is kept and raised."""
    with structlog.contextvars.bound_contextvars(job=job.name, request_id=str(uuid4())):
        if not job.exclusive:
            return await _recorded(job, app, database, clock)
        async with exclusively(database, f"job/{job.name}") as held:
            if not held:
                metrics.TASKS_TOTAL.labels(job.name, "skipped").inc()
                log.debug("job_skipped", cause="another run is under way")
                return None
            return await _recorded(job, app, database, clock)


async def list_job_runs(connection: AsyncConnection) -> dict[str, JobRun]:
    """Every job that ever ran, by name."""
    columns = job_runs.c
    rows = await connection.execute(
        select(
            columns.name,
            columns.last_started_at,
            columns.last_finished_at,
            columns.last_succeeded,
            columns.last_duration_seconds,
            columns.last_summary,
            columns.last_error,
            columns.last_success_at,
        )
    )
    return {row.name: JobRun(*row) for row in rows}


def summary_of(counts: Counts | None) -> str:
    """The counts for people: `3 imported, 2 updated`; zeros are left out."""
    told = [f"{number} {name.replace('_', ' ')}" for name, number in (counts or {}).items() if number]
    return ", ".join(told) or "nothing to do"


async def _recorded(job: Job[App], app: App, database: Database, clock: Callable[[], datetime]) -> Counts:
    started_at, started = clock(), time.perf_counter()
    if not job.quiet:
        await _note_start(database, job.name, started_at)
    try:
        counts = dict(await job.run(app) or {})
    except Exception as error:
        seconds = time.perf_counter() - started
        metrics.TASKS_TOTAL.labels(job.name, "failed").inc()
        log.exception("job_failed", duration_ms=round(seconds * 1000, 1))
        await _note_end(database, job.name, started_at, seconds, error=error, at=clock())
        raise
    seconds = time.perf_counter() - started
    metrics.TASKS_TOTAL.labels(job.name, "succeeded").inc()
    metrics.TASK_DURATION.labels(job.name).observe(seconds)
    if counts or not job.quiet:
        log.info("job_done", summary=summary_of(counts), counts=counts, duration_ms=round(seconds * 1000, 1))
        await _note_end(database, job.name, started_at, seconds, counts=counts, at=clock())
    return counts


async def _note_start(database: Database, name: str, at: datetime) -> None:
    values: dict[str, Any] = {"last_started_at": at, "last_finished_at": None, "last_succeeded": None}
    statement = insert(job_runs).values(name=name, runs=1, **values)
    statement = statement.on_conflict_do_update(
        index_elements=[job_runs.c.name], set_={**values, "runs": job_runs.c.runs + 1}
    )
    async with database.transaction() as transaction:
        await transaction.connection.execute(statement)


async def _note_end(
    database: Database,
    name: str,
    started_at: datetime,
    seconds: float,
    *,
    at: datetime,
    counts: Counts | None = None,
    error: Exception | None = None,
) -> None:
    values: dict[str, Any] = {
        "last_started_at": started_at,
        "last_finished_at": at,
        "last_succeeded": error is None,
        "last_duration_seconds": seconds,
        "last_counts": dict(counts) if counts is not None else None,
        "last_summary": summary_of(counts) if error is None else None,
        # The kind of a driver's error is enough here; its text stays in the log.
        "last_error": f"{type(error).__name__}: {getattr(error, 'message', 'see the log')}"[:ERROR_LIMIT]
        if error
        else None,
    }
    statement = insert(job_runs).values(
        name=name, runs=1, failures=int(error is not None), last_success_at=None if error else at, **values
    )
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=[job_runs.c.name],
        set_={
            **values,
            "failures": job_runs.c.failures + new.failures,
            "last_success_at": case(
                (new.last_success_at.is_not(None), new.last_success_at), else_=job_runs.c.last_success_at
            ),
        },
        # A slower run beside this one that began earlier says nothing about the last run.
        where=func.coalesce(job_runs.c.last_started_at, started_at) <= started_at,
    )
    async with database.transaction() as transaction:
        await transaction.connection.execute(statement)
