"""TransferService: bundles over the wire, for a station that cannot see the service's folders."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from airlock.transfer.v1 import transfer_service_pb2 as pb
from airlock.transfer.v1.transfer_service_pb2_grpc import TransferServiceServicer
from google.api.httpbody_pb2 import HttpBody

from common.batches.stores import waiting_bundles
from common.handlers.times import timestamp
from common.operations.wire import receive_bundle, send_bundle
from common.paging import next_token, page_size, position_of
from common.rpc.caller import current_caller

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc

    from common.batches.batch_rows import ExportBatchRow
    from common.batches.context import BatchContext

DEFAULT_SIZE: Final = 200
MOST: Final = 1000
CONTENT_TYPE: Final = "application/octet-stream"


class TransferHandler(TransferServiceServicer):
    """Sends what waits and takes what was brought."""

    def __init__(self, batches: BatchContext) -> None:
        self._batches = batches

    async def ListBundles(  # noqa: N802 - the name is the proto's, as everywhere here.
        self, request: pb.ListBundlesRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListBundlesResponse:
        """A page of bundles that wait to be carried."""
        limit = page_size(request, default=DEFAULT_SIZE, most=MOST)
        position = position_of(request, int)
        async with self._batches.database.transaction() as transaction:
            rows = await waiting_bundles(
                transaction.connection, limit=limit + 1, after=position[0] if position is not None else 0
            )
        page = rows[:limit]
        token = next_token(request, page[-1].sequence) if len(rows) > limit else ""
        return pb.ListBundlesResponse(bundles=map(_waiting, page), next_page_token=token)

    async def ExportBundle(  # noqa: N802
        self, request: pb.ExportBundleRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[HttpBody]:
        """One bundle's bytes."""
        async with aclosing(send_bundle(self._batches, UUID(request.batch_id), current_caller())) as pieces:
            async for piece in pieces:
                yield HttpBody(content_type=CONTENT_TYPE, data=piece)

    async def ImportBundle(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.ImportBundleRequest], context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ImportBundleResponse:
        """Takes a bundle into the inbox."""
        pieces = (request.body.data async for request in request_iterator)
        received = await receive_bundle(self._batches, pieces, current_caller())
        return pb.ImportBundleResponse(filename=received.filename, size_bytes=received.size, checksum=received.checksum)


def _waiting(row: ExportBatchRow) -> pb.WaitingBundle:
    return pb.WaitingBundle(
        batch_id=str(row.id),
        kind=row.kind,
        filename=row.filename,
        sequence=row.sequence,
        size_bytes=row.file_size_bytes or 0,
        checksum=row.checksum or "",
        created_at=timestamp(row.created_at),
    )
