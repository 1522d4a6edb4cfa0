"""RequestService: questions to the other network."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from airlock.request.v1 import request_service_pb2 as messages
from airlock.request.v1 import request_service_pb2_grpc
from google.api.httpbody_pb2 import HttpBody

from common import clock
from common.paging import page_size, time_position, time_token
from common.rpc.answer_headers import begin_answer, set_answer_headers
from common.rpc.caller import current_caller, current_principal
from request_svc.domain.known_searches import KnownSearches
from request_svc.handlers.convert import (
    event_message,
    optional_time,
    request_message,
    response_message,
    statuses,
    uuid_of,
)
from request_svc.handlers.questions import batch_of, question_of, validation_message
from request_svc.handlers.result_forms import checked_form, content_of
from request_svc.ports import RequestFilter
from request_svc.usecases.cancel_request import cancel_request
from request_svc.usecases.get_request import get_request
from request_svc.usecases.list_requests import list_requests
from request_svc.usecases.read_question import Asking
from request_svc.usecases.read_result import find_result
from request_svc.usecases.submit_request import submit_request
from request_svc.usecases.submit_requests import submit_requests
from request_svc.usecases.validate_request import validate_request
from request_svc.usecases.watch_requests import watch_requests

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from datetime import datetime
    from uuid import UUID

    import grpc

    from common.database.transaction import Database
    from common.policy.live import LivePolicy
    from request_svc.ports import AnswerCache, RequestChanges, RequestStore, RequestWriter, ResponseStore

DEFAULT_WATCH_SECONDS: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestParts:
    """What the methods need; made by the composition root."""

    database: Database
    requests: RequestStore
    responses: ResponseStore
    writer: RequestWriter
    cache: AnswerCache
    changes: RequestChanges
    policy: LivePolicy
    known: KnownSearches = field(default_factory=KnownSearches)
    clock: Callable[[], datetime] = clock.now


class RequestHandler(request_service_pb2_grpc.RequestServiceServicer):
    """The methods of `airlock.request.v1.RequestService`."""

    def __init__(self, parts: RequestParts) -> None:
        self._parts = parts

    def _asking(self) -> Asking:
        policy, principal = self._parts.policy, current_principal()
        return Asking(
            caller=principal,
            own_priority=policy.limits_of(principal).priority,
            policy=policy.current,
            now=self._parts.clock(),
            known=self._parts.known,
        )

    async def SubmitRequest(  # noqa: N802 - the method's name in the API.
        self, request: messages.SubmitRequestRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages.SubmitRequestResponse:
        """See the proto."""
        parts, asking = self._parts, self._asking()
        stored = await submit_request(
            question_of(request),
            asking,
            request_id=uuid4(),
            origin=current_caller(),
            writer=parts.writer,
            database=parts.database,
            requests=parts.requests,
        )
        return messages.SubmitRequestResponse(request=request_message(stored, asking.now))

    async def SubmitRequests(  # noqa: N802 - the method's name in the API.
        self, request: messages.SubmitRequestsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages.SubmitRequestsResponse:
        """See the proto."""
        parts, asking = self._parts, self._asking()
        stored = await submit_requests(
            batch_of(request),
            asking,
            new_id=uuid4,
            origin=current_caller(),
            writer=parts.writer,
            requests=parts.requests,
        )
        return messages.SubmitRequestsResponse(requests=[request_message(one, asking.now) for one in stored])

    async def ValidateRequest(  # noqa: N802 - the method's name in the API.
        self, request: messages.ValidateRequestRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages.ValidateRequestResponse:
        """See the proto."""
        validated = await validate_request(
            question_of(request), self._asking(), database=self._parts.database, requests=self._parts.requests
        )
        return validation_message(validated)

    async def GetRequest(  # noqa: N802 - the method's name in the API.
        self, request: messages.GetRequestRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages.GetRequestResponse:
        """See the proto."""
        parts = self._parts
        details = await get_request(
            uuid_of(request.id),
            caller=current_principal(),
            database=parts.database,
            requests=parts.requests,
            responses=parts.responses,
            cache=parts.cache,
        )
        return messages.GetRequestResponse(
            request=request_message(details.request, parts.clock()),
            timeline=[event_message(event) for event in details.timeline],
            response=response_message(details, details.response) if details.response is not None else None,
        )

    async def ListRequests(  # noqa: N802 - the method's name in the API.
        self, request: messages.ListRequestsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages.ListRequestsResponse:
        """See the proto."""
        page = await list_requests(
            _filter(request, current_principal().user_id),
            after=time_position(request),
            limit=page_size(request),
            database=self._parts.database,
            requests=self._parts.requests,
        )
        now = self._parts.clock()
        reply = messages.ListRequestsResponse(requests=[request_message(one, now) for one in page.requests])
        if page.more:
            last = page.requests[-1]
            reply.next_page_token = time_token(request, last.created_at, last.request_id)
        return reply

    async def CancelRequest(  # noqa: N802 - the method's name in the API.
        self, request: messages.CancelRequestRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages.CancelRequestResponse:
        """See the proto."""
        now = self._parts.clock()
        cancelled = await cancel_request(
            uuid_of(request.id),
            caller=current_principal(),
            origin=current_caller(),
            now=now,
            database=self._parts.database,
            requests=self._parts.requests,
        )
        return messages.CancelRequestResponse(request=request_message(cancelled, now))

    async def GetRequestResult(  # noqa: N802 - the method's name in the API.
        self, request: messages.GetRequestResultRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncGenerator[HttpBody]:
        """See the proto."""
        form = checked_form(request)
        parts = self._parts
        result = await find_result(
            uuid_of(request.id),
            caller=current_principal(),
            database=parts.database,
            requests=parts.requests,
            responses=parts.responses,
            cache=parts.cache,
        )
        content = await content_of(result, form)
        set_answer_headers(content.headers)
        async with aclosing(content.pieces) as pieces:
            async for piece in pieces:
                yield HttpBody(content_type=content.content_type, data=piece)

    async def WatchRequests(  # noqa: N802 - the method's name in the API.
        self, request: messages.WatchRequestsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncGenerator[messages.WatchRequestsResponse]:
        """See the proto."""
        parts = self._parts
        now = parts.clock()
        if not request.ids:
            # The first change may be long in coming; the caller learns that he is watching. With names there is a first
            # message at once, or a refusal, which must be able to choose the HTTP status.
            await begin_answer(context)
        watching = watch_requests(
            [uuid_of(one) for one in request.ids],
            caller=current_principal(),
            now=now,
            timeout_seconds=request.timeout_seconds or DEFAULT_WATCH_SECONDS,
            database=parts.database,
            requests=parts.requests,
            changes=parts.changes,
            check_session=current_caller().check_session,
        )
        async with aclosing(watching) as changes:
            async for one in changes:
                yield messages.WatchRequestsResponse(request=request_message(one, parts.clock()))


def _filter(request: messages.ListRequestsRequest, user_id: UUID) -> RequestFilter:
    return RequestFilter(
        user_id=user_id,
        statuses=statuses(list(request.statuses)),
        index=request.index or None,
        created_after=optional_time(request, "created_after"),
        created_before=optional_time(request, "created_before"),
        newest_first=request.order_by in {"", "created_at desc"},
    )
