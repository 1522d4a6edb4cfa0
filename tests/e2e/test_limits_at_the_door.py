"""Limits as callers meet them at Envoy: headers and refusals by REST and gRPC, and calls without a token by address."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import grpc
import httpx
import pytest
import pytest_asyncio
from airlock.request.v1.request_service_pb2 import GetRequestRequest
from airlock.request.v1.request_service_pb2_grpc import RequestServiceStub

from common.policy.limits import RateLimits
from sandbox.certificates import make_certificate
from sandbox.envoy import AnonymousLimit, Envoy
from tests.integration.common.limited import BREAKS, KNOWN, UNKNOWN, limited_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

RATES = RateLimits(per_minute=5, per_hour=50, per_day=500)
BODY = b'{"query": {"match_all": {}}}'


@pytest_asyncio.fixture
async def door(server_folder: Path, redis_url: str) -> AsyncIterator[Envoy]:
    folder = server_folder / uuid4().hex[:6]
    folder.mkdir()
    socket = folder / "s.sock"
    envoy = Envoy("request", folder / "e", folder, make_certificate(folder / "tls"), AnonymousLimit(4, 1))
    async with limited_server(socket, redis_url, RATES):
        await asyncio.to_thread(envoy.start, [socket])
        yield envoy
        await asyncio.to_thread(envoy.stop)


def rest(door: Envoy, user: str | None) -> httpx.AsyncClient:
    trust = ssl.create_default_context(cafile=door.certificate.authority)
    headers = {"authorization": f"Bearer {user}"} if user else {}
    return httpx.AsyncClient(base_url=door.url, verify=trust, headers=headers)


def told(answer: httpx.Response) -> dict[str, str]:
    return {
        name.removeprefix("x-ratelimit-"): value
        for name, value in answer.headers.items()
        if name.startswith(("x-ratelimit", "retry-after"))
    }


async def submit(client: httpx.AsyncClient, body: bytes = BODY) -> httpx.Response:
    return await client.post(
        "/api/v1/requests?index=cities", content=body, headers={"content-type": "application/json"}
    )


async def test_every_answer_says_how_the_limits_stand_and_the_refusal_when_to_try_again(door: Envoy) -> None:
    async with rest(door, "sara") as client:
        answers = [await submit(client) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert [told(answer)["remaining"] for answer in answers] == ["4", "3", "2", "1", "0", "0"]
    assert ["warning" in told(answer) for answer in answers] == [False] * 3 + [True] * 3
    assert {told(answer)["policy"] for answer in answers} == {"5;w=60, 50;w=3600, 500;w=86400"}
    refused = answers[-1]
    seconds = int(refused.headers["retry-after"])
    assert 55 <= seconds <= 60
    assert told(refused)["reset"] == str(seconds)
    status = refused.json()
    assert (status["code"], status["details"][0]["reason"]) == (8, "RATE_LIMITED")
    assert f"try again in {seconds} s" in status["message"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"requests/{KNOWN}", 200),
        (f"requests/{UNKNOWN}", 404),
        ("requests/no-uuid", 400),
        (f"requests/{KNOWN}/result", 200),
        (f"requests/{UNKNOWN}/result", 404),
        (f"requests/{BREAKS}/result", 200),
        ("requests:watch", 200),
        (f"requests:watch?ids={KNOWN}", 200),
    ],
)
async def test_the_headers_come_with_answers_streams_and_refusals_alike(door: Envoy, path: str, code: int) -> None:
    async with rest(door, "sara") as client:
        answer = await client.get(f"/api/v1/{path}")
    assert answer.status_code == code
    assert told(answer) == {"limit": "50", "remaining": "49", "reset": "60", "policy": "50;w=60"}


async def test_a_grpc_caller_finds_them_in_the_metadata(door: Envoy) -> None:
    async with grpc_channel(door) as channel:
        stub: Any = RequestServiceStub(channel)  # type: ignore[no-untyped-call]
        sara = (("authorization", "Bearer sara"),)
        answered = stub.GetRequest(GetRequestRequest(id=KNOWN), metadata=sara)
        await answered
        assert dict(await answered.initial_metadata())["x-ratelimit-remaining"] == "49"
        refused = stub.GetRequest(GetRequestRequest(id=UNKNOWN), metadata=sara)
        assert await refused.code() is grpc.StatusCode.NOT_FOUND
        assert dict(await refused.trailing_metadata())["x-ratelimit-remaining"] == "48"


async def test_calls_without_a_token_are_limited_by_address_and_health_is_not(door: Envoy) -> None:
    async with rest(door, None) as client:
        answers = [await client.get("/api/v1/requests") for _ in range(8)]
        codes = [answer.status_code for answer in answers]
        # Another one may fit in when a second ends meanwhile.
        assert codes[:4] == [401] * 4
        assert set(codes[4:]) <= {401, 429}
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json() == {
            "code": 8,
            "message": "too many calls without a token from your address; wait a second",
            "details": [],
        }
        assert told(refused) == {"retry-after": "1", "limit": "4", "remaining": "0", "reset": "1"}
        assert [(await client.get("/health")).status_code for _ in range(20)] == [200] * 20
    async with rest(door, "sara") as client:
        assert (await client.get(f"/api/v1/requests/{KNOWN}")).status_code == 200


async def test_an_api_key_counts_as_a_token(door: Envoy) -> None:
    async with rest(door, None) as client:
        codes = [(await client.get("/api/v1/requests", headers={"x-api-key": "k"})).status_code for _ in range(8)]
    assert codes == [401] * 8


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/auth/login",
        "/api/v1/auth/login?x=1",
        "/api/v1/auth/login/",
        "/api/v1/auth/logi%6E",
        "/api/v1/auth/refresh",
        "/airlock.auth.v1.AuthService/Login",
        "/airlock.auth.v1.AuthService/RefreshToken",
    ],
)
async def test_signing_in_is_counted_by_address_whatever_token_comes_with_it(door: Envoy, path: str) -> None:
    async with rest(door, "made-up") as client:
        codes = [(await client.post(path, content=b"{}")).status_code for _ in range(8)]
        assert 429 in codes
        assert (await client.get(f"/api/v1/requests/{KNOWN}")).status_code == 200


async def test_a_grpc_call_beyond_the_limit_of_an_address_is_told_so_as_a_status(door: Envoy) -> None:
    async with grpc_channel(door) as channel:
        stub: Any = RequestServiceStub(channel)  # type: ignore[no-untyped-call]
        calls = [stub.GetRequest(GetRequestRequest(id=KNOWN)) for _ in range(8)]
        codes = [await call.code() for call in calls]
        assert set(codes) == {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED}
        refused = calls[codes.index(grpc.StatusCode.RESOURCE_EXHAUSTED)]
        assert await refused.details() == "too many calls without a token from your address; wait a second"
        assert dict(await refused.trailing_metadata())["retry-after"] == "1"


def grpc_channel(door: Envoy) -> grpc.aio.Channel:
    return grpc.aio.secure_channel(door.target, grpc.ssl_channel_credentials(door.certificate.authority.read_bytes()))
