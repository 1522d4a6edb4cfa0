"""What the use cases of API keys work with, and whose keys a caller may see and end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airlock.common.v1 import permission_pb2

from common import clock
from common.audit.record import AuditEntry, record
from common.auth.permissions import ROLE_ADMIN, ROLE_OPERATOR
from common.errors import NotFoundError, PermissionMissingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.auth.accounts import Account, AccountDirectory
    from common.auth.principal import Principal
    from common.database.transaction import Database
    from common.policy.live import LivePolicy
    from common.rpc.caller import Caller
    from request_svc.domain.api_key import ApiKey
    from request_svc.ports import ApiKeyStore, KnownApiKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyContext:
    """Made by the composition root."""

    database: Database
    directory: AccountDirectory
    keys: ApiKeyStore
    known: KnownApiKeys
    policy: LivePolicy
    clock: Callable[[], datetime] = field(default=clock.now)


async def owner_in_sight(
    connection: AsyncConnection, context: ApiKeyContext, caller: Principal, user_id: UUID
) -> Account:
    """The account whose keys the caller may see and end. Raises PermissionMissing- or NotFoundError.

    Operators see the keys of users and services; only the admin sees those of operators.
    """
    if user_id != caller.user_id:
        if caller.key is not None:
            raise PermissionMissingError("An API key cannot reach other users' keys; sign in with name and password.")
        caller.require(permission_pb2.PERMISSION_MANAGE_API_KEYS)
    owner = await context.directory.find_by_id(connection, user_id)
    if owner is None:
        raise NotFoundError(f"There is no user {user_id} here.", metadata={"resource": "user"})
    above = owner.role in {ROLE_OPERATOR, ROLE_ADMIN} and caller.role != ROLE_ADMIN
    if user_id != caller.user_id and above:
        raise PermissionMissingError(
            "Only an administrator may see and end the keys of operators.",
            metadata={"permission": "PERMISSION_MANAGE_API_KEYS"},
        )
    return owner


async def key_in_sight(connection: AsyncConnection, context: ApiKeyContext, caller: Principal, key_id: UUID) -> ApiKey:
    """The key, if the caller may see it. Raises NotFoundError for any other, whether it is there or not."""
    key = await context.keys.find(connection, key_id)
    if caller.key is not None:
        key = key if caller.key.key_id == key_id else None
    elif key is not None and key.user_id != caller.user_id:
        try:
            await owner_in_sight(connection, context, caller, key.user_id)
        except PermissionMissingError:
            key = None
    if key is None:
        raise NotFoundError(
            f"There is no API key {key_id} that you may see; `GET /api/v1/api-keys` lists those that you may.",
            metadata={"resource": "api_key"},
        )
    return key


async def note_in_trail(
    connection: AsyncConnection,
    action: str,
    key: ApiKey,
    *,
    caller: Principal,
    origin: Caller,
    also: dict[str, object] | None = None,
) -> None:
    """Who did what to which key, without its text."""
    metadata: dict[str, object] = {
        "owner": str(key.user_id),
        "name": key.name,
        "prefix": key.prefix,
        "request_id": origin.request_id,
        **(also or {}),
    }
    if caller.key is not None:
        metadata["with_key"] = str(caller.key.key_id)
    await record(
        connection,
        AuditEntry(
            action,
            user_id=caller.user_id,
            resource_type="api_key",
            resource_id=str(key.key_id),
            address=origin.address,
            user_agent=origin.user_agent,
            metadata=metadata,
        ),
    )
