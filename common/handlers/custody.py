"""OpsService: streams and what an operator decides about them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airlock.ops.v1 import batches_pb2
from airlock.ops.v1 import streams_pb2 as pb
from airlock.ops.v1.ops_service_pb2_grpc import OpsServiceServicer

from common.batches.overview import get_streams, list_stream_bundles
from common.handlers.batches import export_batch, stream_bundle, streams
from common.operations import custody
from common.paging import next_token, page_size, position_of
from common.rpc.caller import current_caller
from transfer.custody.state import Disposition

if TYPE_CHECKING:
    import grpc

    from common.batches.exchange import Exchange


class CustodyMethods(OpsServiceServicer):
    """The part of the service that is about streams."""

    _exchange: Exchange

    async def GetStreams(  # noqa: N802 - the name is the proto's, as everywhere here.
        self, request: pb.GetStreamsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetStreamsResponse:
        """Both streams as they stand."""
        batches = self._exchange.context
        async with batches.database.transaction() as transaction:
            view = await get_streams(transaction.connection, batches)
        return streams(batches.network, view)

    async def ListStreamBundles(  # noqa: N802
        self, request: pb.ListStreamBundlesRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListStreamBundlesResponse:
        """A page of numbers of one stream, the newest first."""
        limit = page_size(request)
        position = position_of(request, int)
        batches = self._exchange.context
        async with batches.database.transaction() as transaction:
            rows = await list_stream_bundles(
                transaction.connection,
                incoming=request.incoming,
                dispositions=[_disposition(one) for one in request.dispositions if one],
                limit=limit + 1,
                before=position[0] if position is not None else None,
            )
        page = rows[:limit]
        token = next_token(request, page[-1].sequence) if len(rows) > limit else ""
        # No file name is received and put on a medium here. A long journal takes seconds when it is read at first.
        filenames = [] if request.incoming else [row.filename for row in page]
        places = await asyncio.to_thread(batches.outbox.media.places, filenames)
        bundles = [stream_bundle(row, places.get(row.filename, ())) for row in page]
        return pb.ListStreamBundlesResponse(bundles=bundles, next_page_token=token)

    async def ResendBundles(  # noqa: N802
        self, request: pb.ResendBundlesRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ResendBundlesResponse:
        """Whether bundles can be carried once more."""
        offered = await custody.resend(self._exchange, request.numbers, current_caller())
        bundles = [pb.OfferedBundle(batch=export_batch(one.batch), obstacle=one.obstacle) for one in offered]
        return pb.ResendBundlesResponse(bundles=bundles)

    async def VoidBundles(  # noqa: N802
        self, request: pb.VoidBundlesRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.VoidBundlesResponse:
        """Gives bundles up."""
        batches = await custody.void(self._exchange, request.numbers, request.reason, current_caller())
        return pb.VoidBundlesResponse(batches=map(export_batch, batches))

    async def DeclareEpoch(  # noqa: N802
        self, request: pb.DeclareEpochRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.DeclareEpochResponse:
        """Begins a new epoch."""
        begun = await custody.declare(self._exchange, request.reason, request.ending_epoch, current_caller())
        return pb.DeclareEpochResponse(epoch=begun.epoch, previous_epoch=begun.previous)

    async def AcceptEpoch(  # noqa: N802
        self, request: pb.AcceptEpochRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.AcceptEpochResponse:
        """Begins the other network's epoch."""
        begun = await custody.accept(self._exchange, request.epoch, current_caller())
        return pb.AcceptEpochResponse(
            epoch=begun.epoch, previous_epoch=begun.previous, released_files=list(begun.released)
        )


def _disposition(value: batches_pb2.Disposition.ValueType) -> Disposition:
    return Disposition(batches_pb2.Disposition.Name(value).removeprefix("DISPOSITION_").lower())
