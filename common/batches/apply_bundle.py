"""The one transaction of an import: whether a verified bundle is to be applied, its records, and both streams."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from airlock.common.v1 import network_pb2
from sqlalchemy.exc import DataError

from common.audit.record import record
from common.batches.batch_rows import ImportBatchRow
from common.batches.bundle_audit import imported_entry
from common.batches.claim import STATUS
from common.batches.confirm import adopt_published
from common.batches.import_report import report_of_applied, report_of_refused
from common.batches.import_rows import save_import
from common.batches.number_rows import known_incoming, record_held
from common.batches.ports import IncomingBatch
from common.batches.reports import ACKNOWLEDGED
from common.batches.signing_keys import learn, require_trusted, trusted
from common.batches.steps import Step
from common.batches.stream_rows import (
    begin_epoch,
    declare_first_epoch,
    lock_streams,
    note_news,
    raise_alarm,
    save_incoming,
)
from common.batches.tables import INCOMING
from common.batches.use_acknowledgements import accept_given_up, advance_stored, use_acknowledgements
from transfer.bundle.names import kind_name
from transfer.bundle.reader import open_payload
from transfer.custody.acknowledgements import parse
from transfer.custody.arriving import Verdict, decide, see
from transfer.custody.epochs import require_plausible
from transfer.custody.errors import EarlierEpochError, ForkError, LaterEpochError
from transfer.custody.state import BundleNumber, Disposition, HeldBundle
from transfer.errors import MalformedRecordError, RequiredFeatureError, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

    from airlock.bundle.v1.frame_pb2 import ResultChunk
    from airlock.bundle.v1.record_pb2 import Record
    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.context import BatchContext
    from common.batches.import_report import Report
    from common.batches.ports import ExportSource, SinkFactory
    from common.batches.stream_rows import Streams
    from common.database.transaction import Transaction
    from transfer.bundle.reader import PayloadReader, VerifiedBundle
    from transfer.errors import BundleError
    from transfer.spool.journal import JournalEntry

# A frame is at most 1 MiB and usually 128 KiB.
_FRAMES_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a bundle: its batch row, and why it is set aside in quarantine if it is."""

    row: ImportBatchRow
    quarantined_for: BundleError | None = None


async def apply_bundle(
    context: BatchContext,
    sources: Mapping[BundleKind.ValueType, ExportSource],
    sinks: Mapping[BundleKind.ValueType, SinkFactory],
    bundle: VerifiedBundle,
    path: Path,
    brought: JournalEntry | None = None,
) -> Imported:
    """Applies the bundle, or notes why there is nothing to apply, in one transaction.

    `path` is where the file came from, `brought` who brought it, if that is known. Raises a BundleError if the bundle
    is to be refused; whatever else it raises is not the bundle's fault. Nothing of it is kept in either case.
    """
    now = context.clock()
    number = BundleNumber(bundle.header.epoch, bundle.header.sequence)
    row = import_row_of(bundle, path, now)
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        streams = await epoch_of_our_own(connection, context, now)
        # Under the streams' lock, which a revocation takes too: a key that was revoked meanwhile counts no more.
        require_trusted(await trusted(connection, context.keys()), bundle.signer)
        require_plausible(number.epoch, now)
        known = await known_incoming(connection, number)
        held, decided_by = known or (None, None)
        decision = decide(streams.incoming, number, bundle.digest, held)
        if decision.verdict is Verdict.APPLY:
            if decision.adopts_epoch:
                await begin_epoch(connection, number.epoch, now)
            applied = await _apply(context, transaction, sources, sinks, bundle, row, brought)
            context.steps(Step.APPLY)
            return Imported(applied)
        outcome = await _not_applied(connection, decision.verdict, row, number, held, decided_by, now)
        reported = replace(outcome.row, report=_report_of(outcome, bundle, brought))
        await save_import(connection, reported)
        await record(connection, imported_entry(reported, quarantined=outcome.quarantined_for is not None))
        return replace(outcome, row=reported)


def _report_of(outcome: Imported, bundle: VerifiedBundle, brought: JournalEntry | None) -> Report:
    if outcome.quarantined_for is not None:
        return report_of_refused(outcome.quarantined_for, brought, None, bundle)
    return report_of_applied(bundle, brought, outcome.row.error_message or "")


async def epoch_of_our_own(connection: AsyncConnection, context: BatchContext, now: datetime) -> Streams:
    """The locked streams. The Response Network always has an epoch of its own, so it never takes another's unasked."""
    if context.network == network_pb2.NETWORK_RESPONSE:
        await declare_first_epoch(connection, now)
    return await lock_streams(connection)


def import_row_of(bundle: VerifiedBundle, path: Path, now: datetime) -> ImportBatchRow:
    """The batch row of a verified bundle, before anything is known of its payload."""
    return ImportBatchRow(
        id=uuid4(),
        kind=bundle.kind,
        filename=as_text(path.name)[:255],
        file_path=as_text(path)[-500:],
        status="processing",
        created_at=now,
        file_size_bytes=bundle.size,
        checksum=bundle.checksum,
        digest=bundle.digest,
        source_batch_id=bundle.batch_id,
        epoch=bundle.header.epoch,
        sequence=bundle.header.sequence,
    )


