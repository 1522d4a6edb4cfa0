"""What one network exchanges with the other: a source for each kind that it sends, a sink for each that it receives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from common.batches.clean_up import DEFAULT_KEEPING, Keeping, clean_up
from common.batches.run_export import run_export, run_status
from common.batches.run_import import run_imports

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlock.common.v1.network_pb2 import BundleKind

    from common.batches.context import BatchContext
    from common.batches.ports import ExportSource, SinkFactory
    from common.batches.reports import ExportReport, ImportReport


@dataclass(frozen=True, slots=True)
class Exchange:
    """Put together by the composition root; jobs and operators drive it."""

    context: BatchContext
    sources: Mapping[BundleKind.ValueType, ExportSource]
    sinks: Mapping[BundleKind.ValueType, SinkFactory]
    keeping: Keeping = DEFAULT_KEEPING

    async def export(self, kind: BundleKind.ValueType, *, wait: bool = False) -> ExportReport:
        """Seals what there is of one kind, bundle after bundle. See `run_export`; KeyError if it is not sent here."""
        return await run_export(self.context, self.sources[kind], wait=wait)

    async def export_status(self) -> ExportReport:
        """Seals a status bundle, whether one is due or not. See `run_status`."""
        return await run_status(self.context, force=True, wait=True)

    async def import_waiting(self, *, wait: bool = False) -> ImportReport:
        """Applies what lies in the inbox, whatever kind it is. See `run_imports`."""
        return await run_imports(self.context, sinks=self.sinks, sources=self.sources, wait=wait)

    async def clean_up(self) -> dict[str, int]:
        """Deletes files of bundles that nobody needs any more. See `clean_up`."""
        return await clean_up(self.context, self.keeping)


class HasExchange(Protocol):
    """As much of a service's app as its export and import jobs need."""

    @property
    def exchange(self) -> Exchange:
        """The network's own."""
        ...
