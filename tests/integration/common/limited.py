"""A server that does next to nothing for callers with limits of their own, for tests of what they are told."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from airlock.auth.v1 import auth_service_pb2, auth_service_pb2_grpc
from airlock.common.v1 import budget_pb2
from airlock.ops.v1 import health_service_pb2, health_service_pb2_grpc
from airlock.request.v1 import request_service_pb2, request_service_pb2_grpc
from google.api.httpbody_pb2 import HttpBody
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from common.auth.permissions import permissions_of
from common.auth.principal import Principal
from common.errors import NotFoundError, TokenInvalidError
from common.policy.limits import EffectiveLimits, RateLimits
from common.policy.limits import UserLimits as OwnLimits
from common.policy.policy import Policy
from common.ratelimit.limiter import RateLimiter
from common.ratelimit.user_limits import UserLimits
from common.rpc.caller import current_caller
from common.rpc.server import RpcService, build_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

EVERYBODY = UUID(int=7)
KNOWN = "00000000-0000-4000-8000-000000000001"
UNKNOWN = "00000000-0000-4000-8000-000000000002"
BREAKS = "00000000-0000-4000-8000-000000000003"


class Requests(request_service_pb2_grpc.RequestServiceServicer):
    """Knows one request, and one whose answer breaks off."""

    async def SubmitRequest(self, request: Any, context: Any) -> Any:  # noqa: N802
        return request_service_pb2.SubmitRequestResponse()

    async def GetRequest(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.id == UNKNOWN:
            raise NotFoundError("There is no such request.")
        return request_service_pb2.GetRequestResponse()

    async def ListRequests(self, request: Any, context: Any) -> Any:  # noqa: N802
        # Stands for a method that counts its own parts.
        await current_caller().spend(budget_pb2.BUDGET_SUBMISSION, request.page_size)
        return request_service_pb2.ListRequestsResponse()

    async def GetRequestResult(self, request: Any, context: Any) -> AsyncIterator[HttpBody]:  # noqa: N802
        if request.id == UNKNOWN:
            raise NotFoundError("There is no such request.")
        yield HttpBody(content_type="application/json", data=b"{")
        if request.id == BREAKS:
            raise NotFoundError("It went away.")
        yield HttpBody(content_type="application/json", data=b"}")

    async def WatchRequests(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        for _ in request.ids:
            yield request_service_pb2.WatchRequestsResponse()


class SignIn(auth_service_pb2_grpc.AuthServiceServicer):
    """Lets out, and in nobody."""

    async def Login(self, request: Any, context: Any) -> Any:  # noqa: N802
        return auth_service_pb2.LoginResponse()

    async def Logout(self, request: Any, context: Any) -> Any:  # noqa: N802
        return auth_service_pb2.LogoutResponse()


class Health(health_service_pb2_grpc.HealthServiceServicer):
    """Is well."""

    async def GetHealth(self, request: Any, context: Any) -> Any:  # noqa: N802
        return health_service_pb2.GetHealthResponse()


class Names:
    """Signs in whoever gives a name; each name is another user with the same limits."""

    def __init__(self, rates: RateLimits) -> None:
        self.rates = rates

    def admit(self, principal: Principal, permission: object) -> tuple[tuple[str, str], ...]:
        return ()

    async def identify(self, token: str, _address: str | None) -> Principal:
        if token == "wrong":
            raise TokenInvalidError("No.")
        return Principal(
            user_id=uuid5(EVERYBODY, token),
            username=token,
            role="user",
            session_id=EVERYBODY,
            permissions=permissions_of("user"),
            limits=OwnLimits(self.rates, 5),
            profile_type="soft" if token.startswith("soft") else "basic",
        )


class FixedPolicy:
    """The defaults, and one soft profile type."""

    current = Policy()

    def limits_of(self, principal: Principal) -> EffectiveLimits:
        return EffectiveLimits(principal.limits.rates, 5, soft=principal.profile_type == "soft")


@asynccontextmanager
async def limited_server(socket: Path, redis_url: str, rates: RateLimits) -> AsyncIterator[None]:
    """Serves at `socket`. Redis may be away."""
    redis = Redis.from_url(redis_url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))
    limits = UserLimits(RateLimiter(redis), FixedPolicy())  # type: ignore[arg-type]
    services = [
        RpcService(
            "airlock.request.v1.RequestService",
            request_service_pb2_grpc.add_RequestServiceServicer_to_server,
            Requests(),
        ),
        RpcService("airlock.auth.v1.AuthService", auth_service_pb2_grpc.add_AuthServiceServicer_to_server, SignIn()),
        RpcService(
            "airlock.ops.v1.HealthService", health_service_pb2_grpc.add_HealthServiceServicer_to_server, Health()
        ),
    ]
    server = build_server(services, Names(rates), f"unix:{socket}", limits=limits)
    await server.start()
    yield
    await server.drain(0)
    await limits.close()
