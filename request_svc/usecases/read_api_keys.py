"""Shows API keys without their texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from request_svc.ports import ApiKeyFilter
from request_svc.usecases.api_key_rights import key_in_sight, owner_in_sight

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from common.auth.principal import Principal
    from request_svc.domain.api_key import ApiKey
    from request_svc.usecases.api_key_rights import ApiKeyContext


async def list_api_keys(
    user_id: UUID | None,
    *,
    include_ended: bool,
    before: tuple[datetime, UUID] | None,
    limit: int,
    caller: Principal,
    context: ApiKeyContext,
) -> tuple[list[ApiKey], bool]:
    """At most `limit` keys of a user, None being the caller, and whether more follow. With a key one sees it alone."""
    owner_id = user_id or caller.user_id
    wanted = ApiKeyFilter(
        owner_id, context.clock(), include_ended, key_id=caller.key.key_id if caller.key is not None else None
    )
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        if owner_id != caller.user_id:
            await owner_in_sight(connection, context, caller, owner_id)
        rows = await context.keys.page(connection, wanted, before, limit + 1)
    return rows[:limit], len(rows) > limit


async def get_api_key(key_id: UUID, *, caller: Principal, context: ApiKeyContext) -> ApiKey:
    """One key. Raises NotFoundError for one that the caller does not see."""
    async with context.database.transaction() as transaction:
        return await key_in_sight(transaction.connection, context, caller, key_id)
