"""A server that offers sign-in, and a client before its door."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import grpc
from airlock.auth.v1 import auth_service_pb2 as pb
from airlock.auth.v1 import auth_service_pb2_grpc
from google.rpc import error_details_pb2, status_pb2

from common.handlers.auth import AuthHandler
from common.rpc.server import RpcService, build_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from common.auth.context import AuthContext


class Door:
    """A server's address, and whether somebody with a token is let in."""

    def __init__(self, path: Path, channel: grpc.aio.Channel) -> None:
        self.path = path
        self.stub: Any = auth_service_pb2_grpc.AuthServiceStub(channel)  # type: ignore[no-untyped-call] # Generated.

    async def reason(self, token: str) -> str:
        """Why the bearer is refused; empty when he is let in."""
        try:
            await self.stub.GetCaller(pb.GetCallerRequest(), metadata=bearer(token))
        except grpc.aio.AioRpcError as error:
            return reason_of(error)
        return ""


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The reason that a program acts upon; the status where gRPC itself refused the call."""
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if details is None:
        return error.code().name
    for detail in status_pb2.Status.FromString(details).details:  # type: ignore[arg-type] # It is bytes.
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""


@asynccontextmanager
async def open_door(auth: AuthContext, folder: Path) -> AsyncIterator[Door]:
    path = folder / f"{uuid4().hex[:8]}.sock"
    add = auth_service_pb2_grpc.add_AuthServiceServicer_to_server
    server = build_server([RpcService("airlock.auth.v1.AuthService", add, AuthHandler(auth))], auth, f"unix:{path}")
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
        yield Door(path, channel)
    await server.drain(0)
