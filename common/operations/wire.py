"""Bundles over the wire: a waiting one out in pieces, one of the other network into the inbox. Both are audited."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from common.audit.record import caller_entry, record
from common.batches.stores import get_export_batch
from common.errors import InvalidFieldError, NotFoundError, UnavailableError, WrongStateError
from transfer.custody.state import Disposition
from transfer.errors import SpoolError
from transfer.spool.journal import Journal
from transfer.spool.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from io import BufferedReader
    from pathlib import Path
    from uuid import UUID

    from common.audit.record import AuditEntry
    from common.batches.batch_rows import ExportBatchRow
    from common.batches.context import BatchContext
    from common.rpc.caller import Caller
    from transfer.spool.receiver import ReceivedFile

log = structlog.get_logger("common.operations")

PIECE_BYTES: Final = 256 * 1024


async def send_bundle(context: BatchContext, batch_id: UUID, caller: Caller) -> AsyncGenerator[bytes, None]:
    """The file of a waiting bundle, in pieces of at most PIECE_BYTES.

    Raises NotFoundError, WrongStateError for one that is not to be carried, and UnavailableError when its file is gone.
    """
    async with context.database.transaction() as transaction:
        batch = await get_export_batch(transaction.connection, batch_id)
        if batch is None:
            raise NotFoundError("There is no such bundle; list those that wait.", metadata={"resource": str(batch_id)})
        if batch.disposition != Disposition.SEALED:
            raise WrongStateError(
                f"This bundle is {batch.disposition}, so it need not be carried; list those that wait.",
                metadata={"state": str(batch.disposition)},
            )
        await record(transaction.connection, _entry("transfer.bundle_sent", batch, caller))
    file = await asyncio.to_thread(_open, context.outbox.final_path(batch.kind, batch.filename))
    try:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece
    finally:
        await asyncio.to_thread(file.close)


async def receive_bundle(context: BatchContext, pieces: AsyncIterator[bytes], caller: Caller) -> ReceivedFile:
    """Puts the pieces into the inbox as one durable file. Its signature is checked by the import, not here.

    Raises InvalidFieldError for nothing at all, and a TransferError for what is no whole bundle or finds no room.
    """
    receiver = await asyncio.to_thread(Receiver, context.inbox)
    with receiver:
        empty = True
        async for piece in pieces:
            empty = empty and not piece
            await asyncio.to_thread(receiver.write, piece)
        if empty:
            raise InvalidFieldError("No bytes came; send the bundle's file in pieces of at most 1 MiB.")
        received = await asyncio.to_thread(receiver.commit)
    await asyncio.to_thread(_write_down, context, received, caller)
    async with context.database.transaction() as transaction:
        await record(transaction.connection, _received_entry(received, caller))
    return received


def _write_down(context: BatchContext, received: ReceivedFile, caller: Caller) -> None:
    """The inbox's journal knows who brought it, as it does of what a medium brings."""
    journal = Journal.of_spool(context.inbox.root)
    who = caller.principal.username if caller.principal is not None else "somebody"
    entry = journal.entry("received", file=received.filename, size=received.size, sha256=received.checksum)
    try:
        journal.write(replace(entry, by=f"{who}, over the wire", note=caller.address or ""))
    except SpoolError as error:
        log.warning("journal_not_written", cause=str(error))


def _open(path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise UnavailableError(
            f"The file {path.name} cannot be read; run the export once more, which brings it back or gives it up.",
            metadata={"part": "export_dir"},
        ) from error


def _entry(action: str, batch: ExportBatchRow, caller: Caller) -> AuditEntry:
    return caller_entry(
        caller,
        action,
        resource_type="export_batch",
        resource_id=str(batch.id),
        metadata={"filename": batch.filename},
    )


def _received_entry(received: ReceivedFile, caller: Caller) -> AuditEntry:
    return caller_entry(
        caller,
        "transfer.bundle_received",
        resource_type="bundle",
        resource_id=received.checksum,
        metadata={"filename": received.filename, "size": received.size},
    )
