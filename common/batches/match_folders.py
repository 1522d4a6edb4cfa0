"""Makes a kind's export folder hold what the database says is to be carried, and nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import ARRAY, Uuid, and_, any_, literal, select

from common.batches.number_rows import void_sealed
from common.batches.stream_rows import lock_streams, note_news
from common.batches.tables import OUTGOING, export_batches, stream_bundles
from transfer.bundle.names import kind_name, parse_bundle_filename
from transfer.custody.state import Disposition

if TYPE_CHECKING:
    from collections.abc import Collection

    from common.batches.context import BatchContext
    from common.batches.ports import ExportSource
    from transfer.spool.outbox import OutboxFile

log = structlog.get_logger("common.batches")


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database knows of a file."""

    status: str
    disposition: Disposition
    digest: bytes | None
    size: int | None

    @property
    def to_be_carried(self) -> bool:
        return self.disposition is Disposition.SEALED

    def describes(self, file: OutboxFile) -> bool:
        return file.digest is not None and file.digest == self.digest and file.size == self.size


async def match_folders(context: BatchContext, source: ExportSource) -> int:
    """Moves and brings back files of one kind; returns how many batches were given up because their file is lost.

    Files are compared by size and by the digest in their trailer; each is also read through once, since one that is
    damaged in its middle would be offered to every courier and taken by none. A file that is just being published
    belongs to a `processing` batch and is left alone.
    """
    await asyncio.to_thread(context.outbox.require_folder, source.kind)
    waiting = await asyncio.to_thread(context.outbox.waiting)
    files = {file.filename: file for file in waiting if file.kind == source.kind}
    known = await _known(context, source, files)
    present = set()
    for filename, file in files.items():
        row = known.get(filename)
        if row is not None and row.status == "processing":
            continue
        if (
            row is not None
            and row.to_be_carried
            and row.describes(file)
            and await asyncio.to_thread(context.outbox.is_whole, file)
        ):
            present.add(filename)
        elif row is not None and row.disposition is Disposition.ACKNOWLEDGED:
            await asyncio.to_thread(context.outbox.acknowledge, filename)
        else:
            if row is None or row.to_be_carried:
                log.warning("export_file_set_aside", file=filename, known=row is not None)
            await asyncio.to_thread(context.outbox.void, filename)
    lost = {name for name, row in known.items() if row.to_be_carried and name not in present}
    if lost:
        lost -= await _bring_back(context, lost, known)
    return await _give_up(context, source, lost) if lost else 0


async def _known(context: BatchContext, source: ExportSource, files: Collection[str]) -> dict[str, _Known]:
    """The batches of these files, and those that should have one; found by indexes, however many there ever were."""
    batches, numbers = export_batches.c, stream_bundles.c
    same_number = and_(
        numbers.direction == OUTGOING, numbers.epoch == batches.epoch, numbers.sequence == batches.sequence
    )
    of_the_kind = (
        select(batches.filename, batches.status, batches.digest, batches.file_size_bytes, numbers.disposition)
        .select_from(export_batches.join(stream_bundles, same_number))
        .where(batches.batch_type == kind_name(source.kind))
    )
    names = [named for named in map(parse_bundle_filename, files) if named is not None]
    present = of_the_kind.where(batches.id == any_(literal([named.batch_id for named in names], ARRAY(Uuid))))
    expected = of_the_kind.where(numbers.disposition == Disposition.SEALED, numbers.acknowledged_at.is_(None))
    async with context.database.transaction() as transaction:
        rows = [
            *await transaction.connection.execute(present),
            *await transaction.connection.execute(expected),
        ]
    return {
        row.filename: _Known(row.status, Disposition(row.disposition), row.digest, row.file_size_bytes) for row in rows
    }


async def _bring_back(context: BatchContext, lost: Collection[str], known: dict[str, _Known]) -> set[str]:
    """Files that lie, whole, among the acknowledged or voided ones although they are still to be carried."""
    elsewhere = await asyncio.to_thread(lambda: [*context.outbox.acknowledged(), *context.outbox.voided()])
    described = [file for file in elsewhere if file.filename in lost and known[file.filename].describes(file)]
    found = {file.filename for file in described if await asyncio.to_thread(context.outbox.is_whole, file)}
    for filename in sorted(found):
        await asyncio.to_thread(context.outbox.restore, filename)
        log.warning("export_file_brought_back", file=filename)
    return found


async def _give_up(context: BatchContext, source: ExportSource, lost: Collection[str]) -> int:
    """Voids batches without a file, so that their rows go out again.

    Should a copy of the file be on its way, nothing is doubled: the other network knows rows that come twice.
    """
    now = context.clock()
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        epoch = (await lock_streams(connection)).outgoing.epoch
        mine = select(export_batches.c.id).where(export_batches.c.filename.in_(lost))
        voided = await void_sealed(connection, epoch, stream_bundles.c.batch_id.in_(mine), now)
        if voided:
            await source.released(connection, voided)
            await note_news(connection, now)
    log.warning("bundles_given_up", kind=kind_name(source.kind), bundles=len(voided), cause="their files are lost")
    return len(voided)
