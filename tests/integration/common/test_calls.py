"""Calls over a real gRPC server: who is let in, what is refused and how, what the caller and the log learn."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import grpc
import psycopg
import pytest
import pytest_asyncio
import structlog
from airlock.auth.v1 import auth_service_pb2, auth_service_pb2_grpc
from airlock.common.v1 import error_reason_pb2
from airlock.ops.v1 import health_service_pb2, health_service_pb2_grpc, ops_service_pb2_grpc, streams_pb2
from airlock.transfer.v1 import transfer_service_pb2, transfer_service_pb2_grpc
from google.api import httpbody_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from common import metrics
from common.auth.api_keys import new_api_key
from common.auth.sign_in import sign_in
from common.errors import NotFoundError, RateLimitedError
from common.handlers.auth import AuthHandler
from common.handlers.health import HealthHandler
from common.health.checks import HealthError
from common.rpc.caller import current_caller, current_principal
from common.rpc.server import AddressTakenError, RpcService, build_server
from tests.integration.common.accounts import CALLER, PASSWORD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from common.auth.accounts import Account
    from common.auth.context import AuthContext
    from tests.integration.common.accounts import Accounts


class Broken:
    """A part that does not work."""

    name = "tape_robot"
    needed = True

    async def __call__(self) -> str:
        raise HealthError("It is jammed. Open the lid.")


class Faulty(transfer_service_pb2_grpc.TransferServiceServicer):
    """Raises what a test tells it to, at once or midway."""

    error: Exception = NotFoundError("There is no such bundle.")
    callers: list[Any]

    def __init__(self) -> None:
        self.callers = []

    async def ListBundles(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.callers.append((current_caller(), current_principal()))
        raise self.error

    async def ExportBundle(self, request: Any, context: Any) -> AsyncIterator[httpbody_pb2.HttpBody]:  # noqa: N802
        yield httpbody_pb2.HttpBody(data=b"first")
        raise self.error

    async def ImportBundle(self, request_iterator: Any, context: Any) -> Any:  # noqa: N802
        size = 0
        async for piece in request_iterator:
            size += len(piece.body.data)
        return transfer_service_pb2.ImportBundleResponse(size_bytes=size)


class World:
    """A running server and a channel to it."""

    def __init__(self, channel: grpc.aio.Channel, faulty: Faulty) -> None:
        self.channel = channel
        self.faulty = faulty
        self.auth: Any = auth_service_pb2_grpc.AuthServiceStub(channel)  # type: ignore[no-untyped-call]
        self.health: Any = health_service_pb2_grpc.HealthServiceStub(channel)  # type: ignore[no-untyped-call]
        self.ops: Any = ops_service_pb2_grpc.OpsServiceStub(channel)  # type: ignore[no-untyped-call]
        self.transfer: Any = transfer_service_pb2_grpc.TransferServiceStub(channel)  # type: ignore[no-untyped-call]

    def bearer(self, token: str) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {token}"),)


@asynccontextmanager
async def running(auth: AuthContext, path: Path) -> AsyncIterator[World]:
    faulty = Faulty()
    services = [
        RpcService(
            "airlock.auth.v1.AuthService", auth_service_pb2_grpc.add_AuthServiceServicer_to_server, AuthHandler(auth)
        ),
        RpcService(
            "airlock.ops.v1.HealthService",
            health_service_pb2_grpc.add_HealthServiceServicer_to_server,
            HealthHandler("request", [Broken()]),
        ),
        RpcService(
            "airlock.transfer.v1.TransferService",
            transfer_service_pb2_grpc.add_TransferServiceServicer_to_server,
            faulty,
        ),
    ]
    listen = f"unix:{path}"
    server = build_server(services, auth, listen)
    await server.start()
    async with grpc.aio.insecure_channel(listen) as channel:
        yield World(channel, faulty)
    await server.drain(0)


@pytest_asyncio.fixture
async def world(auth: AuthContext, server_folder: Path) -> AsyncIterator[World]:
    async with running(auth, server_folder / f"{uuid4().hex[:8]}.sock") as made:
        yield made


@pytest_asyncio.fixture
async def token(auth: AuthContext, accounts: Accounts, sara: Account) -> str:
    accounts.change(sara.user_id, role="operator")
    return (await sign_in(auth, username="sara", password=PASSWORD, caller=CALLER)).access_token


async def refusal(call: Any) -> tuple[grpc.StatusCode, str, grpc.aio.AioRpcError]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), reason_of(caught.value), caught.value


def details_of(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    trailing = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])  # type: ignore[arg-type] # It is bytes.
    found: dict[str, Any] = {}
    for detail in status.details:
        message = getattr(error_details_pb2, detail.TypeName().rpartition(".")[2])()
        detail.Unpack(message)
        found[detail.TypeName().rpartition(".")[2]] = message
    return found


def reason_of(error: grpc.aio.AioRpcError) -> str:
    info = details_of(error)["ErrorInfo"]
    assert info.domain == "airlock"
    assert f"ERROR_REASON_{info.reason}" in error_reason_pb2.ErrorReason.keys()  # noqa: SIM118 - an enum, not a mapping.
    return str(info.reason)


async def test_sign_in_and_who_am_i(world: World, sara: Account) -> None:
    reply = await world.auth.Login(auth_service_pb2.LoginRequest(username="sara", password=PASSWORD))
    assert (reply.tokens.token_type, reply.tokens.expires_in) == ("Bearer", 3600)
    caller = await world.auth.GetCaller(
        auth_service_pb2.GetCallerRequest(), metadata=world.bearer(reply.tokens.access_token)
    )
    assert (caller.user_id, caller.username, caller.role) == (str(sara.user_id), "sara", "user")


async def test_refresh_and_sign_out(world: World) -> None:
    first = (await world.auth.Login(auth_service_pb2.LoginRequest(username="sara", password=PASSWORD))).tokens
    second = (
        await world.auth.RefreshToken(auth_service_pb2.RefreshTokenRequest(refresh_token=first.refresh_token))
    ).tokens
    bearer = world.bearer(second.access_token)
    await world.auth.Logout(auth_service_pb2.LogoutRequest(), metadata=bearer)
    code, reason, _ = await refusal(world.auth.GetCaller(auth_service_pb2.GetCallerRequest(), metadata=bearer))
    assert (code, reason) == (grpc.StatusCode.UNAUTHENTICATED, "SESSION_ENDED")


async def test_a_wrong_password_is_unauthenticated(world: World) -> None:
    code, reason, error = await refusal(
        world.auth.Login(auth_service_pb2.LoginRequest(username="sara", password="wrong"))
    )
    assert (code, reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_WRONG")
    assert "wrong" in (error.details() or "")


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ((), "CREDENTIALS_MISSING"),
        ((("authorization", "Basic c2FyYTpwdw=="),), "TOKEN_INVALID"),
        ((("authorization", "Bearer "),), "TOKEN_INVALID"),
        ((("authorization", "Bearer a.b.c"),), "TOKEN_INVALID"),
    ],
)
async def test_nobody_calls_without_a_good_token(world: World, metadata: Any, reason: str) -> None:
    code, seen, _ = await refusal(world.auth.GetCaller(auth_service_pb2.GetCallerRequest(), metadata=metadata))
    assert (code, seen) == (grpc.StatusCode.UNAUTHENTICATED, reason)


async def test_a_network_without_api_keys_says_whose_they_are(world: World) -> None:
    for metadata in ((("x-api-key", new_api_key().text),), world.bearer(new_api_key().text)):
        code, seen, error = await refusal(world.auth.GetCaller(auth_service_pb2.GetCallerRequest(), metadata=metadata))
        assert (code, seen) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
        assert "Request Network" in (error.details() or "")


async def test_a_role_without_the_permission_is_denied_by_its_name(world: World, auth: AuthContext) -> None:
    users = (await sign_in(auth, username="sara", password=PASSWORD, caller=CALLER)).access_token
    call = world.transfer.ListBundles(transfer_service_pb2.ListBundlesRequest(), metadata=world.bearer(users))
    code, reason, error = await refusal(call)
    assert (code, reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
    assert details_of(error)["ErrorInfo"].metadata["permission"] == "PERMISSION_TRANSFER"
    assert world.faulty.callers == []


async def test_a_service_that_is_not_offered_is_unimplemented(world: World, token: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.ops.GetStreams(streams_pb2.GetStreamsRequest(), metadata=world.bearer(token))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_field_that_breaks_its_rule_is_named(world: World) -> None:
    code, reason, error = await refusal(
        world.auth.Login(auth_service_pb2.LoginRequest(username="x" * 101, password=""))
    )
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    fields = {violation.field for violation in details_of(error)["BadRequest"].field_violations}
    assert fields == {"username", "password"}
    assert "is missing or empty" in {one.description for one in details_of(error)["BadRequest"].field_violations}


async def test_a_huge_message_is_refused_before_it_is_read(world: World) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.auth.Login(auth_service_pb2.LoginRequest(username="x", password="x" * 2_000_000))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_message_beyond_its_methods_bound_is_refused(world: World) -> None:
    code, reason, _ = await refusal(
        world.auth.Login(auth_service_pb2.LoginRequest(username="x", password="x" * 600_000))
    )
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")


async def test_pieces_of_bundles_may_be_longer(world: World, token: str) -> None:
    async def pieces() -> AsyncIterator[Any]:
        for _ in range(3):
            yield transfer_service_pb2.ImportBundleRequest(body=httpbody_pb2.HttpBody(data=bytes(1024 * 1024)))

    reply = await world.transfer.ImportBundle(pieces(), metadata=world.bearer(token))
    assert reply.size_bytes == 3 * 1024 * 1024


async def test_the_request_id_of_envoy_is_kept_and_returned(world: World, token: str) -> None:
    given = str(uuid4())
    call = world.transfer.ListBundles(
        transfer_service_pb2.ListBundlesRequest(),
        metadata=(*world.bearer(token), ("x-request-id", given), ("x-envoy-external-address", "198.51.100.4")),
    )
    _, _, error = await refusal(call)
    assert details_of(error)["RequestInfo"].request_id == given
    assert dict(error.trailing_metadata() or ())["x-request-id"] == given
    caller, principal = world.faulty.callers[0]
    assert (caller.request_id, caller.address, principal.username) == (given, "198.51.100.4", "sara")


async def test_a_foreign_request_id_is_replaced(world: World) -> None:
    call = world.health.GetHealth(health_service_pb2.GetHealthRequest(), metadata=(("x-request-id", "1'; DROP"),))
    assert (await call).status == "ok"
    assert UUID(dict(await call.trailing_metadata())["x-request-id"])


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (NotFoundError("gone"), grpc.StatusCode.NOT_FOUND, "NOT_FOUND"),
        (RuntimeError("hunter2"), grpc.StatusCode.INTERNAL, "INTERNAL"),
        (psycopg.OperationalError("hunter2"), grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE"),
        (RateLimitedError("slow", retry_after_seconds=7), grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED"),
    ],
)
async def test_every_error_becomes_a_status_also_midway_through_a_stream(
    world: World, token: str, error: Exception, code: grpc.StatusCode, reason: str
) -> None:
    world.faulty.error = error
    bearer = world.bearer(token)
    unary = world.transfer.ListBundles(transfer_service_pb2.ListBundlesRequest(), metadata=bearer)
    assert (await refusal(unary))[:2] == (code, reason)

    stream = world.transfer.ExportBundle(
        transfer_service_pb2.ExportBundleRequest(batch_id=str(uuid4())), metadata=bearer
    )
    assert (await stream.read()).data == b"first"
    seen, why, failed = await refusal(stream.read())
    assert (seen, why) == (code, reason)
    assert "hunter2" not in (failed.details() or "")


async def test_retry_after_travels_as_metadata_for_rest(world: World, token: str) -> None:
    world.faulty.error = RateLimitedError("slow", retry_after_seconds=7)
    call = world.transfer.ListBundles(transfer_service_pb2.ListBundlesRequest(), metadata=world.bearer(token))
    _, _, error = await refusal(call)
    assert dict(error.trailing_metadata() or ())["retry-after"] == "7"
    assert details_of(error)["RetryInfo"].retry_delay.seconds == 7


async def test_an_unexpected_error_is_logged_with_its_traceback(world: World, token: str) -> None:
    world.faulty.error = RuntimeError("the cause")
    with structlog.testing.capture_logs() as logs:
        await refusal(
            world.transfer.ListBundles(transfer_service_pb2.ListBundlesRequest(), metadata=world.bearer(token))
        )
    (failed,) = [entry for entry in logs if entry["event"] == "call_failed"]
    assert failed["log_level"] == "error"
    assert failed["exc_info"]


async def test_every_call_is_counted_and_logged_once(world: World) -> None:
    method = "/airlock.ops.v1.HealthService/GetHealth"
    before = counted(method)
    with structlog.testing.capture_logs() as logs:
        await world.health.GetHealth(health_service_pb2.GetHealthRequest())
    assert counted(method) == before + 1
    (line,) = [entry for entry in logs if entry["event"] == "call"]
    assert line["status"] == "OK"
    assert line["duration_ms"] >= 0


def counted(method: str) -> float:
    return metrics.REGISTRY.get_sample_value("airlock_request_total", {"method": method, "status": "OK"}) or 0


async def test_readiness_names_the_part_that_is_away(world: World, token: str) -> None:
    code, reason, error = await refusal(world.health.GetReadiness(health_service_pb2.GetReadinessRequest()))
    assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
    assert "tape_robot" in (error.details() or "")
    reply = await world.health.GetDetailedHealth(
        health_service_pb2.GetDetailedHealthRequest(), metadata=world.bearer(token)
    )
    (part,) = reply.parts
    assert (reply.status, part.part, part.healthy, part.detail) == (
        "degraded",
        "tape_robot",
        False,
        "It is jammed. Open the lid.",
    )


async def test_health_and_reflection_answer_anybody(world: World) -> None:
    health: Any = health_pb2_grpc.HealthStub(world.channel)
    reply = await health.Check(health_pb2.HealthCheckRequest(service=""))
    assert reply.status == health_pb2.HealthCheckResponse.SERVING
    reflection: Any = reflection_pb2_grpc.ServerReflectionStub(world.channel)
    call = reflection.ServerReflectionInfo()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    listed = await call.read()
    names = {service.name for service in listed.list_services_response.service}
    assert "airlock.auth.v1.AuthService" in names
    await call.done_writing()


async def test_a_client_that_leaves_midway_disturbs_nobody(world: World, token: str) -> None:
    for _ in range(3):
        stream = world.transfer.ExportBundle(
            transfer_service_pb2.ExportBundleRequest(batch_id=str(uuid4())), metadata=world.bearer(token)
        )
        await stream.read()
        stream.cancel()
    assert (await world.health.GetHealth(health_service_pb2.GetHealthRequest())).status == "ok"


async def test_an_address_that_is_taken_is_named(auth: AuthContext, unused_tcp_port_factory: Callable[[], int]) -> None:
    listen = f"127.0.0.1:{unused_tcp_port_factory()}"
    first = build_server([], auth, listen)
    await first.start()
    with pytest.raises(AddressTakenError, match="GRPC_LISTEN"):
        build_server([], auth, listen)
    await first.drain(0)


def test_a_socket_path_that_the_kernel_cannot_take_is_named(auth: AuthContext) -> None:
    with pytest.raises(AddressTakenError, match="107"):
        build_server([], auth, "unix:/tmp/" + "x" * 120)
