"""Lets a call through only with the permission that its method declares, and tells the handler who calls."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from airlock.common.v1 import permission_pb2
from google.protobuf import descriptor_pool

from common.errors import CredentialsMissingError, PermissionMissingError, TokenInvalidError
from common.rpc.caller import sign_in_caller
from common.rpc.wrapping import CallInterceptor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    import grpc
    from airlock.common.v1.permission_pb2 import Permission

    from common.auth.principal import Principal


class Authenticator(Protocol):
    """Whatever knows the principal of an access token."""

    def authenticate(self, token: str) -> Principal:
        """The caller, or TokenInvalid-, TokenExpired- or SessionEndedError."""
        ...


class SignInInterceptor(CallInterceptor):
    """Reads `requires` from the descriptors once; a method without it cannot be called by anybody."""

    def __init__(self, authenticator: Authenticator, services: Iterable[str]) -> None:
        """`services` are the full names of the services that this server offers."""
        self._authenticator = authenticator
        self._required = required_permissions(services)

    @asynccontextmanager
    async def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[None]:
        """Checks the token and the permission before the handler starts."""
        required = self._required.get(method, permission_pb2.PERMISSION_UNSPECIFIED)
        if required == permission_pb2.PERMISSION_UNSPECIFIED:
            raise PermissionMissingError("This method declares no permission, so nobody may call it; report it.")
        if required == permission_pb2.PERMISSION_PUBLIC:
            yield
            return
        token = _bearer_token(context)
        principal = self._authenticator.authenticate(token)
        sign_in_caller(principal, partial(self._authenticator.authenticate, token))
        structlog.contextvars.bind_contextvars(user_id=str(principal.user_id))
        principal.require(required)
        yield


def required_permissions(services: Iterable[str]) -> Mapping[str, Permission.ValueType]:
    """The permission of each method, by its path, as its descriptor says."""
    pool = descriptor_pool.Default()
    return {
        f"/{service}/{method.name}": method.GetOptions().Extensions[permission_pb2.requires]
        for service in services
        for method in pool.FindServiceByName(service).methods
    }


def _bearer_token(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == "authorization" and isinstance(value, str):
            scheme, _, token = value.partition(" ")
            if scheme.lower() == "bearer" and token.strip():
                return token.strip()
            raise TokenInvalidError("The authorization header is not `Bearer <access token>`.")
    raise CredentialsMissingError("Sign in first, and send `authorization: Bearer <access token>`.")
