"""The third step of an export: the sealed file gets its final name, and the database counts it as sealed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy import update

from common.audit.record import record
from common.batches.bundle_audit import sealed_entry
from common.batches.number_rows import seal_number
from common.batches.seal import claimed_batch, header_of, select_processing
from common.batches.steps import Step
from common.batches.tables import export_batches
from transfer.custody.state import BundleNumber

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.context import BatchContext
    from common.batches.ports import ExportSource
    from common.batches.seal import ClaimedBatch
    from transfer.bundle.writer import SealedBundle
    from transfer.spool.outbox import PublishedBundle


async def confirm(context: BatchContext, source: ExportSource, claimed: ClaimedBatch, sealed: SealedBundle) -> bool:
    """Publishes the file and counts it. False, and no file, if the batch was finished or given up meanwhile.

    A final file that exists already was published by a run that died before it committed: its bytes count, for a
    courier may have taken them. Raises SpoolError.
    """
    try:
        async with context.database.transaction() as transaction:
            connection = transaction.connection
            if not await _lock_processing(connection, claimed):
                await asyncio.to_thread(context.outbox.discard_temporary, sealed.path)
                return False
            header = header_of(context, claimed)
            published = await asyncio.to_thread(context.outbox.publish, sealed.path, header, sealed)
            context.steps(Step.RENAME)
            await _count_as_sealed(connection, context, source, claimed, published, sealed.payload_bytes)
    except (Exception, asyncio.CancelledError):
        await asyncio.to_thread(context.outbox.discard_temporary, sealed.path)
        raise
    context.steps(Step.CONFIRM)
    return True


async def adopt_published(
    connection: AsyncConnection, context: BatchContext, sources: Mapping[BundleKind.ValueType, ExportSource]
) -> int:
    """Finishes this step for every `processing` batch whose file has its final name; how many those are.

    Part of the transaction that is about to use acknowledgements, so that a file that reached the other network before
    its sealing was committed here is known. A file that is just being published is waited for by its row's lock.
    """
    rows = await connection.execute(select_processing().with_for_update())
    adopted = 0
    for claimed in map(claimed_batch, rows.all()):
        # A kind without rows of its own, such as status, has a number to be settled all the same.
        if await adopt(connection, context, sources.get(claimed.kind), claimed):
            adopted += 1
    return adopted


async def adopt(
    connection: AsyncConnection, context: BatchContext, source: ExportSource | None, claimed: ClaimedBatch
) -> bool:
    """Counts the batch's final file as sealed, if there is one. The caller holds the batch row's lock."""
    published = await asyncio.to_thread(context.outbox.adopt, header_of(context, claimed), claimed.records)
    if published is None:
        return False
    await _count_as_sealed(connection, context, source, claimed, published)
    return True


async def _lock_processing(connection: AsyncConnection, claimed: ClaimedBatch) -> bool:
    locking = select_processing().where(export_batches.c.id == claimed.batch.batch_id).with_for_update()
    return (await connection.execute(locking)).one_or_none() is not None


async def _count_as_sealed(
    connection: AsyncConnection,
    context: BatchContext,
    source: ExportSource | None,
    claimed: ClaimedBatch,
    published: PublishedBundle,
    payload_bytes: int | None = None,
) -> None:
    now = context.clock()
    await connection.execute(
        update(export_batches)
        .where(export_batches.c.id == claimed.batch.batch_id)
        .values(
            status="completed",
            completed_at=now,
            file_path=str(published.path),
            file_size_bytes=published.size,
            checksum=published.checksum,
            digest=published.digest,
            payload_bytes=payload_bytes,
            error_message=None,
        )
    )
    number = BundleNumber(claimed.batch.epoch, claimed.batch.sequence)
    await seal_number(connection, number, published.digest, published.size, now)
    if source is not None:
        await source.sealed(connection, claimed.batch)
    await record(connection, sealed_entry(claimed, published))
