"""What every export and import of a network needs, put together once by its composition root."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from common import clock
from common.batches.steps import no_steps
from transfer.bundle.names import other_network

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airlock.common.v1.network_pb2 import Network

    from common.batches.reports import ExportReport, ImportReport
    from common.batches.steps import Step
    from common.database.transaction import Database
    from common.keys import Keys
    from transfer.spool.inbox import Inbox
    from transfer.spool.outbox import Outbox


def _unmeasured(report: ExportReport | ImportReport) -> None:
    """Measures nothing."""


def _kept_nowhere(_key_id: bytes) -> None:
    """Of a context without key files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchContext:
    """The database, the keys and the folders of one network."""

    network: Network.ValueType
    database: Database
    keys: Callable[[], Keys]
    outbox: Outbox
    inbox: Inbox
    # Keeps a revoked key id where no restored database forgets it. Raises KeyFileError.
    keep_revoked: Callable[[bytes], None] = _kept_nowhere
    clock: Callable[[], datetime] = clock.now
    steps: Callable[[Step], None] = no_steps
    # How long acknowledgements may wait for a bundle to travel in before they get one of their own.
    status_after: timedelta = timedelta(minutes=10)
    # Told what each run did, for metrics.
    measure: Callable[[ExportReport | ImportReport], None] = _unmeasured

    @property
    def peer(self) -> Network.ValueType:
        """The other network."""
        return other_network(self.network)
