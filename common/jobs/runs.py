"""Runs one job: one at a time, recorded in `job_runs`, measured, and told in one log line of numbers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog
from sqlalchemy import case, select
from sqlalchemy.dialects.postgresql import insert

from common import metrics
from common.audit.record import own_entry, record
from common.audit.tables import FAILED, OK
from common.clock import now
from common.database.exclusive import exclusively
from common.errors import AirlockError
from common.jobs.job import CountReport
from common.jobs.tables import job_runs
from transfer.errors import TransferError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.audit.record import AuditEntry
    from common.database.transaction import Database
    from common.jobs.job import App, Counts, Job, Report

log = structlog.get_logger("jobs")

IDLE_REST = timedelta(seconds=30)
"""How often a quiet job that finds nothing to do is noted: one sees it alive, without a write for every wake-up."""
NO_REST = timedelta(0)

ERROR_LIMIT = 2000
SUMMARY_LIMIT = 2000
"""Characters of an error and of a summary that are kept with their job."""


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


async def run_job(job: Job[App], app: App, database: Database, *, clock: Callable[[], datetime] = now) -> Report | None:
    """Runs `job` and returns its report; None when another run held the lock. What it raises is kept and raised."""
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


async def _recorded(job: Job[App], app: App, database: Database, clock: Callable[[], datetime]) -> Report:
    started_at, started = clock(), time.perf_counter()
    if not job.quiet:
        await _note_start(database, job.name, started_at)
    try:
        report = _report(await job.run(app))
    except Exception as error:
        seconds = time.perf_counter() - started
        metrics.TASKS_TOTAL.labels(job.name, "failed").inc()
        log.exception("job_failed", duration_ms=round(seconds * 1000, 1))
        await _note_end(database, job.name, started_at, seconds, outcome=error, at=clock(), audited=True)
        raise
    seconds = time.perf_counter() - started
    metrics.TASKS_TOTAL.labels(job.name, "skipped" if report.skipped else "succeeded").inc()
    metrics.TASK_DURATION.labels(job.name).observe(seconds)
    idle = job.quiet and not any(report.counts.values())
    if not idle:
        counts = dict(report.counts)
        log.info("job_done", summary=report.summary, counts=counts, duration_ms=round(seconds * 1000, 1))
    await _note_end(
        database,
        job.name,
        started_at,
        seconds,
        outcome=report,
        at=clock(),
        rest=IDLE_REST if idle else NO_REST,
        audited=job.audited and report.worked and not report.skipped,
    )
    return report


def _report(outcome: Counts | Report | None) -> Report:
    return CountReport(outcome or {}) if outcome is None or isinstance(outcome, Mapping) else outcome


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
    outcome: Report | Exception,
    rest: timedelta = NO_REST,
    audited: bool,
) -> None:
    error = outcome if isinstance(outcome, Exception) else None
    values: dict[str, Any] = {
        "last_started_at": started_at,
        "last_finished_at": at,
        "last_succeeded": error is None,
        "last_duration_seconds": seconds,
        "last_counts": None if isinstance(outcome, Exception) else dict(outcome.counts),
        "last_summary": None if isinstance(outcome, Exception) else outcome.summary[:SUMMARY_LIMIT],
        # The kind of a driver's error is enough here; its text stays in the log.
        "last_error": _told(error)[:ERROR_LIMIT] if error is not None else None,
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
        where=job_runs.c.last_started_at <= started_at - rest,
    )
    async with database.transaction() as transaction:
        await transaction.connection.execute(statement)
        if audited:
            await record(transaction.connection, _entry(name, values))


def _entry(name: str, values: Mapping[str, Any]) -> AuditEntry:
    told = {"counts": values["last_counts"], "summary": values["last_summary"], "error": values["last_error"]}
    return own_entry(
        "job.run",
        resource_type="job",
        resource_id=name,
        metadata={key: value for key, value in told.items() if value is not None},
        outcome=OK if values["last_succeeded"] else FAILED,
    )


def _told(error: Exception) -> str:
    # Our own refusals are written for people; of anybody else's the kind is enough here, and its text is in the log.
    if isinstance(error, AirlockError | TransferError):
        return f"{type(error).__name__}: {error}"
    return f"{type(error).__name__}: the log has the details."
