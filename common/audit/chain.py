"""Where the audit chain stands, here and in what the two networks saw of each other's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from common.audit.segments import forgotten_up_to, latest_segment
from common.audit.tables import OWN, PEER, audit_logs, audit_witnesses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.audit.segments import Segment

MOST_MISMATCHES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainView:
    """The chain of this network; witnesses are rows of `audit_witnesses`."""

    head: Segment | None
    unsealed_rows: int
    forgotten_up_to: int
    witnessed_by_peer: Row[Any] | None
    peer_head: Row[Any] | None
    mismatches: Sequence[Row[Any]]


async def get_chain(connection: AsyncConnection) -> ChainView:
    """All of it."""
    head = await latest_segment(connection)
    sealed = head.last_id if head is not None else 0
    unsealed = await connection.scalar(select(func.count()).where(audit_logs.c.id > sealed))
    disagreeing = _newest(audit_witnesses.c.agrees.is_(False), limit=MOST_MISMATCHES)
    return ChainView(
        head=head,
        unsealed_rows=int(unsealed or 0),
        forgotten_up_to=await forgotten_up_to(connection),
        witnessed_by_peer=await latest_witness(connection, OWN),
        peer_head=await latest_witness(connection, PEER),
        mismatches=(await connection.execute(disagreeing)).all(),
    )


async def latest_witness(connection: AsyncConnection, chain: str) -> Row[Any] | None:
    """What the newest bundle that said something new said of that chain."""
    newest = _newest(audit_witnesses.c.chain == chain, limit=1)
    row: Row[Any] | None = (await connection.execute(newest)).one_or_none()
    return row


def _newest(condition: Any, *, limit: int) -> Select[Any]:  # noqa: ANN401 - a condition of SQLAlchemy.
    columns = audit_witnesses.c
    newest = select(audit_witnesses).where(condition).order_by(columns.epoch.desc(), columns.sequence.desc())
    return newest.limit(limit)
