"""Makes an API key: for oneself, or for a service, which has no person to sign in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from common.auth.api_keys import api_key_hash, new_api_key
from common.auth.permissions import ROLE_SYSTEM
from common.auth.scopes import check_scopes
from common.errors import PermissionMissingError, WrongStateError
from request_svc.domain.api_key import ApiKey, check_name, end_of_life
from request_svc.usecases.api_key_rights import note_in_trail, owner_in_sight

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from common.auth.accounts import Account
    from common.auth.principal import Principal
    from common.rpc.caller import Caller
    from request_svc.usecases.api_key_rights import ApiKeyContext


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedKey:
    """What the caller asks for. At most one of `expires_at` and `lifetime_days` is set; `user_id` None is himself."""

    name: str
    scopes: Sequence[str]
    expires_at: datetime | None = None
    lifetime_days: int | None = None
    user_id: UUID | None = None


async def create_api_key(
    wanted: WantedKey, *, caller: Principal, origin: Caller, context: ApiKeyContext
) -> tuple[ApiKey, str]:
    """The key and its text, which is kept nowhere.

    Raises PermissionMissingError for a caller with a key, InvalidFieldError for a name, scopes or an end that may not
    be, NotFoundError for an unknown user, and WrongStateError beyond the most keys or for an inactive user.
    """
    if caller.key is not None:
        raise PermissionMissingError("An API key cannot make keys. It can rotate itself; sign in to make another.")
    check_name(wanted.name)
    now, policy = context.clock(), context.policy.current
    expires_at = end_of_life(
        now,
        expires_at=wanted.expires_at,
        lifetime_days=wanted.lifetime_days,
        longest_days=policy.number("api_keys.longest_life_days"),
    )
    owner_id = wanted.user_id or caller.user_id
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        owner = await owner_in_sight(connection, context, caller, owner_id)
        check_may_hold_text(owner, caller)
        scopes = check_scopes(wanted.scopes, owner.role)
        await context.keys.hold_user(connection, owner_id)
        most = policy.number("api_keys.most_per_user")
        if await context.keys.count_living(connection, owner_id, now) >= most:
            raise WrongStateError(
                f"{owner.username} has {most} living API keys, and no more are allowed; revoke one that is not used.",
                metadata={"state": "most_keys", "most": str(most)},
            )
        text = new_api_key()
        key = ApiKey(
            key_id=uuid4(),
            user_id=owner_id,
            name=wanted.name,
            prefix=text.prefix,
            scopes=scopes,
            created_at=now,
            created_by=caller.user_id,
            expires_at=expires_at,
        )
        await context.keys.add(connection, key, api_key_hash(text.text))
        also: dict[str, object] = {"scopes": list(scopes), "expires_at": expires_at.isoformat()}
        await note_in_trail(connection, "api_key.created", key, caller=caller, origin=origin, also=also)
    return key, text.text


def check_may_hold_text(owner: Account, caller: Principal) -> None:
    """Raises unless the caller may be shown a new key of `owner`: whoever sees its text can call in his name."""
    if owner.user_id != caller.user_id and owner.role != ROLE_SYSTEM:
        raise PermissionMissingError(
            f"Keys for others are made for users of the role system alone; {owner.username} signs in and makes his own."
        )
    if not owner.is_active:
        raise WrongStateError(
            f"{owner.username} is inactive; reactivate him on the Response Network first.",
            metadata={"state": "inactive"},
        )
