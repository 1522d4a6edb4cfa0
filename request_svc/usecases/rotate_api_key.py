"""Gives an API key its successor. Both are good for a while, so that programs can change over without a gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from common.auth.api_keys import api_key_hash, new_api_key
from request_svc.domain.api_key import ApiKey, check_rotation, end_of_overlap, end_of_successor, narrowed
from request_svc.usecases.api_key_rights import key_in_sight, note_in_trail, owner_in_sight
from request_svc.usecases.create_api_key import check_may_hold_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from common.auth.principal import Principal
    from common.rpc.caller import Caller
    from request_svc.usecases.api_key_rights import ApiKeyContext


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRotation:
    """What the caller asks for; None and empty are the usual."""

    key_id: UUID
    overlap_hours: int | None = None
    lifetime_days: int | None = None
    scopes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Rotation:
    """The old key as it now stands, the new one, and the new one's text, which is kept nowhere."""

    old: ApiKey
    new: ApiKey
    text: str


async def rotate_api_key(
    wanted: WantedRotation, *, caller: Principal, origin: Caller, context: ApiKeyContext
) -> Rotation:
    """Of two rotations at once one is made, and the other gets WrongStateError, as for a key that is over.

    Raises NotFoundError for a key that the caller does not see, PermissionMissingError for another person's,
    InvalidFieldError for scopes that the old key has not, and for a life or an overlap beyond the longest.
    """
    policy = context.policy.current
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        owner_id = (await key_in_sight(connection, context, caller, wanted.key_id)).user_id
        await context.keys.hold_user(connection, owner_id)
        check_may_hold_text(await owner_in_sight(connection, context, caller, owner_id), caller)
        # Again, now that nobody else changes it.
        old = await key_in_sight(connection, context, caller, wanted.key_id)
        now = context.clock()
        check_rotation(old, now)
        ends_at = end_of_overlap(
            now, overlap_hours=wanted.overlap_hours, longest_hours=policy.number("api_keys.longest_overlap_hours")
        )
        expires_at = end_of_successor(
            now, old, lifetime_days=wanted.lifetime_days, longest_days=policy.number("api_keys.longest_life_days")
        )
        text = new_api_key()
        new = ApiKey(
            key_id=uuid4(),
            user_id=owner_id,
            name=old.name,
            prefix=text.prefix,
            scopes=narrowed(wanted.scopes, old),
            created_at=now,
            created_by=caller.user_id,
            expires_at=expires_at,
            rotated_from=old.key_id,
        )
        await context.keys.add(connection, new, api_key_hash(text.text))
        await context.keys.rotate(connection, old.key_id, new.key_id, ends_at)
        also: dict[str, object] = {"rotated_to": str(new.key_id), "overlap_ends_at": ends_at.isoformat()}
        await note_in_trail(connection, "api_key.rotated", old, caller=caller, origin=origin, also=also)
        rotated = await context.keys.find(connection, old.key_id)
        assert rotated is not None
    context.known.forget([old.key_id])
    return Rotation(rotated, new, text.text)
