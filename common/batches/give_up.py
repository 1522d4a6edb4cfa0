"""Giving numbers up and sending them once more, as an operator decides; sealed bytes never change."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import ARRAY, BigInteger, any_, literal

from common.batches.batch_rows import ExportBatchRow, export_row, select_exports
from common.batches.number_rows import void_sealed
from common.batches.stream_rows import lock_streams, note_news, read_streams
from common.batches.tables import OUTGOING, export_batches, stream_bundles
from common.errors import NotFoundError, WrongStateError
from transfer.bundle.verify import hash_file
from transfer.custody.numbers import format_numbers
from transfer.custody.state import Disposition
from transfer.errors import BundleError, SpoolError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.context import BatchContext
    from common.batches.ports import ExportSource


@dataclass(frozen=True, slots=True)
class OfferedAgain:
    """A bundle that an operator wants to be carried once more, and what stands against it, if anything does."""

    batch: ExportBatchRow
    obstacle: str = ""


async def void_numbers(
    connection: AsyncConnection,
    context: BatchContext,
    sources: Mapping[BundleKind.ValueType, ExportSource],
    numbers: Sequence[int],
) -> list[ExportBatchRow]:
    """Gives up sealed, unacknowledged bundles of the present epoch, all or none; their rows go out under new numbers.

    Part of the caller's transaction. The files go to `voided/` with the next export run. Raises NotFoundError and
    WrongStateError, which name the numbers in question.
    """
    now = context.clock()
    epoch = (await lock_streams(connection)).outgoing.epoch
    batches = await _batches(connection, epoch, numbers)
    others = [one for one in batches if one.disposition is not Disposition.SEALED]
    if others:
        states = "; ".join(f"{one.sequence} is {one.disposition}" for one in others[:10])
        raise WrongStateError(
            f"Only bundles that are sealed and not acknowledged can be given up: {states}.",
            metadata={"numbers": format_numbers(one.sequence for one in others)[:1000]},
        )
    named = _T.sequence == any_(literal(list(numbers), ARRAY(BigInteger)))
    voided = set(await void_sealed(connection, epoch, named, now))
    if len(voided) < len(batches):
        raise WrongStateError(
            "Too many numbers are given up already to name more to the other network; carry what waits first.",
            metadata={"state": "too-many-voided"},
        )
    for kind, source in sources.items():
        mine = [one.id for one in batches if one.kind == kind]
        if mine:
            await source.released(connection, mine)
    await note_news(connection, now)
    return batches


async def offer_again(connection: AsyncConnection, context: BatchContext, numbers: Sequence[int]) -> list[OfferedAgain]:
    """Whether these bundles of the present epoch lie whole in the outbox, byte for byte as they were sealed.

    Raises NotFoundError for a number that was never given.
    """
    epoch = (await read_streams(connection)).outgoing.epoch
    batches = await _batches(connection, epoch, numbers)
    return [OfferedAgain(one, await asyncio.to_thread(_obstacle, context, one)) for one in batches]


def _obstacle(context: BatchContext, batch: ExportBatchRow) -> str:
    """Why the bundle cannot be carried; empty when it can."""
    match batch.disposition:
        case Disposition.SEALED:
            pass
        case Disposition.ACKNOWLEDGED:
            return "the other network holds it already"
        case Disposition.CLAIMED:
            return "it is not sealed yet; run the export"
        case _:
            return f"it is {batch.disposition}: its rows go out in other bundles"
    try:
        whole = hash_file(context.outbox.final_path(batch.kind, batch.filename)).digest == batch.digest
    except (BundleError, SpoolError):
        whole = False
    return "" if whole else "its file is missing or damaged; the next export run brings it back or gives it up"


async def _batches(connection: AsyncConnection, epoch: int, numbers: Sequence[int]) -> list[ExportBatchRow]:
    statement = (
        select_exports()
        .where(
            _T.direction == OUTGOING, _T.epoch == epoch, _T.sequence == any_(literal(list(numbers), ARRAY(BigInteger)))
        )
        .order_by(export_batches.c.sequence)
    )
    batches = [export_row(row) for row in await connection.execute(statement)]
    unknown = sorted(set(numbers) - {one.sequence for one in batches})
    if unknown:
        raise NotFoundError(
            f"This network sealed no bundle {format_numbers(unknown)[:200]} in epoch {epoch}; list those that wait.",
            metadata={"resource": format_numbers(unknown)[:200]},
        )
    return batches


_T = stream_bundles.c
