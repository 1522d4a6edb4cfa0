"""HealthService: the process lives; the service can do its work; each part as it is now."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from airlock.ops.v1 import health_service_pb2 as pb
from airlock.ops.v1.health_service_pb2_grpc import HealthServiceServicer

from common.clock import now
from common.errors import UnavailableError
from common.handlers.times import timestamp
from common.health.checks import look_at_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc

    from common.health.checks import Check


class HealthHandler(HealthServiceServicer):
    """Answers from live checks; nothing is cached, and each check has its own time limit."""

    def __init__(self, network: str, checks: Sequence[Check]) -> None:
        """`network` is `request` or `response`."""
        self._network = network
        self._checks = tuple(checks)

    async def GetHealth(  # noqa: N802 - the name is the proto's, as everywhere here.
        self, request: pb.GetHealthRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetHealthResponse:
        """Says that the process answers."""
        return pb.GetHealthResponse(status="ok")

    async def GetReadiness(  # noqa: N802
        self, request: pb.GetReadinessRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetReadinessResponse:
        """Fails with UNAVAILABLE, naming the parts, while a needed one is away."""
        states = await look_at_all(check for check in self._checks if check.needed)
        away = [state.name for state in states if not state.healthy]
        if away:
            raise UnavailableError(
                f"Not ready: {', '.join(away)}. Run `check` on the server, or ask /health/detailed as an operator.",
                metadata={"part": ",".join(away)},
                retry_after_seconds=5,
            )
        return pb.GetReadinessResponse(status="ready")

    async def GetDetailedHealth(  # noqa: N802
        self, request: pb.GetDetailedHealthRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetDetailedHealthResponse:
        """Every part with its state and latency."""
        states = await look_at_all(self._checks)
        return pb.GetDetailedHealthResponse(
            status="ok" if all(state.healthy for state in states) else "degraded",
            network=self._network,
            version=version("airlock"),
            parts=[
                pb.PartHealth(part=state.name, healthy=state.healthy, detail=state.detail, latency_ms=state.latency_ms)
                for state in states
            ],
            checked_at=timestamp(now()),
        )
