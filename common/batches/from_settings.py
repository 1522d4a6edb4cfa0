"""Puts together what exports and imports need from a network's settings, the same way in both services."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from common import clock
from common.batches.clean_up import DEFAULT_KEEPING, Keeping
from common.batches.context import BatchContext
from common.batches.measure import measure_run
from common.batches.steps import kill_at, no_steps
from common.keys import KeyFiles
from transfer.bundle.revocation import keep_revoked
from transfer.spool.inbox import Inbox
from transfer.spool.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from common.batches.steps import Step
    from common.database.transaction import Database
    from common.settings import NetworkSettings


def keeping(settings: NetworkSettings) -> Keeping:
    """How long files are kept that nobody needs any more."""
    return Keeping(
        sent=timedelta(days=settings.keep_sent_days),
        received=timedelta(days=settings.keep_received_days),
        half=DEFAULT_KEEPING.half,
    )


def batch_context(
    settings: NetworkSettings,
    database: Database,
    *,
    moment: Callable[[], datetime] = clock.now,
    steps: Callable[[Step], None] | None = None,
) -> BatchContext:
    """The batch context that `settings` describe. Raises KeyFileError for a key that cannot be used.

    `moment` and `steps` are for rehearsals, which move the clock and break off at a step.
    """
    if steps is None:
        steps = kill_at(settings.airlock_kill_at) if settings.airlock_kill_at else no_steps
    return BatchContext(
        network=settings.network,
        database=database,
        keys=KeyFiles(settings),
        keep_revoked=partial(keep_revoked, settings.peer_signing_keys_file),
        outbox=Outbox(settings.export_dir),
        inbox=Inbox(settings.import_dir, moment),
        clock=moment,
        measure=measure_run,
        steps=steps,
    )
