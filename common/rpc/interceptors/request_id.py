"""Gives every call its request id and its origin, binds both for the log, and tells the caller the id."""

from __future__ import annotations

from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import structlog

from common.rpc.answer_headers import start_collecting
from common.rpc.caller import Caller, set_caller
from common.rpc.wrapping import CallInterceptor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc

HEADER = "x-request-id"


class RequestIdInterceptor(CallInterceptor):
    """Takes Envoy's `x-request-id` where it is a UUID, else makes one, so that nothing foreign enters the log."""

    @asynccontextmanager
    async def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[None]:
        """Sets `common.rpc.caller` and the log's context for this call's task."""
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        caller = Caller(
            request_id=_request_id(metadata.get(HEADER)),
            address=_address(metadata.get("x-envoy-external-address"), context.peer()),
            user_agent=metadata.get("x-user-agent") or metadata.get("user-agent"),
        )
        context.set_trailing_metadata(((HEADER, caller.request_id),))
        # Nothing is reset afterwards: the call has a task and so a context of its own, and a stream that its client
        # gave up is closed in another one.
        set_caller(caller)
        start_collecting()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=caller.request_id, method=method)
        yield


def _request_id(given: str | None) -> str:
    try:
        return str(UUID(given)) if given else str(uuid4())
    except ValueError:
        return str(uuid4())


def _address(seen_by_envoy: str | None, peer: str) -> str | None:
    # Only Envoy reaches the services' sockets, and it overwrites what a client claims in this header.
    candidate = seen_by_envoy or peer.partition(":")[2].rpartition(":")[0].replace("%5B", "").replace("%5D", "").strip(
        "[]"
    )
    try:
        return str(ip_address(candidate))
    except ValueError:
        return None
