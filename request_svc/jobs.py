"""All jobs of the Request Network and when they run. Each may run twice, beside itself, and die anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from airlock.common.v1 import network_pb2

from common.audit.trail import HasTrail
from common.auth.clean_up import forget_sign_ins
from common.batches.exchange import HasExchange
from common.cli.service import ServiceApp
from common.jobs.job import Job
from request_svc.usecases.clean_api_keys import clean_api_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from common.batches.reports import ExportReport, ImportReport
    from request_svc.settings import RequestSettings
    from request_svc.usecases.api_key_rights import ApiKeyContext


class JobApp(ServiceApp, HasExchange, HasTrail, Protocol):
    """What the jobs need of the service."""

    @property
    def api_keys(self) -> ApiKeyContext:
        """What the use cases of API keys work with."""
        ...


def jobs(settings: RequestSettings) -> tuple[Job[JobApp], ...]:
    """The jobs with their schedules. Every import looks through the one inbox and applies whatever kind it finds."""
    return (
        Job(name="export_requests", run=export_requests, every=settings.export_requests_seconds),
        Job(name="import_users", run=import_bundles, every=settings.import_users_seconds),
        Job(name="import_profile_types", run=import_bundles, every=settings.import_policy_seconds),
        Job(name="import_settings", run=import_bundles, every=settings.import_policy_seconds),
        Job(name="import_responses", run=import_bundles, every=settings.import_seconds),
        Job(name="seal_audit", run=seal_audit, every=settings.seal_audit_seconds, audited=False),
        Job(name="clean_up", run=clean_up, cron=settings.clean_up_cron),
    )


async def export_requests(app: JobApp) -> ExportReport:
    """Pending requests by urgency, and due cancellations, into bundles of at most 500."""
    return await app.exchange.export(network_pb2.BUNDLE_KIND_REQUESTS)


async def import_bundles(app: JobApp) -> ImportReport:
    """Whatever lies in the inbox. One scan at a time: a second one that is due meanwhile ends at once."""
    return await app.exchange.import_waiting()


async def seal_audit(app: JobApp) -> Mapping[str, int]:
    """What the audit trail grew by, chained to what was sealed before."""
    return await app.trail.seal()


async def clean_up(app: JobApp) -> Mapping[str, int]:
    """Bundles and half files that nobody needs any more, old audit rows, sessions that ran out, and keys."""
    return {
        **await app.exchange.clean_up(),
        **await app.trail.forget(),
        **await forget_sign_ins(app.auth),
        **await clean_api_keys(app.api_keys),
    }
