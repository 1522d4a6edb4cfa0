"""Turns what runs did into metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.batches.reports import ExportReport
from common.metrics import EXPORT_BATCH_SIZE, LAST_RECEIVED
from transfer.bundle.names import kind_name

if TYPE_CHECKING:
    from common.batches.reports import ImportReport


def measure_run(report: ExportReport | ImportReport) -> None:
    """Counts each sealed bundle's records, and notes when a bundle of a kind was last applied."""
    if isinstance(report, ExportReport):
        for sealed in report.batches:
            EXPORT_BATCH_SIZE.labels(kind_name(sealed.kind)).observe(sealed.record_count)
        return
    for applied in report.batches:
        if applied.kind is not None and applied.status == "completed" and applied.processed_at is not None:
            LAST_RECEIVED.labels(kind_name(applied.kind)).set(applied.processed_at.timestamp())
