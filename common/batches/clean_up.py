"""Freeing disks: a bundle's file goes by acknowledgement first and by age second, and never without the former."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy import ARRAY, Uuid, and_, any_, literal, or_, select

from common.batches.tables import OUTGOING, export_batches, stream_bundles
from transfer.bundle.names import parse_bundle_filename
from transfer.custody.state import Disposition

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from common.batches.context import BatchContext
    from transfer.spool.outbox import OutboxFile

log = structlog.get_logger("common.batches")


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long files are kept that nobody needs any more."""

    # Sent bundles, from their acknowledgement; voided ones, from when that was acknowledged or their epoch ended.
    sent: timedelta
    # Received bundles, from their import.
    received: timedelta
    # Half files of programs that were killed.
    half: timedelta


DEFAULT_KEEPING: Final = Keeping(sent=timedelta(days=7), received=timedelta(days=30), half=timedelta(days=1))


async def clean_up(context: BatchContext, keeping: Keeping) -> dict[str, int]:
    """Deletes what may go and returns how many files of each sort. May run twice and die anywhere.

    What lies in `voided/` and is not known here was sealed before the database was set back: it may be the only copy
    of what it holds, and is left to people. Quarantine is, too.
    """
    now = context.clock()
    outbox, inbox = context.outbox, context.inbox
    moved = await asyncio.to_thread(lambda: [*outbox.acknowledged(), *outbox.voided()])
    freed = 0
    for file in await _settled(context, moved, now - keeping.sent):
        await asyncio.to_thread(outbox.remove, file)
        log.info("bundle_file_deleted", file=file.filename)
        freed += 1
    return {
        "sent_bundles": freed,
        "received_bundles": await asyncio.to_thread(inbox.clean_archive, now - keeping.received),
        "half_files": await asyncio.to_thread(
            lambda: outbox.clean_half_files(now - keeping.half) + inbox.clean_half_files(now - keeping.half)
        ),
    }


async def _settled(context: BatchContext, files: Sequence[OutboxFile], before: datetime) -> list[OutboxFile]:
    """Those whose number the other network has counted, or whose epoch ended, before that moment."""
    named = {file.filename: name.batch_id for file in files if (name := parse_bundle_filename(file.filename))}
    numbers = stream_bundles.c
    same = and_(
        numbers.direction == OUTGOING,
        numbers.epoch == export_batches.c.epoch,
        numbers.sequence == export_batches.c.sequence,
    )
    ended = and_(numbers.disposition == Disposition.RETIRED, numbers.recorded_at < before)
    statement = (
        select(export_batches.c.filename)
        .select_from(export_batches.join(stream_bundles, same))
        .where(
            export_batches.c.id == any_(literal(list(named.values()), ARRAY(Uuid))),
            or_(numbers.acknowledged_at < before, ended),
        )
    )
    async with context.database.transaction() as transaction:
        settled = set(await transaction.connection.scalars(statement))
    return [file for file in files if file.filename in settled]
