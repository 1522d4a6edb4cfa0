"""Epochs that an operator declares or accepts: how two networks agree again after a database was restored."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import func, select

from common.batches.signing_keys import announce_again
from common.batches.stream_rows import begin_epoch, lock_streams
from common.batches.tables import import_batches
from common.errors import WrongStateError
from transfer.custody.epochs import next_epoch
from transfer.custody.errors import LaterEpochError
from transfer.errors import SpoolError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.context import BatchContext
    from common.batches.ports import ExportSource

log = structlog.get_logger("common.batches")


@dataclass(frozen=True, slots=True)
class BegunEpoch:
    """What an operator's decision led to. `released` names files that came back from quarantine into the inbox."""

    epoch: int
    previous: int
    released: tuple[str, ...] = ()


async def declare_epoch(
    connection: AsyncConnection,
    context: BatchContext,
    sources: Mapping[BundleKind.ValueType, ExportSource],
    *,
    ending: int = 0,
) -> BegunEpoch:
    """Begins a new epoch here, in the caller's transaction; the other network must accept it.

    Its number is the Unix second of now, or the next one that is greater than any that was ever seen here. Raises
    WrongStateError on a network that waits for its first epoch, and if `ending`, unless 0, is not the present one.
    """
    now = context.clock()
    previous = (await lock_streams(connection)).outgoing.epoch
    if previous == 0:
        raise WrongStateError(
            "This network has no epoch yet: it takes its first one from the other network's first bundle.",
            metadata={"state": "no-epoch"},
        )
    if ending not in {0, previous}:
        raise WrongStateError(
            f"Epoch {ending} has ended already; {previous} is the present one.", metadata={"state": "epoch-ended"}
        )
    seen: int = await connection.scalar(select(func.max(import_batches.c.epoch))) or 0
    epoch = next_epoch(now, previous, seen)
    await _begin(connection, sources, epoch, now)
    log.warning("epoch_declared", epoch=epoch, previous=previous)
    return BegunEpoch(epoch, previous)


async def accept_epoch(
    connection: AsyncConnection,
    context: BatchContext,
    sources: Mapping[BundleKind.ValueType, ExportSource],
    epoch: int,
) -> BegunEpoch:
    """Begins, in the caller's transaction, the epoch that the other network declared.

    Call `release_of_epoch` after the commit. Raises WrongStateError unless a bundle of this epoch, signed by the other
    network, waits here for being accepted.
    """
    previous = (await lock_streams(connection)).outgoing.epoch
    if epoch == previous:
        raise WrongStateError(f"Epoch {epoch} is the present one already.", metadata={"state": "present-epoch"})
    waiting = await waiting_epochs(connection, previous)
    if epoch not in waiting:
        named = f"those that wait are {', '.join(map(str, waiting))}" if waiting else "there is nothing to accept"
        raise WrongStateError(
            f"No bundle of epoch {epoch}, later than {previous}, has come; {named}.",
            metadata={"state": "no-such-epoch"},
        )
    await _begin(connection, sources, epoch, context.clock())
    log.warning("epoch_accepted", epoch=epoch, previous=previous)
    return BegunEpoch(epoch, previous)


async def waiting_epochs(connection: AsyncConnection, present: int) -> list[int]:
    """The epochs after `present` that the other network declared and of which a bundle has come, the latest last."""
    return sorted(await connection.scalars(select_waiting_epochs(present)))


def select_waiting_epochs(present: int) -> Select[tuple[int]]:
    """The same in no order, to be part of another statement."""
    waits = import_batches.c.defect == LaterEpochError.defect
    return select(import_batches.c.epoch).where(import_batches.c.epoch > present, waits).distinct()


async def release_of_epoch(context: BatchContext, epoch: int) -> tuple[str, ...]:
    """Brings the bundles that waited for `epoch` back from quarantine; the next scan applies them.

    Those that waited for an earlier one come back as well: nobody will accept that any more, and they are set aside.
    """

    def release() -> tuple[str, ...]:
        folder = context.inbox.quarantine_folder
        waiting = [file.name for file in folder.files() if _awaited_epoch(file.reason) in range(1, epoch + 1)]
        released = []
        for name in waiting:
            # Another operator may just have released or discarded it.
            with contextlib.suppress(SpoolError):
                released.append(context.inbox.release(name).name)
        return tuple(released)

    return await asyncio.to_thread(release)


def _awaited_epoch(reason: Mapping[str, Any]) -> int:
    """The epoch for which a quarantined file waits; 0 if it waits for something else."""
    epoch = reason.get("epoch")
    return epoch if reason.get("defect") == LaterEpochError.defect and isinstance(epoch, int) else 0


async def _begin(
    connection: AsyncConnection, sources: Mapping[BundleKind.ValueType, ExportSource], epoch: int, now: datetime
) -> None:
    await begin_epoch(connection, epoch, now)
    await announce_again(connection)
    for source in sources.values():
        await source.begin_again(connection)
