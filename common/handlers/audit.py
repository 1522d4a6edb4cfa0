"""OpsService: the audit trail and its chain."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from airlock.ops.v1 import audit_pb2 as pb
from airlock.ops.v1.ops_service_pb2_grpc import OpsServiceServicer
from google.api.httpbody_pb2 import HttpBody

from common.audit.chain import get_chain
from common.audit.export import SegmentRange, TimeRange
from common.audit.search import AuditFilter, list_audit_entries, visible, visible_json
from common.audit.tables import OWN
from common.audit.verify import verify_audit
from common.errors import FieldViolation, InvalidFieldError
from common.handlers.times import timestamp
from common.operations.audit import export_trail
from common.paging import next_token, page_size, position_of
from common.rpc.caller import current_caller

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from ipaddress import IPv4Network, IPv6Network

    import grpc
    from google.protobuf.timestamp_pb2 import Timestamp
    from sqlalchemy import Row

    from common.audit.segments import Segment
    from common.batches.exchange import Exchange

CONTENT_TYPE: Final = "application/x-ndjson"


class AuditMethods(OpsServiceServicer):
    """The part of the service that is about who did what."""

    _exchange: Exchange

    async def ListAuditEntries(  # noqa: N802 - the name is the proto's, as everywhere here.
        self, request: pb.ListAuditEntriesRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListAuditEntriesResponse:
        """A page of rows, the newest first."""
        limit, position = page_size(request), position_of(request, int)
        before = position[0] if position is not None else None
        async with self._exchange.context.database.transaction() as transaction:
            rows = await list_audit_entries(transaction.connection, _filter(request), limit=limit + 1, before_id=before)
        page = rows[:limit]
        token = next_token(request, page[-1].id) if len(rows) > limit else ""
        return pb.ListAuditEntriesResponse(entries=map(_entry, page), next_page_token=token)

    async def ExportAudit(  # noqa: N802
        self, request: pb.ExportAuditRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncGenerator[HttpBody]:
        """JSON lines in pieces."""
        database = self._exchange.context.database
        async with aclosing(export_trail(database, _range(request), current_caller())) as pieces:
            async for piece in pieces:
                yield HttpBody(content_type=CONTENT_TYPE, data=piece)

    async def VerifyAudit(  # noqa: N802
        self, request: pb.VerifyAuditRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.VerifyAuditResponse:
        """Recomputes a page of segments."""
        seen = await verify_audit(self._exchange.context.database, request.first_segment)
        return pb.VerifyAuditResponse(
            segments=seen.segments,
            rows=seen.rows,
            forgotten_segments=seen.forgotten,
            next_segment=seen.next_segment,
            mismatch_segment=seen.mismatch_segment,
            mismatch=seen.mismatch,
        )

    async def GetAuditChain(  # noqa: N802
        self, request: pb.GetAuditChainRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetAuditChainResponse:
        """This network's head and what was witnessed."""
        async with self._exchange.context.database.transaction() as transaction:
            view = await get_chain(transaction.connection)
        return pb.GetAuditChainResponse(
            head=_segment(view.head),
            unsealed_rows=view.unsealed_rows,
            forgotten_up_to=view.forgotten_up_to,
            witnessed_by_peer=_witness(view.witnessed_by_peer),
            peer_head=_witness(view.peer_head),
            mismatches=[one for row in view.mismatches if (one := _witness(row)) is not None],
        )


def _filter(request: pb.ListAuditEntriesRequest) -> AuditFilter:
    outcome = pb.AuditOutcome.Name(request.outcome).removeprefix("AUDIT_OUTCOME_").lower()
    return AuditFilter(
        user_id=UUID(request.user_id) if request.user_id else None,
        action_prefix=request.action_prefix,
        resource_type=request.resource_type,
        resource_id=request.resource_id,
        outcome=outcome if request.outcome else "",
        address=_network(request.address),
        after=_moment(request.after) if request.HasField("after") else None,
        before=_moment(request.before) if request.HasField("before") else None,
    )


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False) if text else None
    except ValueError:
        cause = "is no address and no network; write 192.0.2.7 or 192.0.2.0/24"
        raise InvalidFieldError(f"address {cause}.", violations=[FieldViolation("address", cause)]) from None


def _range(request: pb.ExportAuditRequest) -> TimeRange | SegmentRange:
    by_time = request.HasField("after") or request.HasField("before")
    if not request.first_segment and not request.last_segment:
        return TimeRange(
            _moment(request.after) if request.HasField("after") else None,
            _moment(request.before) if request.HasField("before") else None,
        )
    if by_time:
        cause = "cannot be given beside a time; export by one of both"
        raise InvalidFieldError(f"A segment {cause}.", violations=[FieldViolation("first_segment", cause)])
    return SegmentRange(request.first_segment or 1, request.last_segment)


def _moment(at: Timestamp) -> datetime:
    return at.ToDatetime(UTC)


def _entry(row: Row[Any]) -> pb.AuditEntry:
    entry = pb.AuditEntry(
        id=row.id,
        created_at=timestamp(row.created_at),
        action=visible(row.action),
        outcome=pb.AuditOutcome.Value(f"AUDIT_OUTCOME_{row.outcome.upper()}"),
        user_id=str(row.user_id) if row.user_id is not None else "",
        address=row.address or "",
        user_agent=visible(row.user_agent or ""),
        resource_type=visible(row.resource_type or ""),
        resource_id=visible(row.resource_id or ""),
        response_status=row.response_status or 0,
    )
    for name in ("request_data", "metadata"):
        content = getattr(row, name)
        if isinstance(content, dict):
            getattr(entry, name).update(visible_json(content))
    return entry


def _segment(segment: Segment | None) -> pb.AuditSegment | None:
    if segment is None:
        return None
    return pb.AuditSegment(
        number=segment.number,
        first_id=segment.first_id,
        last_id=segment.last_id,
        rows=segment.rows,
        digest=segment.digest.hex(),
        sealed_at=timestamp(segment.sealed_at),
    )


def _witness(row: Row[Any] | None) -> pb.AuditWitness | None:
    if row is None:
        return None
    return pb.AuditWitness(
        own_chain=row.chain == OWN,
        segment=row.number,
        digest=row.digest.hex(),
        agrees=row.agrees,
        seen_at=timestamp(row.seen_at),
        epoch=row.epoch,
        sequence=row.sequence,
    )
