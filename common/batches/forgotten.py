"""Bundles that lie in the archive and that the database does not know: it was set back to a backup.

Their sender offers them again only as long as nobody acknowledged them, and a courier does not copy again what lies in
the archive. So the archive itself gives them back, and nobody has to notice.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import ARRAY, Uuid, any_, literal, or_, select

from common.batches.stream_rows import read_streams
from common.batches.tables import import_batches
from transfer.bundle.names import parse_bundle_filename
from transfer.custody.errors import EarlierEpochError

if TYPE_CHECKING:
    from common.batches.context import BatchContext

log = structlog.get_logger("common.batches")


async def bring_back_forgotten(context: BatchContext) -> int:
    """Puts them into the inbox; how many those are. Every archived file has a row that was committed before it.

    Looks once in each process, since a database is set back while nothing runs, and whenever numbers are missing.
    """
    if context.inbox.archive_was_compared and not await _something_is_missing(context):
        return 0
    names = await asyncio.to_thread(context.inbox.archived)
    by_batch = {named.batch_id: name for name in names if (named := parse_bundle_filename(name)) is not None}
    if not by_batch:
        context.inbox.archive_was_compared = True
        return 0
    known = select(import_batches.c.source_batch_id).where(
        import_batches.c.source_batch_id == any_(literal(list(by_batch), ARRAY(Uuid))),
        # A bundle that was only refused lies in quarantine, not in the archive.
        or_(
            import_batches.c.status.in_(("completed", "duplicate")),
            import_batches.c.defect == EarlierEpochError.defect,
        ),
    )
    async with context.database.transaction() as transaction:
        remembered = set(await transaction.connection.scalars(known))
    forgotten = by_batch.keys() - remembered
    for batch_id in forgotten:
        await asyncio.to_thread(context.inbox.bring_back, by_batch[batch_id])
        log.warning("archived_bundle_forgotten", file=by_batch[batch_id], cause="the database was set back to a backup")
    context.inbox.archive_was_compared = True
    return len(forgotten)


async def _something_is_missing(context: BatchContext) -> bool:
    async with context.database.transaction() as transaction:
        incoming = (await read_streams(transaction.connection)).incoming
    return incoming.highest_seen > incoming.cumulative
