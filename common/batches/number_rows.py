"""The rows of `stream_bundles`: one for every numbered bundle of either stream, and what became of it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, BigInteger, any_, case, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from common.batches.tables import INCOMING, OUTGOING, stream_bundles
from transfer.bundle.names import kind_from_name, kind_name
from transfer.custody.acknowledgements import MAX_VOIDED
from transfer.custody.state import BundleNumber, Disposition, HeldBundle, SentBundle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from transfer.custody.delivery import Delivery

_T = stream_bundles.c


async def known_incoming(connection: AsyncConnection, number: BundleNumber) -> tuple[HeldBundle, UUID | None] | None:
    """What became of exactly this number of the other network, and the import batch that decided it."""
    rows = await connection.execute(select(stream_bundles).where(*_at(INCOMING, number)))
    row = rows.one_or_none()
    return None if row is None else (_held(row), row.batch_id)


async def held_among(connection: AsyncConnection, epoch: int, sequences: Iterable[int]) -> dict[int, HeldBundle]:
    """What is remembered of these incoming numbers."""
    rows = await connection.execute(
        select(stream_bundles).where(
            _T.direction == INCOMING,
            _T.epoch == epoch,
            _T.sequence == any_(literal(list(sequences), ARRAY(BigInteger))),
        )
    )
    return {row.sequence: _held(row) for row in rows}


async def held_above(
    connection: AsyncConnection, epoch: int, sequence: int, *, limit: int | None = None
) -> list[HeldBundle]:
    """The incoming numbers above `sequence` that have an outcome, lowest first."""
    rows = await connection.execute(
        select(stream_bundles)
        .where(_T.direction == INCOMING, _T.epoch == epoch, _T.sequence > sequence)
        .order_by(_T.sequence)
        .limit(limit)
    )
    return [_held(row) for row in rows]


async def record_held(
    connection: AsyncConnection,
    epoch: int,
    held: Sequence[HeldBundle],
    at: datetime,
    *,
    kind: BundleKind.ValueType | None = None,
    batch_id: UUID | None = None,
) -> None:
    """Gives incoming numbers their outcome; one that was refused before takes the new one."""
    if not held:
        return
    statement = insert(stream_bundles)
    changed = {
        name: statement.excluded[name]
        for name in ("digest", "disposition", "batch_id", "refused_reason", "recorded_at")
    } | {"kind": case((statement.excluded.kind.is_not(None), statement.excluded.kind), else_=_T.kind)}
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["direction", "epoch", "sequence"], set_=changed),
        [
            {
                "direction": INCOMING,
                "epoch": epoch,
                "sequence": one.sequence,
                "digest": one.digest,
                "disposition": one.disposition,
                "kind": None if kind is None else kind_name(kind),
                "batch_id": batch_id,
                "refused_reason": one.refused_reason or None,
                "recorded_at": at,
            }
            for one in held
        ],
    )


async def claim_number(
    connection: AsyncConnection, number: BundleNumber, kind: BundleKind.ValueType, batch_id: UUID, at: datetime
) -> None:
    """A number of our stream is taken by a batch."""
    await connection.execute(
        insert(stream_bundles).values(
            direction=OUTGOING,
            epoch=number.epoch,
            sequence=number.sequence,
            disposition=Disposition.CLAIMED,
            kind=kind_name(kind),
            batch_id=batch_id,
            recorded_at=at,
        )
    )


async def seal_number(
    connection: AsyncConnection, number: BundleNumber, digest: bytes, size_bytes: int, at: datetime
) -> None:
    """The bundle of this number is durable, with this digest for ever."""
    await connection.execute(
        update(stream_bundles)
        .where(*_at(OUTGOING, number), _T.disposition == Disposition.CLAIMED)
        .values(disposition=Disposition.SEALED, digest=digest, size_bytes=size_bytes, recorded_at=at)
    )


async def sent_above(connection: AsyncConnection, state_epoch: int, sequence: int) -> dict[int, SentBundle]:
    """Our numbers above `sequence`."""
    rows = await connection.execute(
        select(_T.sequence, _T.digest, _T.disposition).where(
            _T.direction == OUTGOING, _T.epoch == state_epoch, _T.sequence > sequence
        )
    )
    return {row.sequence: SentBundle(row.sequence, row.digest, Disposition(row.disposition)) for row in rows}


async def voided_unacknowledged(connection: AsyncConnection, epoch: int) -> list[tuple[int, bytes]]:
    """Our numbers that we gave up and that the other network has not counted yet, lowest first."""
    rows = await connection.execute(
        select(_T.sequence, _T.digest)
        .where(
            _T.direction == OUTGOING,
            _T.epoch == epoch,
            _T.disposition == Disposition.VOIDED,
            _T.acknowledged_at.is_(None),
        )
        .order_by(_T.sequence)
    )
    return [(row.sequence, row.digest) for row in rows]


async def void_sealed(connection: AsyncConnection, epoch: int, which: ColumnElement[bool], at: datetime) -> list[UUID]:
    """Gives up sealed, unacknowledged numbers of ours and returns their batches.

    Only as many as the next first frame can name; the others stay sealed, which loses nothing.
    """
    room = MAX_VOIDED - len(await voided_unacknowledged(connection, epoch))
    chosen = (
        select(_T.sequence)
        .where(
            _T.direction == OUTGOING,
            _T.epoch == epoch,
            _T.disposition == Disposition.SEALED,
            _T.acknowledged_at.is_(None),
            which,
        )
        .order_by(_T.sequence)
        .limit(max(room, 0))
    )
    rows = await connection.execute(
        update(stream_bundles)
        .where(_T.direction == OUTGOING, _T.epoch == epoch, _T.sequence.in_(chosen.scalar_subquery()))
        .values(disposition=Disposition.VOIDED, recorded_at=at)
        .returning(_T.batch_id)
    )
    return [row.batch_id for row in rows]


async def deliver_numbers(
    connection: AsyncConnection, epoch: int, delivery: Delivery, at: datetime
) -> Mapping[BundleKind.ValueType, list[UUID]]:
    """Counts what the other network holds, and returns the batches that are delivered by it, by kind."""
    covered = or_(
        _T.sequence <= delivery.cumulative, *(_T.sequence.between(first, last) for first, last in delivery.above)
    )
    rows = await connection.execute(
        update(stream_bundles)
        .where(_T.direction == OUTGOING, _T.epoch == epoch, _T.acknowledged_at.is_(None), covered)
        .values(
            acknowledged_at=at,
            refused_reason=None,
            disposition=case(
                (_T.disposition == Disposition.SEALED, Disposition.ACKNOWLEDGED.value), else_=_T.disposition
            ),
        )
        .returning(_T.kind, _T.batch_id, _T.disposition)
    )
    delivered = defaultdict(list)
    for row in rows:
        if row.disposition == Disposition.ACKNOWLEDGED:
            delivered[kind_from_name(row.kind)].append(row.batch_id)
    return delivered


async def note_refusals(connection: AsyncConnection, epoch: int, refused: Mapping[int, str]) -> None:
    """Notes why the other network refuses numbers of ours; they stay sealed."""
    for sequence, reason in refused.items():
        await connection.execute(
            update(stream_bundles)
            .where(*_at(OUTGOING, BundleNumber(epoch, sequence)), _T.refused_reason.is_distinct_from(reason))
            .values(refused_reason=reason)
        )


def _at(direction: str, number: BundleNumber) -> tuple[ColumnElement[bool], ...]:
    return (_T.direction == direction, _T.epoch == number.epoch, _T.sequence == number.sequence)


def _held(row: Row[Any]) -> HeldBundle:
    return HeldBundle(row.sequence, row.digest, Disposition(row.disposition), row.refused_reason or "")
