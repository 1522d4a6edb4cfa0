"""ProcessingService: requests that arrived, how far their execution is, and what operators decide about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from airlock.common.v1.failure_reason_pb2 import FailureReason as FailureReasonMessage
from airlock.response.v1 import processing_service_pb2 as pb
from airlock.response.v1.processing_service_pb2_grpc import ProcessingServiceServicer

from common.handlers.times import timestamp
from common.paging import page_size, time_position, time_token
from common.rpc.caller import current_caller
from response_svc.domain.incoming_request import IncomingRequest, Status
from response_svc.usecases.decide_request import fail_request, retry_request
from response_svc.usecases.read_incoming_requests import get_incoming_request, list_incoming_requests

if TYPE_CHECKING:
    import grpc

    from common.database.transaction import Database
    from response_svc.ports import IncomingRequestReader
    from response_svc.usecases.decide_request import DecisionContext

STATUS_PREFIX = "INCOMING_STATUS_"


class ProcessingHandler(ProcessingServiceServicer):
    """The methods of `airlock.response.v1.ProcessingService`."""

    def __init__(self, database: Database, requests: IncomingRequestReader, decisions: DecisionContext) -> None:
        self._database = database
        self._requests = requests
        self._decisions = decisions

    async def ListIncomingRequests(  # noqa: N802 - the method's name in the API, as everywhere here.
        self, request: pb.ListIncomingRequestsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListIncomingRequestsResponse:
        """See the proto."""
        found, more = await list_incoming_requests(
            self._database,
            self._requests,
            statuses={status_of(status) for status in request.statuses},
            user_id=UUID(request.user_id) if request.user_id else None,
            index=request.index or None,
            before=time_position(request),
            limit=page_size(request),
        )
        token = time_token(request, found[-1].imported_at, found[-1].id) if more else ""
        messages = [request_message(incoming) for incoming in found]
        return pb.ListIncomingRequestsResponse(incoming_requests=messages, next_page_token=token)

    async def GetIncomingRequest(  # noqa: N802
        self, request: pb.GetIncomingRequestRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetIncomingRequestResponse:
        """See the proto."""
        incoming = await get_incoming_request(self._database, self._requests, UUID(request.id))
        return pb.GetIncomingRequestResponse(incoming_request=request_message(incoming))

    async def RetryIncomingRequest(  # noqa: N802
        self, request: pb.RetryIncomingRequestRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.RetryIncomingRequestResponse:
        """See the proto."""
        waiting = await retry_request(self._decisions, UUID(request.id), caller=current_caller())
        return pb.RetryIncomingRequestResponse(incoming_request=request_message(waiting))

    async def FailIncomingRequest(  # noqa: N802
        self, request: pb.FailIncomingRequestRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.FailIncomingRequestResponse:
        """See the proto."""
        failed = await fail_request(self._decisions, UUID(request.id), request.reason, caller=current_caller())
        return pb.FailIncomingRequestResponse(incoming_request=request_message(failed))


def status_of(status: pb.IncomingStatus.ValueType) -> Status:
    """The state that a caller names."""
    return Status(pb.IncomingStatus.Name(status).removeprefix(STATUS_PREFIX).lower())


def request_message(incoming: IncomingRequest) -> pb.IncomingRequest:
    """An incoming request as callers see it."""
    message = pb.IncomingRequest(
        id=str(incoming.id),
        user_id=str(incoming.user_id),
        index=incoming.index,
        query_type=incoming.query_type,
        priority=incoming.priority,
        status=pb.IncomingStatus.Value(f"{STATUS_PREFIX}{incoming.status.upper()}"),
        imported_at=timestamp(incoming.imported_at),
        started_at=timestamp(incoming.started_at),
        completed_at=timestamp(incoming.completed_at),
        retry_at=timestamp(incoming.retry_at),
        not_after=timestamp(incoming.not_after),
        retry_count=incoming.retry_count,
        error_message=incoming.error_message,
        assigned_worker=incoming.assigned_worker,
        import_batch_id=str(incoming.import_batch_id or ""),
        answer_exported_at=timestamp(incoming.answer_exported_at),
        answer_batch_id=str(incoming.answer_batch_id or ""),
    )
    if incoming.failure_reason is not None:
        message.failure_reason = FailureReasonMessage.Value(f"FAILURE_REASON_{incoming.failure_reason.upper()}")
    return message
