"""Each network remembers the head of the other's audit chain and says it back: neither can rewrite its own unseen.

Nothing here stops a stream. What does not fit is in the audit trail, in a metric, in the log, and in GetAuditChain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from airlock.bundle.v1.acknowledgement_pb2 import AuditHead
from sqlalchemy import exists, insert, select

from common import metrics
from common.audit.chain import latest_witness
from common.audit.record import own_entry, record
from common.audit.segments import find_segment, latest_segment
from common.audit.tables import FAILED, OWN, PEER, audit_witnesses
from transfer.custody.state import BundleNumber

if TYPE_CHECKING:
    from datetime import datetime

    from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
    from sqlalchemy.ext.asyncio import AsyncConnection

log = structlog.get_logger("common.batches")

_ACTIONS: Final = {OWN: "audit.chain_mismatch", PEER: "audit.peer_chain_mismatch"}


async def heads_to_tell(connection: AsyncConnection) -> dict[str, AuditHead]:
    """The head of our own chain and what we saw last of the other network's, as far as there are any."""
    own, peer = await latest_segment(connection), await latest_witness(connection, PEER)
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
        cause = await _contradiction(connection, message.audit_head)
        await _keep(connection, PEER, carrier, message.audit_head, cause, now)
    if message.HasField("witnessed_audit_head"):
        cause = await _mismatch(connection, message.witnessed_audit_head)
        await _keep(connection, OWN, carrier, message.witnessed_audit_head, cause, now)


async def _contradiction(connection: AsyncConnection, head: AuditHead) -> str:
    """Why the other network's head does not fit what was seen of its chain before."""
    columns = audit_witnesses.c
    other = exists().where(columns.chain == PEER, columns.number == head.segment, columns.digest != head.digest)
    if await connection.scalar(select(other)):
        return f"segment {head.segment} of the other network was seen before with another digest"
    last = await latest_witness(connection, PEER)
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
    connection: AsyncConnection, chain: str, carrier: BundleNumber, head: AuditHead, cause: str, now: datetime
) -> None:
    last = await latest_witness(connection, chain)
    if last is not None:
        if (last.number, last.digest, last.agrees) == (head.segment, head.digest, not cause):
            return
        if carrier <= BundleNumber(last.epoch, last.sequence):
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
