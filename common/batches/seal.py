"""The second step of an export: the file of a claimed batch, sealed and durable under a temporary name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
from airlock.bundle.v1.frame_pb2 import ResultChunk
from sqlalchemy import select

from common.batches.ports import OutgoingBatch
from common.batches.signing_keys import signer
from common.batches.steps import Step
from common.batches.stream_rows import read_streams
from common.batches.tables import export_batches
from transfer.bundle.header import new_header
from transfer.bundle.names import kind_from_name
from transfer.bundle.versions import needed_minor
from transfer.bundle.writer import BundleWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airlock.bundle.v1.header_pb2 import BundleHeader
    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy import Row, Select

    from common.batches.context import BatchContext
    from common.batches.ports import ExportSource
    from transfer.bundle.writer import SealedBundle

log = structlog.get_logger("common.batches")


@dataclass(frozen=True, slots=True)
class ClaimedBatch:
    """A batch that is `processing`: its rows are claimed, and no file is known of."""

    batch: OutgoingBatch
    kind: BundleKind.ValueType
    filename: str
    records: int
    first_frame: bytes


class WrongCountError(Exception):
    """A source gave another number of records than it claimed; the file was not kept."""


def select_processing() -> Select[Any]:
    """The batches that are claimed and not sealed, the oldest first; the caller narrows and locks."""
    table = export_batches.c
    return (
        select(
            table.id,
            table.batch_type,
            table.filename,
            table.record_count,
            table.first_frame,
            table.epoch,
            table.sequence,
            table.created_at,
            table.schema_minor,
        )
        .where(table.status == "processing")
        .order_by(table.epoch, table.sequence)
    )


def claimed_batch(row: Row[Any]) -> ClaimedBatch:
    """A row of `select_processing`."""
    return ClaimedBatch(
        OutgoingBatch(row.id, row.epoch, row.sequence, row.created_at, row.schema_minor),
        kind_from_name(row.batch_type),
        row.filename,
        row.record_count,
        row.first_frame,
    )


def header_of(context: BatchContext, claimed: ClaimedBatch, key_version: str | None = None) -> BundleHeader:
    """The header that the batch's file has; without a key version under the one that is active now."""
    return new_header(
        kind=claimed.kind,
        source=context.network,
        destination=context.peer,
        batch_id=claimed.batch.batch_id,
        epoch=claimed.batch.epoch,
        sequence=claimed.batch.sequence,
        created_at=claimed.batch.created_at,
        key_version=key_version or context.keys().keyring.current,
        schema_minor=max(claimed.batch.schema_minor, needed_minor(Acknowledgements.FromString(claimed.first_frame))),
    )


async def seal(context: BatchContext, source: ExportSource, claimed: ClaimedBatch) -> SealedBundle:
    """Writes the file in constant memory. What fails leaves no file; what kills the process leaves a temporary one.

    Raises SpoolError (NoSpaceError when the disk is full), WrongCountError, and whatever the source raises.
    """
    path = context.outbox.temporary_path(claimed.filename)
    keys = context.keys()
    async with context.database.transaction() as transaction:
        peer_reads = (await read_streams(transaction.connection)).peer_key_versions
        signing_key = await signer(transaction.connection, keys)
    version = keys.keyring.sealing_version(peer_reads)
    if version != keys.keyring.current:
        log.warning("older_key_used", active=keys.keyring.current, used=version, cause="the other network has no other")
    header = header_of(context, claimed, version)
    writer = await asyncio.to_thread(BundleWriter, path, header, keys.keyring, signing_key, claimed.first_frame)
    try:
        await _write(context, source, claimed, writer)
        sealed = await asyncio.to_thread(writer.finish)
    except (Exception, asyncio.CancelledError):
        writer.abort()
        raise
    if sealed.records != claimed.records:
        context.outbox.discard_temporary(path)
        msg = f"bundle {claimed.filename} was claimed with {claimed.records} records and has {sealed.records}"
        raise WrongCountError(msg)
    context.steps(Step.WRITE)
    return sealed


async def _write(context: BatchContext, source: ExportSource, claimed: ClaimedBatch, writer: BundleWriter) -> None:
    """Compression, encryption and disk are in a thread, reading from the database is not."""
    async with context.database.transaction() as transaction:
        every = source.pieces(transaction.connection, claimed.batch)
        try:
            async for pieces in every:
                await asyncio.to_thread(_add, writer, pieces)
                context.steps(Step.SEAL)
        finally:
            if isinstance(every, AsyncGenerator):
                # Not left to the garbage collector: it may hold a cursor of this transaction.
                await every.aclose()


def _add(writer: BundleWriter, pieces: Sequence[bytes | ResultChunk]) -> None:
    for piece in pieces:
        if isinstance(piece, ResultChunk):
            writer.add_chunk(piece)
        else:
            writer.add_record(piece)
