"""Recording a refused bundle, so that operators here see it and, if its number can be trusted, its sender too."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import structlog
from airlock.bundle.v1.header_pb2 import BundleHeader
from google.protobuf.message import DecodeError

from common.audit.record import record
from common.batches.apply_bundle import epoch_of_our_own
from common.batches.batch_rows import ImportBatchRow
from common.batches.bundle_audit import imported_entry
from common.batches.import_report import report_of_refused
from common.batches.import_rows import save_import
from common.batches.number_rows import known_incoming, record_held
from common.batches.signing_keys import trusted
from common.batches.stream_rows import begin_epoch, lock_streams, note_news, save_incoming
from transfer.bundle.names import KINDS
from transfer.bundle.verify import check_signatures
from transfer.custody.arriving import see
from transfer.custody.epochs import require_plausible
from transfer.custody.errors import ImplausibleEpochError
from transfer.custody.state import BundleNumber, Disposition, HeldBundle
from transfer.errors import BundleError, as_text

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.context import BatchContext
    from transfer.bundle.hashing import HashedFile
    from transfer.bundle.keyring import TrustedKeys
    from transfer.errors import TransferError
    from transfer.spool.journal import JournalEntry

log = structlog.get_logger("common.batches")

_HIGHEST = 2**63 - 1


async def refuse_bundle(
    context: BatchContext,
    path: Path,
    error: TransferError,
    hashed: HashedFile | None,
    *,
    size: int,
    brought: JournalEntry | None = None,
) -> ImportBatchRow:
    """Records the refusal in one transaction. `hashed` is given if the file is whole, wherever it came from."""
    header = None
    if hashed is not None:
        async with context.database.transaction() as transaction:
            trusted_keys = await trusted(transaction.connection, context.keys())
        header = await asyncio.to_thread(_signed_header, context, hashed, trusted_keys)
    now = context.clock()
    row = ImportBatchRow(
        id=uuid4(),
        kind=header.kind if header is not None and header.kind in KINDS else None,
        filename=as_text(path.name)[:255],
        file_path=as_text(path)[-500:],
        status="failed",
        created_at=now,
        processed_at=now,
        file_size_bytes=size,
        checksum=None if hashed is None else hashed.checksum,
        digest=None if hashed is None else hashed.digest,
        source_batch_id=None if header is None else UUID(bytes=header.batch_id),
        epoch=None if header is None else header.epoch,
        sequence=None if header is None else header.sequence,
        error_message=str(error),
        defect=error.defect[:64],
        report=report_of_refused(error, brought, hashed),
    )
    async with context.database.transaction() as transaction:
        await save_import(transaction.connection, row)
        if header is not None and hashed is not None:
            number = BundleNumber(header.epoch, header.sequence)
            held = HeldBundle(number.sequence, hashed.digest, Disposition.REFUSED, error.defect)
            await _record_refused(transaction.connection, context, number, held, row)
        await record(transaction.connection, imported_entry(row, quarantined=True))
    log.warning("bundle_refused", file=row.filename, defect=error.defect, cause=str(error), sequence=row.sequence)
    return row


async def _record_refused(
    connection: AsyncConnection, context: BatchContext, number: BundleNumber, held: HeldBundle, row: ImportBatchRow
) -> None:
    """The number is seen and refused, unless it has a better outcome or belongs to another epoch."""
    now = row.created_at
    streams = await epoch_of_our_own(connection, context, now)
    if streams.incoming.epoch == 0:
        await begin_epoch(connection, number.epoch, now)
        streams = await lock_streams(connection)
    if number.epoch != streams.incoming.epoch or number.sequence <= streams.incoming.cumulative:
        return
    known = await known_incoming(connection, number)
    if known is not None and (known[0].settled or known[0].digest != held.digest):
        return
    await record_held(connection, number.epoch, [held], now, kind=row.kind, batch_id=row.id)
    await save_incoming(connection, see(streams.incoming, number.sequence, held.digest), now)
    if known is None:
        await note_news(connection, now)


def _signed_header(context: BatchContext, hashed: HashedFile, trusted_keys: TrustedKeys) -> BundleHeader | None:
    """The header, if the other network signed it for this one and it names a number; its version may be any."""
    try:
        check_signatures(hashed, trusted_keys)
        header = BundleHeader.FromString(hashed.header_bytes)
    except (BundleError, DecodeError):
        return None
    ours = (header.source_network, header.destination_network) == (context.peer, context.network)
    try:
        require_plausible(header.epoch, context.clock())
    except ImplausibleEpochError:
        return None
    numbered = 0 < header.epoch <= _HIGHEST and 0 < header.sequence <= _HIGHEST and len(header.batch_id) == 16
    return header if ours and numbered else None
