"""What counts against which budget, and what a caller is told, over a real gRPC server and Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio
from airlock.auth.v1.auth_service_pb2 import LoginRequest, LogoutRequest
from airlock.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from airlock.common.v1 import budget_pb2
from airlock.request.v1 import request_service_pb2 as messages
from airlock.request.v1.request_service_pb2_grpc import RequestServiceStub
from google.api.httpbody_pb2 import HttpBody
from google.rpc import error_details_pb2, status_pb2

from common import metrics
from common.policy.limits import RateLimits
from common.rpc.interceptors.rate_limit import declared_budgets
from tests.integration.common.limited import BREAKS, KNOWN, UNKNOWN, limited_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

RATES = RateLimits(per_minute=3, per_hour=100, per_day=500)
OK, EXHAUSTED = grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED


class Caller:
    """A channel, and calls in the name of any user."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.requests: Any = RequestServiceStub(channel)  # type: ignore[no-untyped-call]
        self.auth: Any = AuthServiceStub(channel)  # type: ignore[no-untyped-call]

    def submit(self, user: str = "sara", *, index: str = "cities") -> Any:
        return self.requests.SubmitRequest(
            messages.SubmitRequestRequest(index=index, body=HttpBody(data=b"{}")), metadata=named(user)
        )

    def get(self, user: str = "sara", request_id: str = KNOWN) -> Any:
        return self.requests.GetRequest(messages.GetRequestRequest(id=request_id), metadata=named(user))


