"""Writing the rows of `import_batches`: one for every bundle that came in, whatever became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql

from common.batches.tables import UNKNOWN_KIND, import_batches
from transfer.bundle.names import kind_name

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.batch_rows import ImportBatchRow


async def save_import(connection: AsyncConnection, row: ImportBatchRow) -> None:
    """Inserts the row, or replaces the one of its id."""
    values = {
        "id": row.id,
        "batch_type": UNKNOWN_KIND if row.kind is None else kind_name(row.kind),
        "filename": row.filename,
        "file_path": row.file_path,
        "file_size_bytes": row.file_size_bytes,
        "record_count": row.record_count,
        "checksum": row.checksum,
        "source_batch_id": row.source_batch_id,
        "status": row.status,
        "created_at": row.created_at,
        "processed_at": row.processed_at,
        "error_message": row.error_message,
        "metadata": dict(row.counts),
        "epoch": row.epoch,
        "sequence": row.sequence,
        "digest": row.digest,
        "payload_bytes": row.payload_bytes,
        "defect": row.defect,
        "report": None if row.report is None else dict(row.report),
    }
    statement = postgresql.insert(import_batches).values(values)
    changed = {name: statement.excluded[name] for name in values if name != "id"}
    await connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed))
