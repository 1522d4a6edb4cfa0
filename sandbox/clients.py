"""Callers of one network's API as its users have them: REST by httpx, gRPC by the generated stubs, both over TLS."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import grpc
import httpx

from sandbox.errors import CallError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from sandbox.envoy import Envoy

CALL_SECONDS = 60
Json = dict[str, Any]


class RestClient:
    """One caller over REST. `sign_in` gives every later call its token."""

    def __init__(self, url: str, authority: Path) -> None:
        """`authority` is the PEM file that the server's certificate is checked against."""
        context = ssl.create_default_context(cafile=authority)
        self.http = httpx.Client(base_url=url, verify=context, timeout=CALL_SECONDS)
        self.token = ""

    def sign_in(self, username: str, password: str) -> None:
        """Signs in; raises CallError when refused."""
        answer = self.call("POST", "/api/v1/auth/login", json={"username": username, "password": password})
        self.token = answer["tokens"]["access_token"]
        self.http.headers["authorization"] = f"Bearer {self.token}"

    def call(self, method: str, path: str, **rest: Any) -> Json:  # noqa: ANN401 - httpx's own arguments.
        """One call; raises CallError with the service's own words unless it succeeds."""
        answer = self.http.request(method, path, **rest)
        if not answer.is_success:
            raise CallError(f"{method} {path} gave {answer.status_code}: {answer.text[:1000]}")
        found: Json = answer.json()
        return found

    def read(self, path: str) -> bytes:
        """The bytes of an answer."""
        answer = self.http.get(path)
        if not answer.is_success:
            raise CallError(f"GET {path} gave {answer.status_code}: {answer.text[:1000]}")
        return answer.content

    def close(self) -> None:
        """Closes the connections."""
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def rest_client(door: Envoy) -> RestClient:
    """A caller of the network behind this door."""
    return RestClient(door.url, door.certificate.authority)


def grpc_channel(door: Envoy) -> grpc.Channel:
    """A channel to the same port."""
    credentials = grpc.ssl_channel_credentials(door.certificate.authority.read_bytes())
    return grpc.secure_channel(door.target, credentials)
