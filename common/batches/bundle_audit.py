"""What the audit trail says of a bundle that was sealed here, or of one that came in and was judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.audit.record import own_entry
from common.audit.tables import OK, REFUSED
from transfer.bundle.names import kind_name
from transfer.custody.state import BundleNumber

if TYPE_CHECKING:
    from common.audit.record import AuditEntry
    from common.batches.batch_rows import ImportBatchRow
    from common.batches.seal import ClaimedBatch
    from transfer.spool.outbox import PublishedBundle


def sealed_entry(claimed: ClaimedBatch, published: PublishedBundle) -> AuditEntry:
    """A bundle has its final name."""
    return own_entry(
        "bundle.sealed",
        resource_type="export_batch",
        resource_id=str(claimed.batch.batch_id),
        metadata={
            "kind": kind_name(claimed.kind),
            "number": str(BundleNumber(claimed.batch.epoch, claimed.batch.sequence)),
            "digest": published.digest.hex(),
            "records": claimed.records,
            "file": claimed.filename,
        },
    )


def imported_entry(row: ImportBatchRow, *, quarantined: bool) -> AuditEntry:
    """A bundle was applied, known already, or refused; what was refused lies in quarantine or is put away."""
    refused = row.status == "failed"
    if refused:
        action = "bundle.quarantined" if quarantined else "bundle.refused"
    else:
        action = "bundle.applied" if row.status == "completed" else "bundle.repeated"
    report = row.report or {}
    told = {
        "kind": kind_name(row.kind) if row.kind is not None else None,
        "number": str(BundleNumber(row.epoch, row.sequence)) if row.epoch and row.sequence else None,
        "digest": row.digest.hex() if row.digest is not None else None,
        "records": row.record_count or None,
        "file": row.filename,
        "defect": row.defect,
        "brought_by": report.get("brought_by"),
        "medium": report.get("medium"),
    }
    return own_entry(
        action,
        resource_type="import_batch",
        resource_id=str(row.id),
        metadata={key: value for key, value in told.items() if value},
        outcome=REFUSED if refused else OK,
    )
