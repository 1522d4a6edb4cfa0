"""The same port for gRPC: grpcurl with reflection, native clients, gRPC-Web, and health checks."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from typing import TYPE_CHECKING

import grpc
import httpx
import pytest
from airlock.auth.v1.auth_service_pb2 import LoginRequest
from airlock.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from airlock.ops.v1.health_service_pb2 import GetHealthRequest, GetHealthResponse
from airlock.request.v1.request_service_pb2 import ListRequestsRequest, SubmitRequestRequest
from airlock.request.v1.request_service_pb2_grpc import RequestServiceStub
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from sandbox.clients import grpc_channel, rest_client
from sandbox.processes import PROGRAMS
from sandbox.waiting import wait_until
from tests.e2e.doors.running import ANALYST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.doors.running import Running

GRPCURL = PROGRAMS / "grpcurl"
needs_grpcurl = pytest.mark.skipif(not GRPCURL.exists(), reason="there is no wheel of grpcurl for this system")


@pytest.fixture
def channel(running: Running) -> Iterator[grpc.Channel]:
    """A channel of nobody in particular."""
    with grpc_channel(running.pair.request.envoy) as opened:
        yield opened


def token(running: Running) -> str:
    """A token of the analyst's."""
    with rest_client(running.pair.request.envoy) as client:
        client.sign_in(ANALYST.username, ANALYST.password)
        return client.token


def grpcurl(running: Running, *arguments: str, data: object = None, authorization: str = "") -> str:
    """What grpcurl prints."""
    door = running.pair.request.envoy
    options = ["-cacert", str(door.certificate.authority)]
    options += ["-d", json.dumps(data)] if data is not None else []
    options += ["-H", f"authorization: {authorization}"] if authorization else []
    command = [str(GRPCURL), *options, door.target, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def logged(log: Path, text: str) -> bool:
    """Whether a log has come to hold this."""
    return text in log.read_text()


@needs_grpcurl
def test_grpcurl_lists_every_service_by_reflection(running: Running) -> None:
    listed = grpcurl(running, "list").split()
    assert "airlock.request.v1.RequestService" in listed
    assert "grpc.health.v1.Health" in listed


@needs_grpcurl
def test_grpcurl_signs_in_and_submits(running: Running) -> None:
    login = {"username": ANALYST.username, "password": ANALYST.password}
    signed_in = json.loads(grpcurl(running, "airlock.auth.v1.AuthService/Login", data=login))
    question = {"index": "cities", "search": {"query": {"match": {"name": {"query": {"string_value": "Tehran"}}}}}}
    submitted = json.loads(
        grpcurl(
            running,
            "airlock.request.v1.RequestService/SubmitRequest",
            data=question,
            authorization=f"Bearer {signed_in['tokens']['access_token']}",
        )
    )
    assert submitted["request"]["status"] == "REQUEST_STATUS_PENDING"


def test_health_checks_pass_without_sign_in(channel: grpc.Channel) -> None:
    answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_an_error_carries_its_reason(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        AuthServiceStub(channel).Login(LoginRequest(username="analyst", password="wrong"), timeout=10)
    status = rpc_status.from_call(refused.value)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    info = ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    assert (info.reason, info.domain) == ("CREDENTIALS_WRONG", "airlock")


def test_the_same_question_twice_in_one_call_is_refused(running: Running, channel: grpc.Channel) -> None:
    metadata = (("authorization", f"Bearer {token(running)}"),)
    message = SubmitRequestRequest(index="cities")
    message.body.data = b'{"query": {"match_all": {}}}'
    message.search.query.match_all.SetInParent()
    with pytest.raises(grpc.RpcError) as refused:
        RequestServiceStub(channel).SubmitRequest(message, metadata=metadata, timeout=10)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_calls_are_spread_over_all_processes(running: Running) -> None:
    metadata = (("authorization", f"Bearer {token(running)}"),)
    with grpc_channel(running.pair.request.envoy) as channel:
        stub = RequestServiceStub(channel)
        for _ in range(40):
            stub.ListRequests(ListRequestsRequest(), metadata=metadata, timeout=10)
    log = running.pair.request.folder / "envoy" / "envoy.log"
    for socket in running.pair.request.sockets:
        seen = partial(logged, log, str(socket))
        wait_until(seen, what=f"calls to {socket}", limit_seconds=10)


def test_grpc_web_is_understood(running: Running) -> None:
    frame = b"\0" + (0).to_bytes(4, "big") + GetHealthRequest().SerializeToString()
    with rest_client(running.pair.request.envoy) as client:
        answer = client.http.post(
            "/airlock.ops.v1.HealthService/GetHealth",
            content=frame,
            headers={"content-type": "application/grpc-web+proto"},
        )
    assert answer.status_code == httpx.codes.OK
    length = int.from_bytes(answer.content[1:5], "big")
    assert GetHealthResponse.FromString(answer.content[5 : 5 + length]).status == "ok"
    assert b"grpc-status:0" in answer.content[5 + length :]
