"""Lets a call through only with the permission that its method declares, and tells the handler who calls."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
from airlock.common.v1 import permission_pb2
from google.protobuf import descriptor_pool

from common.auth.api_keys import is_api_key
from common.errors import CredentialsMissingError, PermissionMissingError, TokenInvalidError
from common.rpc.answer_headers import set_answer_headers
from common.rpc.caller import current_caller, sign_in_caller
from common.rpc.wrapping import CallInterceptor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    import grpc
    from airlock.common.v1.permission_pb2 import Permission

    from common.auth.principal import Principal


API_KEY_HEADER: Final = "x-api-key"


class Authenticator(Protocol):
    """Whatever knows the principal of an access token or an API key."""

    async def identify(self, credential: str, address: str | None) -> Principal:
        """The caller, or TokenInvalid-, TokenExpired-, SessionEnded- or RateLimitedError."""
        ...

    def admit(self, principal: Principal, permission: Permission.ValueType) -> Sequence[tuple[str, str]]:
        """What each answer to the caller says besides, in its headers; or an error that shuts him out for now."""
        ...


class SignInInterceptor(CallInterceptor):
    """Reads `requires` from the descriptors once; a method without it cannot be called by anybody."""

    def __init__(self, authenticator: Authenticator, services: Iterable[str]) -> None:
        """`services` are the full names of the services that this server offers."""
        self._authenticator = authenticator
        names = tuple(services)
        self._required = required_permissions(names)
        self._by_key = key_uses(names)

    @asynccontextmanager
    async def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[None]:
        """Checks the token and the permission before the handler starts."""
        required = self._required.get(method, permission_pb2.PERMISSION_UNSPECIFIED)
        if required == permission_pb2.PERMISSION_UNSPECIFIED:
            raise PermissionMissingError("This method declares no permission, so nobody may call it; report it.")
        if required == permission_pb2.PERMISSION_PUBLIC:
            yield
            return
        credential, address = credential_of(context), current_caller().address
        principal = await self._authenticator.identify(credential, address)
        sign_in_caller(principal, partial(self._check, credential, address, required))
        structlog.contextvars.bind_contextvars(user_id=str(principal.user_id))
        self._require(principal, method, required)
        set_answer_headers(self._authenticator.admit(principal, required))
        yield

    def _require(self, principal: Principal, method: str, required: Permission.ValueType) -> None:
        use = self._by_key.get(method, permission_pb2.KEY_USE_UNSPECIFIED)
        if principal.key is None or use == permission_pb2.KEY_USE_UNSPECIFIED:
            principal.require(required)
        elif use != permission_pb2.KEY_USE_ANY:
            raise PermissionMissingError("An API key cannot make this call; sign in with name and password.")

    async def _check(self, credential: str, address: str | None, required: Permission.ValueType) -> None:
        self._authenticator.admit(await self._authenticator.identify(credential, address), required)


def required_permissions(services: Iterable[str]) -> Mapping[str, Permission.ValueType]:
    """The permission of each method, by its path, as its descriptor says."""
    pool = descriptor_pool.Default()
    return {
        f"/{service}/{method.name}": method.GetOptions().Extensions[permission_pb2.requires]
        for service in services
        for method in pool.FindServiceByName(service).methods
    }


def key_uses(services: Iterable[str]) -> Mapping[str, permission_pb2.KeyUse.ValueType]:
    """Which API keys may call each method, by its path, as its descriptor says."""
    pool = descriptor_pool.Default()
    return {
        f"/{service}/{method.name}": method.GetOptions().Extensions[permission_pb2.by_key]
        for service in services
        for method in pool.FindServiceByName(service).methods
    }


def credential_of(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """The one access token or API key that the call came with. Raises CredentialsMissing- or TokenInvalidError."""
    sent = {
        (key, value)
        for key, value in context.invocation_metadata() or ()
        if key in {"authorization", API_KEY_HEADER} and isinstance(value, str)
    }
    if not sent:
        raise CredentialsMissingError(
            "Sign in first, and send `authorization: Bearer <access token>`, or an API key in `x-api-key`."
        )
    if len(sent) > 1:
        raise TokenInvalidError("The call names two callers; send one of `authorization` and `x-api-key`, and it once.")
    key, value = sent.pop()
    if key == API_KEY_HEADER:
        if not is_api_key(value.strip()):
            raise TokenInvalidError("The x-api-key header holds no API key; those of this system begin with `ak_`.")
        return value.strip()
    scheme, _, credential = value.partition(" ")
    if scheme.lower() == "bearer" and credential.strip():
        return credential.strip()
    raise TokenInvalidError("The authorization header is not `Bearer <access token or API key>`.")
