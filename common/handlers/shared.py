"""The four services that both networks offer alike, ready for the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# The service's own file holds no message, so nothing else would register its description.
import airlock.ops.v1.ops_service_pb2  # noqa: F401
from airlock.auth.v1.auth_service_pb2_grpc import add_AuthServiceServicer_to_server
from airlock.ops.v1.health_service_pb2_grpc import add_HealthServiceServicer_to_server
from airlock.ops.v1.ops_service_pb2_grpc import add_OpsServiceServicer_to_server
from airlock.transfer.v1.transfer_service_pb2_grpc import add_TransferServiceServicer_to_server

from common.handlers.auth import AuthHandler
from common.handlers.health import HealthHandler
from common.handlers.ops import OpsHandler
from common.handlers.transfer import TransferHandler
from common.rpc.server import RpcService

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.auth.context import AuthContext
    from common.batches.exchange import Exchange
    from common.health.checks import Check
    from common.jobs.job import Job
    from common.settings import NetworkSettings


def shared_services(
    *,
    settings: NetworkSettings,
    auth: AuthContext,
    exchange: Exchange,
    jobs: Sequence[Job[Any]],
    checks: Sequence[Check],
) -> list[RpcService]:
    """Sign-in, health, operations and transfer of one network."""
    return [
        RpcService("airlock.auth.v1.AuthService", add_AuthServiceServicer_to_server, AuthHandler(auth)),
        RpcService(
            "airlock.ops.v1.HealthService",
            add_HealthServiceServicer_to_server,
            HealthHandler(settings.network_name, checks),
        ),
        RpcService("airlock.ops.v1.OpsService", add_OpsServiceServicer_to_server, OpsHandler(exchange, jobs)),
        RpcService(
            "airlock.transfer.v1.TransferService",
            add_TransferServiceServicer_to_server,
            TransferHandler(exchange.context),
        ),
    ]
