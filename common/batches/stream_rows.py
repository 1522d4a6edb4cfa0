"""The two rows of `streams`: reading and locking them together, and moving them on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from common.batches.tables import INCOMING, OUTGOING, export_batches, stream_bundles, streams
from transfer.bundle.names import kind_from_name
from transfer.custody.acknowledgements import parse
from transfer.custody.digests import NOTHING
from transfer.custody.epochs import next_epoch
from transfer.custody.state import BundleNumber, Disposition, IncomingState, OutgoingState

if TYPE_CHECKING:
    from datetime import datetime

    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from transfer.custody.acknowledgements import PeerState


@dataclass(frozen=True, slots=True)
class Streams:
    """Both streams as they stand, with what their rows know beyond the rules' own state."""

    outgoing: OutgoingState
    incoming: IncomingState
    # What the other network said last that it holds, in this epoch.
    peer: PeerState | None
    # Replicated kinds that the other network asked for as a whole when it spoke last.
    peer_wants: tuple[BundleKind.ValueType, ...]
    # The newest schema that the other network reads, and the key versions that it holds, as far as it said so.
    peer_minor: int
    peer_key_versions: tuple[str, ...]
    # Replicated kinds that this network asks for.
    snapshots_wanted: tuple[BundleKind.ValueType, ...]
    news_since: datetime | None
    last_acknowledged_at: datetime | None
    last_received_at: datetime | None
    incoming_alarm: str

    @property
    def peer_reads(self) -> int | None:
        """The newest schema minor that the other network reads; None before it has said anything."""
        return self.peer_minor if self.peer is not None or self.peer_minor else None


async def read_streams(connection: AsyncConnection) -> Streams:
    """The streams as committed."""
    rows = await connection.execute(select(streams))
    return _streams({row.direction: row for row in rows})


async def lock_streams(connection: AsyncConnection) -> Streams:
    """The streams, locked until the transaction ends. Always taken before any batch row is locked."""
    locking = select(streams).order_by(streams.c.direction).with_for_update()
    rows = {row.direction: row for row in await connection.execute(locking)}
    if len(rows) < 2:
        first = insert(streams).values([{"direction": INCOMING}, {"direction": OUTGOING}])
        await connection.execute(first.on_conflict_do_nothing())
        rows = {row.direction: row for row in await connection.execute(locking)}
    return _streams(rows)


async def declare_first_epoch(connection: AsyncConnection, now: datetime) -> None:
    """On the Response Network: begins the first epoch, unless there is one."""
    if (await lock_streams(connection)).outgoing.epoch == 0:
        await begin_epoch(connection, next_epoch(now, 0, 0), now)


async def begin_epoch(connection: AsyncConnection, epoch: int, now: datetime) -> None:
    """Begins an epoch on the locked streams, in both directions, and retires every earlier number. It is news.

    Whoever calls this releases the rows of the retired batches that have no final state.
    """
    # Batches first: whoever is just publishing one holds its row and will want its number.
    await connection.execute(
        update(export_batches)
        .where(export_batches.c.epoch < epoch, export_batches.c.status == "processing")
        .values(status="failed", error_message="Its epoch ended before it was sealed; its rows go out again.")
    )
    unsettled = (Disposition.CLAIMED, Disposition.SEALED, Disposition.VOIDED)
    earlier = (stream_bundles.c.direction == OUTGOING, stream_bundles.c.epoch < epoch)
    await connection.execute(
        update(stream_bundles)
        .where(*earlier, stream_bundles.c.acknowledged_at.is_(None), stream_bundles.c.disposition.in_(unsettled))
        .values(disposition=Disposition.RETIRED, recorded_at=now)
    )
    await connection.execute(
        update(streams).values(
            epoch=epoch,
            last_sequence=0,
            last_digest=b"",
            cumulative=0,
            running_digest=NOTHING,
            used_epoch=0,
            used_sequence=0,
            peer_state=None,
            alarm=None,
            alarm_since=None,
        )
    )
    await note_news(connection, now)


async def note_news(connection: AsyncConnection, now: datetime) -> None:
    """There is something to tell the other network; the next bundle tells it, whatever it carries."""
    await _update(connection, OUTGOING, news_since=func.coalesce(streams.c.news_since, now))


async def give_number(connection: AsyncConnection, sequence: int) -> None:
    """The number is taken, and the bundle that takes it carries all news."""
    await _update(connection, OUTGOING, last_sequence=sequence, news_since=None)


async def save_incoming(connection: AsyncConnection, state: IncomingState, received_at: datetime) -> None:
    """The incoming stream has moved on."""
    await _update(
        connection,
        INCOMING,
        last_sequence=state.highest_seen,
        last_digest=state.highest_digest,
        cumulative=state.cumulative,
        running_digest=state.running_digest,
        last_moved_at=received_at,
    )


async def save_used(
    connection: AsyncConnection, carrier: BundleNumber, acknowledgements: Acknowledgements, running_digest: bytes
) -> None:
    """These acknowledgements were used: only newer ones count from now on."""
    await _update(
        connection,
        OUTGOING,
        used_epoch=carrier.epoch,
        used_sequence=carrier.sequence,
        peer_state=acknowledgements.SerializeToString(deterministic=True),
        peer_minor=acknowledgements.reads_schema_minor,
        peer_key_versions=list(acknowledgements.reads_key_versions),
        cumulative=acknowledgements.cumulative,
        running_digest=running_digest,
    )


async def note_acknowledged(connection: AsyncConnection, at: datetime) -> None:
    """Something of ours was acknowledged that was not before."""
    await _update(connection, OUTGOING, last_moved_at=at)


async def raise_alarm(connection: AsyncConnection, direction: str, message: str, now: datetime) -> None:
    """Outgoing: exports stand still from now on. Incoming: a fork is shown. The first alarm stays until it is ended."""
    await connection.execute(
        update(streams)
        .where(streams.c.direction == direction, streams.c.alarm.is_(None))
        .values(alarm=message, alarm_since=now)
    )


async def _update(connection: AsyncConnection, direction: str, **values: object) -> None:
    await connection.execute(update(streams).where(streams.c.direction == direction).values(**values))


def _streams(rows: dict[str, Row[Any]]) -> Streams:
    outgoing, incoming = rows.get(OUTGOING), rows.get(INCOMING)
    if outgoing is None or incoming is None:
        return Streams(OutgoingState(), IncomingState(), None, (), 0, (), (), None, None, None, "")
    said = None if outgoing.peer_state is None else Acknowledgements.FromString(outgoing.peer_state)
    return Streams(
        outgoing=OutgoingState(
            epoch=outgoing.epoch,
            last_sequence=outgoing.last_sequence,
            cumulative=outgoing.cumulative,
            running_digest=outgoing.running_digest,
            last_used=BundleNumber(outgoing.used_epoch, outgoing.used_sequence),
            alarm=outgoing.alarm or "",
        ),
        incoming=IncomingState(
            epoch=incoming.epoch,
            cumulative=incoming.cumulative,
            running_digest=incoming.running_digest,
            highest_seen=incoming.last_sequence,
            highest_digest=incoming.last_digest,
        ),
        peer=None if said is None else parse(said),
        peer_wants=() if said is None else tuple(said.snapshots_wanted),
        peer_minor=outgoing.peer_minor,
        peer_key_versions=tuple(outgoing.peer_key_versions),
        snapshots_wanted=tuple(kind_from_name(name) for name in incoming.snapshots_wanted),
        news_since=outgoing.news_since,
        last_acknowledged_at=outgoing.last_moved_at,
        last_received_at=incoming.last_moved_at,
        incoming_alarm=incoming.alarm or "",
    )
