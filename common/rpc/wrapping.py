"""What all interceptors share: a block around the handler itself, so that errors raised in it are seen wherever it is.

That holds midway through a stream too. Every message that comes in can be looked at before the handler sees it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf.message import DecodeError

from common.rpc.answer_headers import begin_answer, unsent_headers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence
    from contextlib import AbstractAsyncContextManager

    from google.protobuf.message import Message

LET_THROUGH: Final = (
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
)
"""The only methods that no interceptor of ours touches, and that need no permission."""


class UnreadableMessage:
    """Stands for bytes that are no message of the method, or one nested too deeply, until they are refused."""


class CallInterceptor(ABC):
    """Surrounds the handler of every method of ours. Streaming handlers are async generators."""

    @abstractmethod
    def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AbstractAsyncContextManager[None]:
        """The block that the handler runs in. `method` is the path, as `/airlock.auth.v1.AuthService/Login`."""

    def incoming(self, method: str, message: Message | UnreadableMessage) -> None:  # noqa: B027 - most interceptors look at no message.
        """Looks at one request message before the handler does; raises to refuse it."""


class InterceptorChain(grpc.aio.ServerInterceptor):
    """All interceptors as one, which wraps each method once: five of grpc's own would be woven anew for every call."""

    def __init__(self, interceptors: Sequence[CallInterceptor]) -> None:
        """The outermost comes first."""
        self._interceptors = tuple(interceptors)
        self._wrapped: dict[str, Any] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler of the method within all interceptors; None for a method that nobody offers."""
        method = handler_call_details.method
        handler: Any = self._wrapped.get(method)
        if handler is None:
            handler = await continuation(handler_call_details)
            if handler is not None and not method.startswith(LET_THROUGH):
                handler = self._wrapped[method] = self._wrap(method, handler)
        return handler  # type: ignore[no-any-return] # The stubs do not name a handler's behaviours.

    def _wrap(self, method: str, handler: Any) -> Any:  # noqa: ANN401 - grpc's handlers are named tuples.
        make, behaviour = _shape_of(handler)
        behaviour = _begun_stream(behaviour) if handler.response_streaming else _begun(behaviour)
        wrap = _streaming if handler.response_streaming else _unary
        for interceptor in reversed(self._interceptors):
            behaviour = wrap(interceptor, method, behaviour, _watch(interceptor, method, handler))
        return make(
            behaviour,
            request_deserializer=_reading(handler.request_deserializer),
            response_serializer=handler.response_serializer,
        )


Behaviour = Callable[..., Any]


def _reading(deserialize: Behaviour) -> Behaviour:
    def read(data: bytes) -> Any:  # noqa: ANN401 # A message of any type.
        try:
            return deserialize(data)
        except DecodeError:
            # Raised here, it would reach the client as an unknown error with the library's own words.
            return UnreadableMessage()

    return read


def _unary(interceptor: CallInterceptor, method: str, inner: Behaviour, seen: Behaviour) -> Behaviour:
    async def behaviour(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:  # noqa: ANN401
        async with interceptor.around(method, context):
            return await inner(seen(request), context)

    return behaviour


def _streaming(interceptor: CallInterceptor, method: str, inner: Behaviour, seen: Behaviour) -> Behaviour:
    async def behaviour(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:  # noqa: ANN401
        async with interceptor.around(method, context), aclosing(inner(seen(request), context)) as responses:
            async for response in responses:
                yield response

    return behaviour


def _begun(inner: Behaviour) -> Behaviour:
    async def behaviour(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:  # noqa: ANN401
        response = await inner(request, context)
        if unsent_headers():
            await begin_answer(context)
        return response

    return behaviour


def _begun_stream(inner: Behaviour) -> Behaviour:
    # Not sooner than the first message: until then a refusal can still choose the HTTP status.
    async def behaviour(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:  # noqa: ANN401
        async with aclosing(inner(request, context)) as responses:
            async for response in responses:
                if unsent_headers():
                    await begin_answer(context)
                yield response
        if unsent_headers():
            await begin_answer(context)

    return behaviour


def _watch(interceptor: CallInterceptor, method: str, handler: Any) -> Behaviour:  # noqa: ANN401
    def one(request: Message | UnreadableMessage) -> Message | UnreadableMessage:
        interceptor.incoming(method, request)
        return request

    async def each(requests: AsyncIterator[Message]) -> AsyncIterator[Message | UnreadableMessage]:
        async for request in requests:
            yield one(request)

    if type(interceptor).incoming is CallInterceptor.incoming:
        return lambda request: request
    return each if handler.request_streaming else one


def _shape_of(handler: Any) -> tuple[Callable[..., Any], Any]:  # noqa: ANN401 - grpc's handlers are named tuples.
    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler, handler.stream_stream
    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler, handler.stream_unary
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler, handler.unary_stream
    return grpc.unary_unary_rpc_method_handler, handler.unary_unary
