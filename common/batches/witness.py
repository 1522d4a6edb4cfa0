"""Each network remembers the head of the other's audit chain and says it back: neither can rewrite its own unseen.

Nothing here stops a stream. What does not fit is in the audit trail, in a metric, in the log, and in GetAuditChain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog
from airlock.bundle.v1.acknowledgement_pb2 import AuditHead
from sqlalchemy import exists, insert, select, tuple_

from common import metrics
from common.audit.chain import latest_witness
from common.audit.record import own_entry, record
from common.audit.segments import find_segment, latest_segment
from common.audit.tables import FAILED, OWN, PEER, audit_witnesses
from transfer.custody.state import BundleNumber

if TYPE_CHECKING:
    from datetime import datetime

    from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

log = structlog.get_logger("common.batches")

_SEEN: Final = audit_witnesses.c
_ACTIONS: Final = {OWN: "audit.chain_mismatch", PEER: "audit.peer_chain_mismatch"}


async def heads_to_tell(connection: AsyncConnection, draw: int) -> dict[str, AuditHead]:
    """The head of our own chain, and one of those that we saw of the other network's, as far as there are any.

    `draw` is a random number. Half of the bundles say the last head that was seen, the others any earlier one: a chain
    that was rewritten has new digests for all of them, however fast it grew beyond the last.
    """
    own, peer = await latest_segment(connection), await _remembered(connection, draw)
    heads = {}
    if own is not None:
        heads["audit_head"] = AuditHead(segment=own.number, digest=own.digest)
    if peer is not None:
        heads["witnessed_audit_head"] = AuditHead(segment=peer.number, digest=peer.digest)
    return heads


async def witness(connection: AsyncConnection, carrier: BundleNumber, message: Acknowledgements, now: datetime) -> None:
    """Keeps what a bundle says of both chains, if it is new, and raises an alarm if it does not fit.

    The caller holds the streams' lock, and `carrier` is newer than the bundle whose acknowledgements were used last.
    """
    if message.HasField("audit_head"):
        await _take_theirs(connection, carrier, message.audit_head, now)
    if message.HasField("witnessed_audit_head"):
        await _take_ours(connection, carrier, message.witnessed_audit_head, now)


async def _remembered(connection: AsyncConnection, draw: int) -> Row[Any] | None:
    last = await latest_witness(connection, PEER)
    if last is None:
        return None
    sound = select(audit_witnesses).where(_SEEN.chain == PEER, _SEEN.agrees)
    if not last.agrees:
        # Until their chain is beyond it, they are told what it contradicts.
        statement = sound.order_by(_SEEN.number.desc())
    elif draw % 2:
        return last
    else:
        # What was seen before a contradiction that is over would only be found once more, and for ever.
        over = select(_SEEN.epoch, _SEEN.sequence).where(_SEEN.chain == PEER, ~_SEEN.agrees)
        over = over.order_by(_SEEN.epoch.desc(), _SEEN.sequence.desc()).limit(1)
        since = (await connection.execute(over)).one_or_none()
        if since is not None:
            sound = sound.where(tuple_(_SEEN.epoch, _SEEN.sequence) > tuple_(*since))
        statement = sound.where(_SEEN.number > draw // 2 % last.number).order_by(_SEEN.number)
    row: Row[Any] | None = (await connection.execute(statement.limit(1))).one_or_none()
    return row or last


async def _take_theirs(connection: AsyncConnection, carrier: BundleNumber, head: AuditHead, now: datetime) -> None:
    last = await latest_witness(connection, PEER)
    if last is None or (last.number, last.digest) != (head.segment, head.digest):
        cause = await _contradiction(connection, last, head)
        await _keep(connection, PEER, carrier, head, cause, last, now)


async def _take_ours(connection: AsyncConnection, carrier: BundleNumber, head: AuditHead, now: datetime) -> None:
    """They may say any head that they ever saw; news are the highest one, and one that does not fit."""
    cause = await _mismatch(connection, head)
    known = exists().where(_SEEN.chain == OWN, _SEEN.agrees.is_(not cause))
    if cause:
        known = known.where(_SEEN.number == head.segment, _SEEN.digest == head.digest)
    else:
        known = known.where(_SEEN.number >= head.segment)
    if not await connection.scalar(select(known)):
        await _keep(connection, OWN, carrier, head, cause, await latest_witness(connection, OWN), now)


async def _contradiction(connection: AsyncConnection, last: Row[Any] | None, head: AuditHead) -> str:
    """Why the other network's head does not fit what was seen of its chain before."""
    other = exists().where(_SEEN.chain == PEER, _SEEN.number == head.segment, _SEEN.digest != head.digest)
    if await connection.scalar(select(other)):
        return f"segment {head.segment} of the other network was seen before with another digest"
    if last is not None and head.segment < last.number:
        return f"the other network's chain ended at segment {last.number} before and ends at {head.segment} now"
    return ""


async def _mismatch(connection: AsyncConnection, head: AuditHead) -> str:
    """Why our own chain is not what the other network saw of it."""
    segment = await find_segment(connection, head.segment)
    if segment is None:
        return f"the other network saw our segment {head.segment}, which is not here"
    return "" if segment.digest == head.digest else f"the other network saw our segment {head.segment} otherwise"


async def _keep(
    connection: AsyncConnection,
    chain: str,
    carrier: BundleNumber,
    head: AuditHead,
    cause: str,
    last: Row[Any] | None,
    now: datetime,
) -> None:
    if last is not None and carrier <= BundleNumber(last.epoch, last.sequence):
        # While an alarm stands no state counts as used, so a bundle may be older than one that was looked at.
        return
    values = {"chain": chain, "epoch": carrier.epoch, "sequence": carrier.sequence, "number": head.segment}
    values |= {"digest": head.digest, "agrees": not cause, "seen_at": now}
    await connection.execute(insert(audit_witnesses).values(values))
    if not cause:
        return
    metrics.AUDIT_MISMATCHES.labels(chain).inc()
    log.warning(_ACTIONS[chain].replace(".", "_"), cause=cause, bundle=str(carrier))
    entry = own_entry(
        _ACTIONS[chain],
        resource_type="audit_segment",
        resource_id=str(head.segment),
        metadata={"cause": cause, "digest": head.digest.hex(), "bundle": str(carrier)},
        outcome=FAILED,
    )
    await record(connection, entry)
