"""Rows of export and import batches: written by the runs, read by them and by the lists that operators see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, select

from common.batches.tables import OUTGOING, UNKNOWN_KIND, export_batches, stream_bundles
from transfer.bundle.names import kind_from_name
from transfer.custody.state import Disposition

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy import Row, Select


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportBatchRow:
    """A bundle made here. `status` is processing, completed or failed; `disposition` what became of its number."""

    id: UUID
    kind: BundleKind.ValueType
    filename: str
    status: str
    epoch: int
    sequence: int
    disposition: Disposition
    record_count: int
    created_at: datetime
    file_size_bytes: int | None = None
    checksum: str | None = None
    digest: bytes | None = None
    completed_at: datetime | None = None
    acknowledged_at: datetime | None = None
    # The other network's reason, when it refused the bundle.
    refused_reason: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportBatchRow:
    """A bundle that came in: completed, duplicate or failed. `kind` is absent when no header was trusted."""

    id: UUID
    kind: BundleKind.ValueType | None
    filename: str
    file_path: str
    status: str
    created_at: datetime
    record_count: int = 0
    file_size_bytes: int | None = None
    checksum: str | None = None
    digest: bytes | None = None
    source_batch_id: UUID | None = None
    epoch: int | None = None
    sequence: int | None = None
    processed_at: datetime | None = None
    error_message: str | None = None
    defect: str | None = None
    payload_bytes: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    # What was checked, by whom it was brought, from which medium; see `import_report`.
    report: Mapping[str, Any] | None = None


def select_exports() -> Select[Any]:
    """Every column of an ExportBatchRow; the caller narrows and orders."""
    columns = [column for column in export_batches.c if column.name not in {"first_frame", "metadata", "encrypted"}]
    number = and_(
        stream_bundles.c.direction == OUTGOING,
        stream_bundles.c.epoch == export_batches.c.epoch,
        stream_bundles.c.sequence == export_batches.c.sequence,
    )
    return select(
        *columns, stream_bundles.c.disposition, stream_bundles.c.acknowledged_at, stream_bundles.c.refused_reason
    ).select_from(export_batches.join(stream_bundles, number))


def export_row(row: Row[Any]) -> ExportBatchRow:
    """A row of `select_exports`."""
    return ExportBatchRow(
        id=row.id,
        kind=kind_from_name(row.batch_type),
        filename=row.filename,
        status=row.status,
        epoch=row.epoch,
        sequence=row.sequence,
        disposition=Disposition(row.disposition),
        record_count=row.record_count,
        created_at=row.created_at,
        file_size_bytes=row.file_size_bytes,
        checksum=row.checksum,
        digest=row.digest,
        completed_at=row.completed_at,
        acknowledged_at=row.acknowledged_at,
        refused_reason=row.refused_reason,
        error_message=row.error_message,
    )


def import_row(row: Row[Any]) -> ImportBatchRow:
    """A row of `select(import_batches)`."""
    known = row.batch_type != UNKNOWN_KIND
    values = {name: getattr(row, name) for name in _IMPORT_COLUMNS}
    return ImportBatchRow(kind=kind_from_name(row.batch_type) if known else None, counts=row.metadata or {}, **values)


_IMPORT_COLUMNS = (
    "id",
    "filename",
    "file_path",
    "status",
    "created_at",
    "record_count",
    "file_size_bytes",
    "checksum",
    "digest",
    "source_batch_id",
    "epoch",
    "sequence",
    "processed_at",
    "error_message",
    "defect",
    "payload_bytes",
    "report",
)
