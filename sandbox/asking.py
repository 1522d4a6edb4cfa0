"""The users of the demo: who they are, and how they submit and read, over REST and over gRPC."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import grpc
from airlock.request.v1 import request_pb2
from airlock.request.v1.request_service_pb2 import GetRequestRequest, GetRequestResultRequest, SubmitRequestRequest
from airlock.request.v1.request_service_pb2_grpc import RequestServiceStub
from google.api.httpbody_pb2 import HttpBody

from common.search.body import read_body
from sandbox.clients import CALL_SECONDS, Json, RestClient, grpc_channel, rest_client
from sandbox.errors import CallError
from sandbox.pair import new_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.demo_queries import Question
    from sandbox.envoy import Envoy

COMPLETED = request_pb2.RequestStatus.Name(request_pb2.REQUEST_STATUS_COMPLETED)


@dataclass(frozen=True, slots=True)
class Person:
    """A user of the Request Network, made on the Response Network."""

    username: str
    full_name: str
    profile_type: str
    priority: int
    password: str


def people() -> list[Person]:
    """Four users with passwords of their own."""
    names = (
        ("sara", "سارا محمدی", "enterprise", 9),
        ("reza", "رضا کریمی", "premium", 6),
        ("maria", "María Gómez", "premium", 4),
        ("john", "John Smith", "basic", 2),
    )
    return [Person(*name, password=new_password()) for name in names]


def create(admin: RestClient, person: Person, *, role: str = "user") -> str:
    """Makes the user and returns his id."""
    limits = {"rate_limit_per_minute": 10_000, "rate_limit_per_hour": 100_000, "rate_limit_per_day": 1_000_000}
    body = {
        "username": person.username,
        "email": f"{person.username}@example.org",
        "password": person.password,
        "full_name": person.full_name,
        "role": role,
        "profile_type": person.profile_type,
        "priority": person.priority,
        **limits,
    }
    made = admin.call("POST", "/api/v1/admin/users", json=body)
    return str(made["user"]["id"])


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one request stands. `body` is its answer, byte for byte, once completed."""

    status: str
    reason: str
    body: bytes


class Asker:
    """One signed-in user with both kinds of client."""

    def __init__(self, door: Envoy, person: Person) -> None:
        self.person = person
        self._rest = rest_client(door)
        self._rest.sign_in(person.username, person.password)
        self._channel = grpc_channel(door)
        self._stub = RequestServiceStub(self._channel)
        self._metadata = (("authorization", f"Bearer {self._rest.token}"),)

    @property
    def user_id(self) -> str:
        """The id as the Request Network knows it."""
        return str(self._rest.call("GET", "/api/v1/auth/me")["user_id"])

    def submit_over_rest(self, question: Question, priority: int) -> str:
        """The body as it would be pasted; returns the request's id."""
        params = {"index": question.index, "priority": priority}
        answer = self._rest.call(
            "POST",
            "/api/v1/requests",
            params=params,
            content=question.body,
            headers={"content-type": "application/json"},
        )
        return str(answer["request"]["id"])

    def submit_over_grpc(self, question: Question, priority: int, *, typed: bool) -> str:
        """The body's bytes, or the same as a typed message."""
        request = SubmitRequestRequest(index=question.index, priority=priority)
        if typed:
            request.search.CopyFrom(read_body(question.body))
        else:
            request.body.CopyFrom(HttpBody(content_type="application/json", data=question.body))
        try:
            answer = self._stub.SubmitRequest(request, metadata=self._metadata, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            raise CallError(f"SubmitRequest was refused: {error}") from None
        return answer.request.id

    def get(self, request_id: str) -> Json:
        """The request with its timeline and its answer, as REST shows them."""
        return self._rest.call("GET", f"/api/v1/requests/{request_id}")

    @contextmanager
    def watch(self, request_id: str) -> Iterator[Iterator[Json]]:
        """The request's changes over REST, one JSON object a line, until it is final."""
        with self._rest.http.stream("GET", "/api/v1/requests:watch", params={"ids": request_id}) as stream:
            yield (json.loads(line) for line in stream.iter_lines() if line)

    def outcome_over_rest(self, request_id: str) -> Outcome:
        """Status, reason and answer of a request."""
        request = self.get(request_id)["request"]
        complete = request["status"] == COMPLETED
        body = self._rest.read(f"/api/v1/requests/{request_id}/result") if complete else b""
        return Outcome(request["status"], request["error_message"], body)

    def outcome_over_grpc(self, request_id: str) -> Outcome:
        """The same over gRPC."""
        get = partial(self._stub.GetRequest, metadata=self._metadata, timeout=CALL_SECONDS)
        read = partial(self._stub.GetRequestResult, metadata=self._metadata, timeout=CALL_SECONDS)
        try:
            request = get(GetRequestRequest(id=request_id)).request
            status = request_pb2.RequestStatus.Name(request.status)
            if status != COMPLETED:
                return Outcome(status, request.error_message, b"")
            pieces = read(GetRequestResultRequest(id=request_id))
            return Outcome(status, "", b"".join(piece.data for piece in pieces))
        except grpc.RpcError as error:
            raise CallError(f"reading {request_id} was refused: {error}") from None

    def close(self) -> None:
        """Closes both clients."""
        self._rest.close()
        self._channel.close()
