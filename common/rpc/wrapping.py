"""What all interceptors share: a block around the handler itself, so that errors raised in it are seen wherever it is.

That holds midway through a stream too. Every message that comes in can be looked at before the handler sees it.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from google.protobuf.message import Message

LET_THROUGH: Final = (
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
)
"""The only methods that no interceptor of ours touches, and that need no permission."""


class CallInterceptor(grpc.aio.ServerInterceptor):
    """An interceptor that surrounds the handler of every method of ours. Streaming handlers are async generators."""

    @abstractmethod
    def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AbstractAsyncContextManager[None]:
        """The block that the handler runs in. `method` is the path, as `/airlock.auth.v1.AuthService/Login`."""

    def incoming(self, method: str, message: Message) -> None:
        """Looks at one request message before the handler does; raises to refuse it."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wraps the handler that the rest of the chain found."""
        handler: Any = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(LET_THROUGH):
            return handler  # type: ignore[no-any-return] # The stubs do not name a handler's behaviours.
        make, inner = _shape_of(handler)
        wrapped = (
            self._streaming(method, inner, handler)
            if handler.response_streaming
            else self._unary(method, inner, handler)
        )
        return make(  # type: ignore[no-any-return] # As above.
            wrapped, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
        )

    def _unary(self, method: str, inner: Any, handler: Any) -> Callable[..., Awaitable[Message]]:  # noqa: ANN401
        async def behaviour(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Message:  # noqa: ANN401
            async with self.around(method, context):
                response: Message = await inner(self._seen(method, request, handler), context)
                return response

        return behaviour

    def _streaming(self, method: str, inner: Any, handler: Any) -> Callable[..., AsyncIterator[Message]]:  # noqa: ANN401
        async def behaviour(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Message]:  # noqa: ANN401
            async with (
                self.around(method, context),
                aclosing(inner(self._seen(method, request, handler), context)) as responses,
            ):
                async for response in responses:
                    yield response

        return behaviour

    def _seen(self, method: str, request: Any, handler: Any) -> Any:  # noqa: ANN401 - a message, or a stream of them.
        if handler.request_streaming:
            return self._seen_one_by_one(method, request)
        self.incoming(method, request)
        return request

    async def _seen_one_by_one(self, method: str, requests: AsyncIterator[Message]) -> AsyncIterator[Message]:
        async for request in requests:
            self.incoming(method, request)
            yield request


def _shape_of(handler: Any) -> tuple[Callable[..., Any], Any]:  # noqa: ANN401 - grpc's handlers are named tuples.
    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler, handler.stream_stream
    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler, handler.stream_unary
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler, handler.unary_stream
    return grpc.unary_unary_rpc_method_handler, handler.unary_unary
