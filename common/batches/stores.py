"""What operators see of batches: lists page by page. Both streams at a glance are in `overview`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Table, select, tuple_

from common.batches.batch_rows import ExportBatchRow, ImportBatchRow, export_row, import_row, select_exports
from common.batches.stream_rows import read_streams
from common.batches.tables import export_batches, import_batches, stream_bundles
from transfer.bundle.names import kind_name
from transfer.custody.state import Disposition

if TYPE_CHECKING:
    from datetime import datetime

    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncConnection


async def list_export_batches(
    connection: AsyncConnection,
    *,
    kind: BundleKind.ValueType | None,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
) -> list[ExportBatchRow]:
    """Bundles made here, the newest first, from behind `after` (created_at and id of the last one seen)."""
    statement = _page(select_exports(), export_batches, kind, limit, after)
    return [export_row(row) for row in await connection.execute(statement)]


async def list_import_batches(
    connection: AsyncConnection,
    *,
    kind: BundleKind.ValueType | None,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
) -> list[ImportBatchRow]:
    """Bundles that came in, the newest first, from behind `after` (created_at and id of the last one seen)."""
    statement = _page(select(import_batches), import_batches, kind, limit, after)
    return [import_row(row) for row in await connection.execute(statement)]


async def get_export_batch(connection: AsyncConnection, batch_id: UUID) -> ExportBatchRow | None:
    """One bundle made here."""
    row = (await connection.execute(select_exports().where(export_batches.c.id == batch_id))).one_or_none()
    return None if row is None else export_row(row)


async def waiting_bundles(connection: AsyncConnection, *, limit: int, after: int = 0) -> list[ExportBatchRow]:
    """Bundles that are to be carried, the oldest number first, from behind the sequence `after`."""
    numbers = stream_bundles.c
    statement = (
        select_exports()
        # Sealed numbers are all of the present epoch: those of earlier ones are retired.
        .where(numbers.disposition == Disposition.SEALED, numbers.sequence > after)
        .order_by(numbers.sequence)
        .limit(limit)
    )
    return [export_row(row) for row in await connection.execute(statement)]


def _page(
    statement: Select[Any],
    table: Table,
    kind: BundleKind.ValueType | None,
    limit: int,
    after: tuple[datetime, UUID] | None,
) -> Select[Any]:
    statement = statement.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit)
    if kind is not None:
        statement = statement.where(table.c.batch_type == kind_name(kind))
    if after is not None:
        statement = statement.where(tuple_(table.c.created_at, table.c.id) < after)
    return statement


async def find_imports(connection: AsyncConnection, number: str, *, limit: int) -> list[ImportBatchRow]:
    """Every time that a bundle came, by its number or by a batch's id, the newest first.

    A number is looked for in the present epoch, and if none came there, in the one in which it came last.
    """
    table = import_batches.c
    which: ColumnElement[bool]
    if number.isdigit():
        present = (await read_streams(connection)).incoming.epoch
        epochs = select(table.epoch).where(table.sequence == int(number), table.epoch.is_not(None))
        # One that was set aside, because its epoch has ended, is looked for in vain in the present one.
        newest = epochs.order_by(table.epoch != present, table.created_at.desc()).limit(1).scalar_subquery()
        which = (table.epoch == newest) & (table.sequence == int(number))
    else:
        try:
            which = table.id == UUID(number)
        except ValueError:
            return []
    rows = await connection.execute(
        select(import_batches).where(which).order_by(table.created_at.desc(), table.id.desc()).limit(limit)
    )
    return [import_row(row) for row in rows]
