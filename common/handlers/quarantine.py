"""OpsService: refused files, and the reports of imports."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from airlock.ops.v1 import import_report_pb2
from airlock.ops.v1 import quarantine_pb2 as pb
from airlock.ops.v1.ops_service_pb2_grpc import OpsServiceServicer

from common.batches.stores import find_imports
from common.errors import NotFoundError
from common.handlers.batches import import_report
from common.handlers.times import timestamp
from common.operations import quarantine
from common.paging import next_token, page_size, position_of
from common.rpc.caller import current_caller

if TYPE_CHECKING:
    import grpc

    from common.batches.exchange import Exchange
    from transfer.spool.quarantine import QuarantinedFile

MOST_REPORTS: Final = 50


class QuarantineMethods(OpsServiceServicer):
    """The part of the service that is about what came in."""

    _exchange: Exchange

    async def ListQuarantine(  # noqa: N802 - the name is the proto's, as everywhere here.
        self, request: pb.ListQuarantineRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListQuarantineResponse:
        """A page of refused files, the oldest first."""
        limit = page_size(request)
        position = position_of(request, str)
        after = position[0] if position is not None else ""
        files = await quarantine.list_quarantine(self._exchange.context, after=after, limit=limit + 1)
        page = files[:limit]
        token = next_token(request, page[-1].name) if len(files) > limit else ""
        return pb.ListQuarantineResponse(files=map(_file, page), next_page_token=token)

    async def GetQuarantinedFile(  # noqa: N802
        self, request: pb.GetQuarantinedFileRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetQuarantinedFileResponse:
        """One refused file."""
        file = await quarantine.find_quarantined(self._exchange.context, request.name)
        return pb.GetQuarantinedFileResponse(file=_file(file))

    async def ReleaseQuarantinedFile(  # noqa: N802
        self, request: pb.ReleaseQuarantinedFileRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ReleaseQuarantinedFileResponse:
        """Back into the inbox."""
        await quarantine.release(self._exchange.context, request.name, current_caller())
        return pb.ReleaseQuarantinedFileResponse()

    async def DiscardQuarantinedFile(  # noqa: N802
        self, request: pb.DiscardQuarantinedFileRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.DiscardQuarantinedFileResponse:
        """Deletes it."""
        await quarantine.discard(self._exchange.context, request.name, current_caller())
        return pb.DiscardQuarantinedFileResponse()

    async def GetImportReport(  # noqa: N802
        self, request: import_report_pb2.GetImportReportRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> import_report_pb2.GetImportReportResponse:
        """Every time that a bundle came."""
        async with self._exchange.context.database.transaction() as transaction:
            rows = await find_imports(transaction.connection, request.number, limit=MOST_REPORTS)
        if not rows:
            raise NotFoundError(
                "No bundle of this number or import batch of this id came in; list the imports.",
                metadata={"resource": request.number},
            )
        return import_report_pb2.GetImportReportResponse(reports=map(import_report, rows))


def _file(file: QuarantinedFile) -> pb.QuarantinedFile:
    """A file whose reason was lost, or edited by hand, is shown as far as it can be."""
    reason = file.reason
    shown = pb.QuarantinedFile(name=file.name, size_bytes=file.size)
    for field, key in (
        ("defect", "defect"),
        ("message", "message"),
        ("next_step", "next_step"),
        ("original", "original"),
        ("import_batch_id", "import_batch"),
        ("checksum", "sha256"),
        ("epoch", "epoch"),
        ("sequence", "sequence"),
        ("times", "times"),
    ):
        with contextlib.suppress(TypeError, ValueError):
            setattr(shown, field, reason.get(key, getattr(shown, field)))
    with contextlib.suppress(TypeError, ValueError):
        moment = timestamp(datetime.fromisoformat(reason.get("quarantined_at", "")))
        if moment is not None:
            shown.quarantined_at.CopyFrom(moment)
    return shown
