"""OpsService: batches, runs on demand and jobs; streams, quarantine, keys and audit are in files of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airlock.common.v1 import network_pb2
from airlock.ops.v1 import batches_pb2 as pb
from airlock.ops.v1 import jobs_pb2

from common.batches.stores import list_export_batches, list_import_batches
from common.handlers.audit import AuditMethods
from common.handlers.batches import export_batch, import_batch
from common.handlers.custody import CustodyMethods
from common.handlers.keys import KeyMethods
from common.handlers.quarantine import QuarantineMethods
from common.handlers.times import timestamp
from common.jobs.runs import list_job_runs
from common.operations.run_now import export_now, import_now
from common.paging import page_size, time_position, time_token
from common.rpc.caller import current_caller

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc
    from airlock.common.v1.network_pb2 import BundleKind

    from common.batches.exchange import Exchange
    from common.jobs.job import Job
    from common.jobs.runs import JobRun


class OpsHandler(CustodyMethods, QuarantineMethods, KeyMethods, AuditMethods):
    """Shows and drives one network's exports and imports."""

    def __init__(self, exchange: Exchange, jobs: Sequence[Job[Any]]) -> None:
        self._exchange = exchange
        self._batches = exchange.context
        self._jobs = tuple(jobs)

    async def ListExportBatches(  # noqa: N802 - the name is the proto's, as everywhere here.
        self, request: pb.ListExportBatchesRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListExportBatchesResponse:
        """A page of bundles made here, the newest first."""
        limit = page_size(request)
        async with self._batches.database.transaction() as transaction:
            rows = await list_export_batches(
                transaction.connection, kind=_kind(request.kind), limit=limit + 1, after=time_position(request)
            )
        page = rows[:limit]
        token = time_token(request, page[-1].created_at, page[-1].id) if len(rows) > limit else ""
        return pb.ListExportBatchesResponse(batches=map(export_batch, page), next_page_token=token)

    async def ListImportBatches(  # noqa: N802
        self, request: pb.ListImportBatchesRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListImportBatchesResponse:
        """A page of bundles that came in, the newest first."""
        limit = page_size(request)
        async with self._batches.database.transaction() as transaction:
            rows = await list_import_batches(
                transaction.connection, kind=_kind(request.kind), limit=limit + 1, after=time_position(request)
            )
        page = rows[:limit]
        token = time_token(request, page[-1].created_at, page[-1].id) if len(rows) > limit else ""
        return pb.ListImportBatchesResponse(batches=map(import_batch, page), next_page_token=token)

    async def RunExport(  # noqa: N802
        self, request: pb.RunExportRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.RunExportResponse:
        """Runs an export and waits for it."""
        report = await export_now(self._exchange, name=request.kind, caller=current_caller())
        return pb.RunExportResponse(
            skipped=report.skipped, batches=map(export_batch, report.batches), records=report.records
        )

    async def ScanImports(  # noqa: N802
        self, request: pb.ScanImportsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ScanImportsResponse:
        """Looks through the inbox and waits for it."""
        report = await import_now(self._exchange, current_caller())
        return pb.ScanImportsResponse(
            skipped=report.skipped,
            batches=map(import_batch, report.batches),
            waiting=report.waiting + len(report.left),
        )

    async def ListJobs(  # noqa: N802
        self, request: jobs_pb2.ListJobsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> jobs_pb2.ListJobsResponse:
        """Every job with its last run, also one that never ran."""
        async with self._batches.database.transaction() as transaction:
            runs = await list_job_runs(transaction.connection)
        return jobs_pb2.ListJobsResponse(jobs=[_job(job, runs.get(job.name)) for job in self._jobs])


def _kind(kind: BundleKind.ValueType) -> BundleKind.ValueType | None:
    return kind if kind != network_pb2.BUNDLE_KIND_UNSPECIFIED else None


def _job(job: Job[Any], run: JobRun | None) -> jobs_pb2.Job:
    if run is None:
        return jobs_pb2.Job(name=job.name, schedule=job.schedule)
    return jobs_pb2.Job(
        name=job.name,
        schedule=job.schedule,
        last_started_at=timestamp(run.started_at),
        last_finished_at=timestamp(run.finished_at),
        last_succeeded=bool(run.succeeded),
        last_duration_seconds=run.duration_seconds or 0.0,
        last_summary=run.summary or "",
        last_error=run.error or "",
    )