async def _not_applied(
    connection: AsyncConnection,
    verdict: Verdict,
    row: ImportBatchRow,
    number: BundleNumber,
    held: HeldBundle | None,
    decided_by: UUID | None,
    now: datetime,
) -> Imported:
    if verdict is Verdict.REPEAT:
        by = f" as import {decided_by}" if decided_by is not None else ""
        return Imported(_finished(row, now, "duplicate", f"Applied before{by}; nothing was done again."))
    if verdict is Verdict.ALREADY_VOIDED:
        message = "Its sender gave it up before it came; its rows come in another bundle."
        return Imported(_finished(row, now, "duplicate", message))
    if verdict is Verdict.EARLIER_EPOCH:
        # The sender may not know of the present epoch yet, so it is told.
        await note_news(connection, now)
        earlier = EarlierEpochError(f"Bundle {number} came after that epoch ended.")
        return Imported(_refused(row, now, earlier))
    error: BundleError
    if verdict is Verdict.LATER_EPOCH:
        error = LaterEpochError(f"Bundle {number} belongs to an epoch that was not accepted here yet.")
    else:
        taken = "" if held is None else f", digest {held.digest.hex()}, which is {held.disposition}"
        error = ForkError(f"Bundle {number} was seen before with other bytes{taken}.")
        await raise_alarm(connection, INCOMING, str(error), now)
    return Imported(_refused(row, now, error), quarantined_for=error)


async def _apply(
    context: BatchContext,
    transaction: Transaction,
    sources: Mapping[BundleKind.ValueType, ExportSource],
    sinks: Mapping[BundleKind.ValueType, SinkFactory],
    bundle: VerifiedBundle,
    row: ImportBatchRow,
    brought: JournalEntry | None,
) -> ImportBatchRow:
    connection = transaction.connection
    number = BundleNumber(bundle.header.epoch, bundle.header.sequence)
    now = row.created_at
    # Before any record: what the records answer was sealed, and locks are taken in the order of the exports.
    await adopt_published(connection, context, sources)
    # The row stands before the records, so that they can refer to it.
    await save_import(connection, row)
    reader = await asyncio.to_thread(open_payload, bundle, context.keys().keyring)
    # Whatever contradicts itself refuses the bundle before anything in it is believed.
    parse(reader.acknowledgements)
    with reader:
        counts = await _apply_records(transaction, sinks, bundle, row, reader)
    await _move_on(connection, reader, bundle, row)
    await learn(connection, reader.acknowledgements.announced_signing_key, number, now, introducer=bundle.signer)
    acknowledged = await use_acknowledgements(connection, sources, number, reader.acknowledgements, now)
    if bundle.kind != STATUS:
        await note_news(connection, now)
    if acknowledged:
        counts = {**counts, ACKNOWLEDGED: acknowledged}
    applied = replace(
        row,
        status="completed",
        processed_at=context.clock(),
        record_count=reader.counts.records,
        payload_bytes=reader.counts.payload_bytes,
        counts=counts,
        report=report_of_applied(
            bundle,
            brought,
            f"number {number}, not seen before",
            f"{reader.counts.records} records, {reader.counts.payload_bytes} bytes, whole to its end",
        ),
    )
    await save_import(connection, applied)
    await record(connection, imported_entry(applied, quarantined=False))
    return applied


async def _apply_records(
    transaction: Transaction,
    sinks: Mapping[BundleKind.ValueType, SinkFactory],
    bundle: VerifiedBundle,
    row: ImportBatchRow,
    reader: PayloadReader,
) -> dict[str, int]:
    """Hands every record to the kind's sink; reading, which decrypts and checks, is in a thread."""
    if bundle.kind == STATUS:
        while await asyncio.to_thread(_next_pieces, reader):
            msg = "A status bundle holds records."
            raise MalformedRecordError(msg)
        return {}
    if bundle.kind not in sinks:
        msg = f"This version has no place for bundles of kind {kind_name(bundle.kind)}."
        raise RequiredFeatureError(msg)
    sink = sinks[bundle.kind](
        IncomingBatch(
            batch_id=row.id,
            source_batch_id=bundle.batch_id,
            kind=bundle.kind,
            epoch=bundle.header.epoch,
            sequence=bundle.header.sequence,
            sealed_at=bundle.created_at,
            received_at=row.created_at,
            schema_minor=bundle.header.schema_minor,
        )
    )
    try:
        while pieces := await asyncio.to_thread(_next_pieces, reader):
            await sink.apply(transaction, pieces)
        return await sink.finish(transaction)
    except DataError as error:
        # For instance a NUL in a text: no later attempt could store it either.
        msg = "A record holds a value that the database cannot store."
        raise MalformedRecordError(msg) from error


def _next_pieces(reader: PayloadReader) -> list[Record | ResultChunk]:
    pieces: list[Record | ResultChunk] = []
    for frame in islice(reader, _FRAMES_AT_ONCE):
        if frame.HasField("records"):
            pieces.extend(frame.records.records)
        else:
            pieces.append(frame.chunk)
    return pieces


async def _move_on(
    connection: AsyncConnection, reader: PayloadReader, bundle: VerifiedBundle, row: ImportBatchRow
) -> None:
    """The incoming stream after this bundle, with the numbers that its sender gave up."""
    now, sequence = row.created_at, bundle.header.sequence
    state = (await lock_streams(connection)).incoming
    held = HeldBundle(sequence, bundle.digest, Disposition.APPLIED)
    await record_held(connection, state.epoch, [held], now, kind=bundle.kind, batch_id=row.id)
    await accept_given_up(connection, state, sequence, reader.acknowledgements, now)
    state = await advance_stored(connection, see(state, sequence, bundle.digest))
    await save_incoming(connection, state, now)


def _finished(row: ImportBatchRow, now: datetime, status: str, message: str) -> ImportBatchRow:
    return replace(row, status=status, processed_at=now, error_message=message)


def _refused(row: ImportBatchRow, now: datetime, error: BundleError) -> ImportBatchRow:
    return replace(_finished(row, now, "failed", str(error)), defect=error.defect)
