"""Ends an API key at once, and on request whatever came of it by rotation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from request_svc.usecases.api_key_rights import key_in_sight, note_in_trail

if TYPE_CHECKING:
    from uuid import UUID

    from common.auth.principal import Principal
    from common.rpc.caller import Caller
    from request_svc.domain.api_key import ApiKey
    from request_svc.usecases.api_key_rights import ApiKeyContext


async def revoke_api_key(
    key_id: UUID, *, with_successors: bool, caller: Principal, origin: Caller, context: ApiKeyContext
) -> tuple[ApiKey, int]:
    """The key as it now stands, and how many were ended: 0 for one that had been revoked before.

    Raises NotFoundError for a key that the caller does not see.
    """
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        key = await key_in_sight(connection, context, caller, key_id)
        await context.keys.hold_user(connection, key.user_id)
        revoked = await context.keys.revoke(
            connection, key_id, at=context.clock(), by=caller.user_id, with_successors=with_successors
        )
        for ended_id in revoked:
            ended = await context.keys.find(connection, ended_id)
            assert ended is not None
            also: dict[str, object] = {"revoked_with": str(key_id)} if ended_id != key_id else {}
            await note_in_trail(connection, "api_key.revoked", ended, caller=caller, origin=origin, also=also)
        current = await context.keys.find(connection, key_id)
        assert current is not None
    context.known.forget(revoked)
    return current, len(revoked)
