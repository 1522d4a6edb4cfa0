"""All jobs of the Response Network and when they run. Each may run twice, beside itself, and die anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from airlock.common.v1 import network_pb2

from common.audit.trail import HasTrail
from common.auth.clean_up import forget_sign_ins
from common.batches.exchange import HasExchange
from common.cli.service import ServiceApp
from common.jobs.job import Job
from response_svc.adapters.export_wake_ups import EXPORT_JOBS
from response_svc.usecases.refresh_indices import refresh_indices

if TYPE_CHECKING:
    from collections.abc import Mapping

    from common.batches.reports import ExportReport, ImportReport
    from response_svc.ports import SearchEngine
    from response_svc.settings import ResponseSettings
    from response_svc.usecases.change_policy import PolicyContext
    from response_svc.usecases.execute_waiting import Executors

EXECUTE_QUERY: Final = "execute_query"


class JobApp(ServiceApp, HasExchange, HasTrail, Protocol):
    """What the jobs need of the service."""

    @property
    def executors(self) -> Executors:
        """Those of this process."""
        ...

    @property
    def policy(self) -> PolicyContext:
        """Profile types, settings and the catalogue of indices."""
        ...

    @property
    def engine(self) -> SearchEngine:
        """What is searched."""
        ...


def jobs(settings: ResponseSettings) -> tuple[Job[JobApp], ...]:
    """The jobs with their schedules. Executions run beside each other on every worker host, so nothing locks them."""
    return (
        Job(name=EXPORT_JOBS[network_pb2.BUNDLE_KIND_USERS], run=export_users, every=settings.export_users_seconds),
        Job(
            name=EXPORT_JOBS[network_pb2.BUNDLE_KIND_PROFILE_TYPES],
            run=export_profile_types,
            every=settings.export_policy_seconds,
        ),
        Job(
            name=EXPORT_JOBS[network_pb2.BUNDLE_KIND_SETTINGS],
            run=export_settings,
            every=settings.export_policy_seconds,
        ),
        Job(name="import_requests", run=import_bundles, every=settings.import_seconds),
        Job(
            name=EXECUTE_QUERY,
            run=execute_waiting,
            every=settings.execute_sweep_seconds,
            exclusive=False,
            quiet=True,
        ),
        Job(name="export_responses", run=export_responses, every=settings.export_responses_seconds),
        Job(name="seal_audit", run=seal_audit, every=settings.seal_audit_seconds, audited=False),
        Job(name="refresh_indices", run=read_fields, every=settings.refresh_indices_seconds, at_start=True),
        Job(name="clean_up", run=clean_up, cron=settings.clean_up_cron),
    )


async def export_users(app: JobApp) -> ExportReport:
    """What changed about users since the other network last confirmed, or all of them."""
    return await app.exchange.export(network_pb2.BUNDLE_KIND_USERS)


async def export_profile_types(app: JobApp) -> ExportReport:
    """What changed about profile types since the other network last confirmed, or all of them."""
    return await app.exchange.export(network_pb2.BUNDLE_KIND_PROFILE_TYPES)


async def export_settings(app: JobApp) -> ExportReport:
    """The same of settings and allowed indices."""
    return await app.exchange.export(network_pb2.BUNDLE_KIND_SETTINGS)


async def import_bundles(app: JobApp) -> ImportReport:
    """Requests and acknowledgements from the inbox."""
    return await app.exchange.import_waiting()


async def execute_waiting(app: JobApp) -> Mapping[str, int]:
    """Requests by priority until none waits, and those whose executor has died."""
    return await app.executors.run()


async def export_responses(app: JobApp) -> ExportReport:
    """Answers and final failures into bundles of at most 500."""
    return await app.exchange.export(network_pb2.BUNDLE_KIND_RESPONSES)


async def seal_audit(app: JobApp) -> Mapping[str, int]:
    """What the audit trail grew by, chained to what was sealed before."""
    return await app.trail.seal()


async def read_fields(app: JobApp) -> Mapping[str, int]:
    """The fields of all allowed indices from the search engine; only what changed is written."""
    return await refresh_indices(app.policy, app.engine)


async def clean_up(app: JobApp) -> Mapping[str, int]:
    """Bundles that are settled or long imported, half-written files, old audit rows, and sessions that ran out."""
    return {**await app.exchange.clean_up(), **await app.trail.forget(), **await forget_sign_ins(app.auth)}
