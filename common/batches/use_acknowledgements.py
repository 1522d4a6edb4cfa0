"""What the first frame of an arriving bundle changes here: what of ours is delivered, what of theirs given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from common.batches.number_rows import (
    deliver_numbers,
    held_above,
    held_among,
    note_refusals,
    record_held,
    sent_above,
)
from common.batches.signing_keys import note_confirmed
from common.batches.stream_rows import lock_streams, note_acknowledged, raise_alarm, save_used
from common.batches.tables import OUTGOING
from common.batches.witness import witness
from transfer.bundle.names import kind_name
from transfer.custody.acknowledgements import parse, parse_voided
from transfer.custody.arriving import accept_voids, advance
from transfer.custody.delivery import Alarm, counts, interpret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.ports import ExportSource
    from transfer.custody.state import BundleNumber, IncomingState

log = structlog.get_logger("common.batches")

_PAGE = 256


async def use_acknowledgements(
    connection: AsyncConnection,
    sources: Mapping[BundleKind.ValueType, ExportSource],
    carrier: BundleNumber,
    message: Acknowledgements,
    now: datetime,
) -> int:
    """Counts our bundles that the other network holds, and returns how many those are.

    The caller has counted every published file before, with `adopt_published`. An older state than the one used last
    changes nothing. One that shows a restored database stops exports, and nothing in it is counted. Raises
    MalformedFrameError if it contradicts itself.
    """
    peer = parse(message)
    streams = await lock_streams(connection)
    if not counts(streams.outgoing, carrier):
        return 0
    # Before any alarm: a database that was set back shows in the chains too.
    await witness(connection, carrier, message, now)
    epoch = streams.outgoing.epoch
    sent = await sent_above(connection, epoch, streams.outgoing.cumulative)
    proved = interpret(streams.outgoing, sent, peer, streams.peer)
    if isinstance(proved, Alarm):
        log.error("exports_stopped", cause=proved.cause, detail=proved.message, carrier=str(carrier))
        await raise_alarm(connection, OUTGOING, proved.message, now)
        return 0
    delivered = await deliver_numbers(connection, epoch, proved, now)
    await note_refusals(connection, epoch, proved.refused)
    await save_used(connection, carrier, message, proved.running_digest)
    for kind, batch_ids in delivered.items():
        if kind in sources:
            await sources[kind].acknowledged(connection, batch_ids, now)
        log.info("bundles_acknowledged", kind=kind_name(kind), bundles=len(batch_ids))
    if delivered:
        await note_acknowledged(connection, now)
    await note_confirmed(connection, epoch, now)
    for sequence, reason in proved.refused.items():
        log.warning("bundle_refused_by_other_network", sequence=sequence, reason=reason)
    return sum(map(len, delivered.values()))


async def accept_given_up(
    connection: AsyncConnection, state: IncomingState, carrier: int, message: Acknowledgements, now: datetime
) -> int:
    """Treats the numbers that their sender gave up as settled; how many were new. Raises MalformedFrameError."""
    voided = parse_voided(message)
    if not voided:
        return 0
    known = await held_among(connection, state.epoch, voided)
    accepted = accept_voids(state, carrier, voided, known)
    await record_held(connection, state.epoch, accepted, now)
    return len(accepted)


async def advance_stored(connection: AsyncConnection, state: IncomingState) -> IncomingState:
    """Moves the cumulative number on over what is recorded above it."""
    while True:
        page = await held_above(connection, state.epoch, state.cumulative, limit=_PAGE)
        moved = advance(state, page)
        if moved.cumulative < state.cumulative + _PAGE:
            return moved
        state = moved
