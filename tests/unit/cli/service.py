"""A service's end of the wire for tests: sign-in, a list of bundles, their bytes, an inbox; any can be faulty."""

from __future__ import annotations

import contextlib
import hashlib
from concurrent import futures
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from airlock.auth.v1.auth_service_pb2 import LoginRequest, LoginResponse, TokenPair
from airlock.auth.v1.auth_service_pb2_grpc import AuthServiceServicer, add_AuthServiceServicer_to_server
from airlock.transfer.v1.transfer_service_pb2 import (
    ExportBundleRequest,
    ImportBundleRequest,
    ImportBundleResponse,
    ListBundlesRequest,
    ListBundlesResponse,
    WaitingBundle,
)
from airlock.transfer.v1.transfer_service_pb2_grpc import TransferServiceServicer, add_TransferServiceServicer_to_server
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from transfer.bundle.reader import summary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "correct horse"
TOKEN = "token-of-sara"


def refuse(context: Any, code: int, text: str, reason: str) -> None:
    """Ends the call as the services do: a status with reason and request id."""
    details = []
    for message in (
        error_details_pb2.ErrorInfo(reason=reason, domain="airlock"),
        error_details_pb2.RequestInfo(request_id="req-7"),
    ):
        packed = AnyMessage()
        packed.Pack(message)
        details.append(packed)
    context.abort_with_status(rpc_status.to_status(status_pb2.Status(code=code, message=text, details=details)))


@dataclass
class FakeService(AuthServiceServicer, TransferServiceServicer):  # type: ignore[misc]
    """Lists `bundles`, a page of two at a time; `damage` changes what is sent, `listed` what is listed."""

    bundles: list[Path] = field(default_factory=list)
    received: dict[str, bytes] = field(default_factory=dict)
    sent: int = 0
    flip: bool = False
    cut_after: int | None = None
    listed: dict[str, Any] = field(default_factory=dict)
    lie_about_import: bool = False

    def Login(self, request: LoginRequest, context: Any) -> LoginResponse:  # noqa: N802 - named by the proto
        if (request.username, request.password) != ("sara", PASSWORD):
            refuse(context, code_pb2.UNAUTHENTICATED, "Name or password is wrong.", "CREDENTIALS_WRONG")
        return LoginResponse(tokens=TokenPair(access_token=TOKEN))

    def ListBundles(self, request: ListBundlesRequest, context: Any) -> ListBundlesResponse:  # noqa: N802
        self._check(context)
        start = int(request.page_token or 0)
        page = [self._described(path) for path in self.bundles[start : start + 2]]
        token = str(start + 2) if start + 2 < len(self.bundles) else ""
        return ListBundlesResponse(bundles=page, next_page_token=token)

    def ExportBundle(self, request: ExportBundleRequest, context: Any) -> Iterator[HttpBody]:  # noqa: N802
        self._check(context)
        path = next(path for path in self.bundles if self._described(path).batch_id == request.batch_id)
        content = bytearray(path.read_bytes())
        if self.flip:
            content[100] ^= 1
        self.sent += 1
        for start in range(0, len(content), 256):
            if self.cut_after is not None and start >= self.cut_after:
                refuse(context, code_pb2.INTERNAL, "The disk failed.", "INTERNAL")
            yield HttpBody(data=bytes(content[start : start + 256]))

    def ImportBundle(self, request_iterator: Iterator[ImportBundleRequest], context: Any) -> ImportBundleResponse:  # noqa: N802
        self._check(context)
        content = b"".join(request.body.data for request in request_iterator)
        checksum = hashlib.sha256(content).hexdigest()
        self.received[checksum] = content
        size = len(content) - 1 if self.lie_about_import else len(content)
        return ImportBundleResponse(filename="requests/a.pb.enc", size_bytes=size, checksum=checksum)

    def _check(self, context: Any) -> None:
        if ("authorization", f"Bearer {TOKEN}") not in context.invocation_metadata():
            refuse(context, code_pb2.PERMISSION_DENIED, "You may not transfer.", "PERMISSION_MISSING")

    def _described(self, path: Path) -> WaitingBundle:
        found = summary(path)
        bundle = WaitingBundle(
            batch_id=path.name.rsplit("_", 1)[1].removesuffix(".pb.enc"),
            kind=found.header.kind,
            filename=path.name,
            sequence=found.header.sequence,
            size_bytes=found.size,
            checksum=found.checksum,
        )
        bundle.created_at.FromMicroseconds(found.header.created_at_micros)
        for name, value in self.listed.items():
            setattr(bundle, name, value)
        return bundle


@contextlib.contextmanager
def serving(service: FakeService, address: str, credentials: grpc.ServerCredentials | None = None) -> Iterator[int]:
    """Serves until the block ends; gives the port, if the address is one of TCP."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    add_AuthServiceServicer_to_server(service, server)
    add_TransferServiceServicer_to_server(service, server)
    port = server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()
