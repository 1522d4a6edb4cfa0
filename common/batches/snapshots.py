"""Asking for, and being asked for, a replicated table as a whole; the wish travels with the acknowledgements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, update

from common.batches.stream_rows import read_streams
from common.batches.tables import INCOMING, streams
from transfer.bundle.names import kind_name

if TYPE_CHECKING:
    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy.ext.asyncio import AsyncConnection


async def ask_for_snapshot(connection: AsyncConnection, kind: BundleKind.ValueType) -> None:
    """Every bundle from now on asks for the whole table of `kind`, until `snapshot_came`. May be asked twice."""
    name = kind_name(kind)
    wanted = func.array_append(func.array_remove(streams.c.snapshots_wanted, name), name)
    await connection.execute(update(streams).where(streams.c.direction == INCOMING).values(snapshots_wanted=wanted))


async def snapshot_came(connection: AsyncConnection, kind: BundleKind.ValueType) -> None:
    """The wish is fulfilled."""
    wanted = func.array_remove(streams.c.snapshots_wanted, kind_name(kind))
    await connection.execute(update(streams).where(streams.c.direction == INCOMING).values(snapshots_wanted=wanted))


async def snapshot_wanted(connection: AsyncConnection, kind: BundleKind.ValueType) -> bool:
    """Whether the other network, when it spoke last, asked for the whole table of `kind`.

    It asks until one has arrived: while one is in flight, neither acknowledged nor voided, there is nothing to do.
    """
    return kind in (await read_streams(connection)).peer_wants