def named(user: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {user}"),)


@pytest_asyncio.fixture
async def caller(server_folder: Path, redis_url: str) -> AsyncIterator[Caller]:
    socket = server_folder / f"{uuid4().hex[:8]}.sock"
    async with limited_server(socket, redis_url, RATES), grpc.aio.insecure_channel(f"unix:{socket}") as channel:
        yield Caller(channel)


async def codes(calls: list[Any]) -> list[grpc.StatusCode]:
    return [await call.code() for call in calls]


def counted(outcome: str, budget: str = "submissions") -> float:
    labels = {"budget": budget, "outcome": outcome}
    return metrics.REGISTRY.get_sample_value("airlock_rate_limit_decisions_total", labels) or 0.0


async def test_the_call_after_the_limit_is_refused_with_everything_that_a_program_needs(caller: Caller) -> None:
    before = {outcome: counted(outcome) for outcome in ("allowed", "warned", "refused")}
    for _ in range(3):
        await caller.submit()
    refused = caller.submit()
    assert await refused.code() is EXHAUSTED
    trailing = dict(await refused.trailing_metadata())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(retry)
    assert (info.reason, dict(info.metadata)) == (
        "RATE_LIMITED",
        {"budget": "submissions", "window": "minute", "limit": "3"},
    )
    assert 58 < retry.retry_delay.ToTimedelta().total_seconds() <= 60
    assert trailing["retry-after"] == trailing["x-ratelimit-reset"] in {"59", "60"}
    assert trailing["x-ratelimit-policy"] == "3;w=60, 100;w=3600, 500;w=86400"
    assert {outcome: counted(outcome) - value for outcome, value in before.items()} == {
        "allowed": 2,
        "warned": 1,
        "refused": 1,
    }


async def test_looking_for_an_answer_uses_up_no_question_nor_one_user_another_ones(caller: Caller) -> None:
    assert await codes([caller.get() for _ in range(30)]) == [OK] * 30
    assert await caller.get().code() is EXHAUSTED
    assert await codes([caller.submit() for _ in range(3)]) == [OK] * 3
    assert await caller.get("reza").code() is OK


async def test_a_refused_question_has_cost_work_and_counts(caller: Caller) -> None:
    for _ in range(3):
        assert await caller.submit(index="").code() is grpc.StatusCode.INVALID_ARGUMENT
    assert await caller.submit().code() is EXHAUSTED


async def test_a_soft_profile_goes_beyond_its_limit_with_a_warning(caller: Caller) -> None:
    calls = [caller.get("soft") for _ in range(37)]
    assert (await codes(calls)).count(OK) == 36
    last = caller.get("soft")
    assert await last.code() is EXHAUSTED
    assert (
        dict(await last.trailing_metadata())["x-ratelimit-warning"]
        == "36 of 30 calls in a minute are used; up to 36 are let through"
    )


async def test_signing_in_and_out_is_not_counted(caller: Caller) -> None:
    for _ in range(30):
        await caller.get()
    assert await caller.get().code() is EXHAUSTED
    out = caller.auth.Logout(LogoutRequest(), metadata=named("sara"))
    assert await out.code() is OK
    login = caller.auth.Login(LoginRequest(username="sara", password="x"))
    assert await login.code() is OK
    assert "x-ratelimit-limit" not in dict(await login.initial_metadata())


async def test_a_stream_counts_once_and_tells_before_its_first_message(caller: Caller) -> None:
    watching = caller.requests.WatchRequests(messages.WatchRequestsRequest(ids=[KNOWN] * 3), metadata=named("sara"))
    assert dict(await watching.initial_metadata())["x-ratelimit-remaining"] == "29"
    assert len([change async for change in watching]) == 3
    empty = caller.requests.WatchRequests(messages.WatchRequestsRequest(), metadata=named("sara"))
    assert [change async for change in empty] == []
    assert dict(await empty.initial_metadata())["x-ratelimit-remaining"] == "28"


@pytest.mark.parametrize(("request_id", "where"), [(UNKNOWN, "trailing_metadata"), (BREAKS, "initial_metadata")])
async def test_a_stream_that_fails_tells_once(caller: Caller, request_id: str, where: str) -> None:
    stream = caller.requests.GetRequestResult(messages.GetRequestResultRequest(id=request_id), metadata=named("sara"))
    with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
        assert [piece async for piece in stream]
    told = [
        (place, name)
        for place in ("initial_metadata", "trailing_metadata")
        for name, _ in await getattr(stream, place)()
        if name == "x-ratelimit-remaining"
    ]
    assert told == [(where, "x-ratelimit-remaining")]


async def test_a_method_may_count_its_parts(caller: Caller) -> None:
    async def ask(parts: int) -> Any:
        call = caller.requests.ListRequests(messages.ListRequestsRequest(page_size=parts), metadata=named("sara"))
        return await call.code(), dict(await call.initial_metadata()) | dict(await call.trailing_metadata())

    code, told = await ask(2)
    assert (code, told["x-ratelimit-remaining"]) == (OK, "1")
    code, told = await ask(2)
    assert (code, told["x-ratelimit-remaining"]) == (EXHAUSTED, "1")
    assert "retry-after" in told
    code, told = await ask(4)
    assert code is EXHAUSTED
    assert "retry-after" not in told
    assert (await ask(1))[0] is OK


async def test_without_redis_calls_are_let_through_and_counted(server_folder: Path) -> None:
    socket = server_folder / f"{uuid4().hex[:8]}.sock"
    name, labels = "airlock_rate_limit_local_decisions_total", {"budget": "submissions"}
    before = metrics.REGISTRY.get_sample_value(name, labels) or 0.0
    async with (
        limited_server(socket, "redis://127.0.0.1:1/0", RATES),
        grpc.aio.insecure_channel(f"unix:{socket}") as channel,
    ):
        caller = Caller(channel)
        assert [await caller.submit().code() for _ in range(4)] == [OK] * 3 + [EXHAUSTED]
    assert metrics.REGISTRY.get_sample_value(name, labels) == before + 4


def test_only_questions_count_as_submissions_and_only_signing_out_as_nothing() -> None:
    budgets = declared_budgets(
        (
            "airlock.auth.v1.AuthService",
            "airlock.ops.v1.HealthService",
            "airlock.ops.v1.OpsService",
            "airlock.request.v1.RequestService",
            "airlock.transfer.v1.TransferService",
        )
    )
    assert {method: budget for method, budget in budgets.items() if budget != budget_pb2.BUDGET_READS} == {
        "/airlock.request.v1.RequestService/SubmitRequest": budget_pb2.BUDGET_SUBMISSION,
        "/airlock.auth.v1.AuthService/Logout": budget_pb2.BUDGET_NONE,
    }
