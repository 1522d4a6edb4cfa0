"""Builds one process's gRPC server: our services behind the interceptors, health, reflection, and bounds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from common.rpc.interceptors.access_log import AccessLogInterceptor
from common.rpc.interceptors.errors import ErrorInterceptor
from common.rpc.interceptors.rate_limit import RateLimitInterceptor
from common.rpc.interceptors.refusals import RefusalInterceptor
from common.rpc.interceptors.request_id import RequestIdInterceptor
from common.rpc.interceptors.sign_in import SignInInterceptor
from common.rpc.interceptors.validation import BUNDLE_PIECE_LIMIT, ValidationInterceptor
from common.rpc.wrapping import InterceptorChain

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from common.audit.refusals import RefusalWriter
    from common.ratelimit.user_limits import UserLimits
    from common.rpc.interceptors.sign_in import Authenticator
    from common.rpc.wrapping import CallInterceptor

log = structlog.get_logger("rpc.server")

SOCKET_PATH_LIMIT: Final = 107
"""Bytes of a Unix socket's path, by the kernel."""

OPTIONS: Final = (
    ("grpc.max_receive_message_length", BUNDLE_PIECE_LIMIT + 1024),
    ("grpc.max_send_message_length", 4 * 1024 * 1024),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.max_concurrent_streams", 1000),
    # A client that is gone without a word is noticed after a minute; one that pings too often is sent away.
    ("grpc.keepalive_time_ms", 40_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 3),
    # Each process has an address of its own; two on one port would be a mistake.
    ("grpc.so_reuseport", 0),
)


@dataclass(frozen=True, slots=True)
class RpcService:
    """A service to be offered: its full name, grpc's `add_…Servicer_to_server`, and the handler."""

    name: str
    add: Callable[[Any, Any], None]
    handler: object


class AddressTakenError(Exception):
    """The server cannot listen where it was told to."""


class RpcServer:
    """A started or startable server at one address."""

    def __init__(self, server: grpc.aio.Server, health: health_aio.HealthServicer, services: Sequence[str]) -> None:
        self._server = server
        self._health = health
        self._services = services

    async def start(self) -> None:
        """Begins to answer, and says so to health checks."""
        await self._server.start()
        for name in (*self._services, ""):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def drain(self, seconds: float) -> None:
        """Takes no new call, lets the running ones finish for that long, then ends them."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace=seconds)

    async def serve_until(self, stopping: asyncio.Event, drain_seconds: float) -> None:
        """Answers until `stopping` is set, then drains."""
        await self.start()
        await stopping.wait()
        log.info("draining", seconds=drain_seconds)
        await self.drain(drain_seconds)


def build_server(
    services: Sequence[RpcService],
    authenticator: Authenticator,
    listen: str,
    *,
    limits: UserLimits | None = None,
    refusals: RefusalWriter | None = None,
) -> RpcServer:
    """A server with all interceptors, bound to `listen` (`unix:<path>` or `host:port`), not yet started.

    Without `limits` nobody is limited, and without `refusals` refused calls are in the log only: both are for tests of
    something else. Raises AddressTakenError, naming the address and the next step, where nobody can listen.
    """
    names = [service.name for service in services]
    interceptors: list[CallInterceptor] = [
        RequestIdInterceptor(),
        ErrorInterceptor(),
        AccessLogInterceptor(),
        *([RefusalInterceptor(refusals)] if refusals is not None else []),
        SignInInterceptor(authenticator, names),
        # A message that is refused has cost work, so it is counted first.
        *([RateLimitInterceptor(limits, names)] if limits is not None else []),
        ValidationInterceptor(),
    ]
    server = grpc.aio.server(interceptors=(InterceptorChain(interceptors),), options=OPTIONS)
    for service in services:
        service.add(service.handler, server)
    health = health_aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    offered = (*names, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(offered, server)
    _bind(server, listen)
    return RpcServer(server, health, names)


def _bind(server: grpc.aio.Server, listen: str) -> None:
    if listen.startswith("unix:"):
        path = Path(listen.removeprefix("unix:").removeprefix("//"))
        if len(str(path).encode()) > SOCKET_PATH_LIMIT:
            raise AddressTakenError(
                f"{path} is longer than {SOCKET_PATH_LIMIT} bytes; set GRPC_LISTEN to a shorter path."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        bound = server.add_insecure_port(listen)
    except RuntimeError:
        bound = 0
    if not bound:
        raise AddressTakenError(
            f"Nobody can listen on {listen}: it is in use or not allowed. Stop the other process or change GRPC_LISTEN."
        )
