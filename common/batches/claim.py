"""The first transaction of an export: a number, the rows it carries and the first frame, or nothing at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import structlog
from airlock.common.v1 import network_pb2
from sqlalchemy import and_, insert, select, update

from common.batches.number_rows import claim_number, held_above, void_sealed, voided_unacknowledged
from common.batches.ports import OutgoingBatch
from common.batches.signing_keys import announce
from common.batches.stream_rows import give_number, lock_streams
from common.batches.tables import export_batches, stream_bundles
from common.batches.witness import heads_to_tell
from common.errors import StreamStoppedError
from transfer.bundle.names import bundle_filename, kind_name
from transfer.bundle.records import REPLICATED
from transfer.bundle.versions import AUDIT_MINOR, KEYS_MINOR, common_minor, records_minor
from transfer.custody.acknowledgements import render
from transfer.custody.state import BundleNumber

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.context import BatchContext
    from common.batches.ports import ExportSource
    from common.batches.stream_rows import Streams

log = structlog.get_logger("common.batches")

STATUS: Final = network_pb2.BUNDLE_KIND_STATUS


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch that was claimed, and how many older bundles it made superfluous."""

    batch: OutgoingBatch
    voided: int


class _NothingToSendError(Exception):
    """Ends the transaction without a trace: no row, no number."""


async def claim(
    context: BatchContext, source: ExportSource, worth_a_bundle: Callable[[Streams, datetime], bool] | None = None
) -> Claim | None:
    """Claims the source's next rows under the next number; None if there are none.

    Also None while an earlier batch of this kind is not sealed, and while the other network cannot read the kind. A
    source without rows of its own (status) gives `worth_a_bundle` instead of a count. Raises StreamStoppedError while
    an alarm stands.
    """
    now = context.clock()
    try:
        async with context.database.transaction() as transaction:
            connection = transaction.connection
            streams = await lock_streams(connection)
            require_running(streams)
            if await _being_sealed(connection, source):
                return None
            minor = records_minor(source.kind, streams.peer_reads)
            if minor is None:
                log.info("kind_not_read_by_other_network", kind=kind_name(source.kind), reads=streams.peer_reads)
                return None
            batch = OutgoingBatch(uuid4(), streams.outgoing.epoch, streams.outgoing.last_sequence + 1, now, minor)
            await _insert(connection, context, source, batch)
            records = await source.claim(connection, batch)
            if records == 0 and (worth_a_bundle is None or not worth_a_bundle(streams, now)):
                raise _NothingToSendError  # noqa: TRY301 - rolls the transaction back.
            voided = await _void_predecessors(connection, source, batch)
            frame = await _first_frame(connection, context, streams, batch)
            await connection.execute(
                update(export_batches)
                .where(export_batches.c.id == batch.batch_id)
                .values(record_count=records, first_frame=frame)
            )
            await give_number(connection, batch.sequence)
    except _NothingToSendError:
        return None
    return Claim(batch, voided)


def require_running(streams: Streams) -> None:
    """Raises StreamStoppedError while an alarm stands."""
    if streams.outgoing.alarm:
        msg = f"Exports stand still: {streams.outgoing.alarm} Declare a new epoch when the cause is understood."
        raise StreamStoppedError(msg)


async def _being_sealed(connection: AsyncConnection, source: ExportSource) -> bool:
    found = await connection.scalar(
        select(export_batches.c.id)
        .where(export_batches.c.batch_type == kind_name(source.kind), export_batches.c.status == "processing")
        .limit(1)
    )
    return found is not None


async def _insert(
    connection: AsyncConnection, context: BatchContext, source: ExportSource, batch: OutgoingBatch
) -> None:
    """The rows of the batch stand before the source claims, so that its rows can refer to them."""
    filename = bundle_filename(source.kind, batch.created_at, batch.batch_id)
    await connection.execute(
        insert(export_batches).values(
            id=batch.batch_id,
            batch_type=kind_name(source.kind),
            filename=filename,
            file_path=str(context.outbox.final_path(source.kind, filename)),
            status="processing",
            created_at=batch.created_at,
            epoch=batch.epoch,
            sequence=batch.sequence,
            first_frame=b"",
            schema_minor=batch.schema_minor,
        )
    )
    number = BundleNumber(batch.epoch, batch.sequence)
    await claim_number(connection, number, source.kind, batch.batch_id, batch.created_at)


async def _void_predecessors(connection: AsyncConnection, source: ExportSource, batch: OutgoingBatch) -> int:
    """Unacknowledged status bundles, and those of a replicated kind, are of no use beside this one."""
    epoch, at = batch.epoch, batch.created_at
    voided = await void_sealed(connection, epoch, stream_bundles.c.kind == kind_name(STATUS), at)
    if source.kind in REPLICATED:
        same_kind = and_(stream_bundles.c.kind == kind_name(source.kind), stream_bundles.c.sequence < batch.sequence)
        superseded = await void_sealed(connection, epoch, same_kind, at)
        if superseded:
            await source.released(connection, superseded)
        voided += superseded
    return len(voided)


async def _first_frame(
    connection: AsyncConnection, context: BatchContext, streams: Streams, batch: OutgoingBatch
) -> bytes:
    incoming, keys = streams.incoming, context.keys()
    newer: dict[str, Any] = {}
    if common_minor(streams.peer_minor) >= KEYS_MINOR:
        number = BundleNumber(batch.epoch, batch.sequence)
        newer |= {
            "key_versions": keys.keyring.versions,
            "announced_signing_key": await announce(connection, keys, number, batch.created_at),
        }
    if common_minor(streams.peer_minor) >= AUDIT_MINOR:
        newer |= await heads_to_tell(connection, batch.batch_id.int)
    message = render(
        incoming,
        await held_above(connection, incoming.epoch, incoming.cumulative),
        await voided_unacknowledged(connection, streams.outgoing.epoch),
        streams.snapshots_wanted,
        **newer,
    )
    return message.SerializeToString(deterministic=True)
