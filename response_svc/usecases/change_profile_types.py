"""Making, changing and deleting profile types on the network that is their master."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common.errors import AlreadyExistsError, NotFoundError
from common.policy.limits import BASIC, EffectiveLimits
from common.policy.profile_type import ProfileType, profile_type_from
from response_svc.domain.policy_row import check_revision
from response_svc.domain.profile_type import changed_profile_type, check_deletable
from response_svc.usecases.change_policy import Written, differences, write

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.rpc.caller import Caller
    from response_svc.domain.policy_row import PolicyRow
    from response_svc.domain.profile_type import ProfileTypeChanges
    from response_svc.usecases.change_policy import PolicyContext

RESOURCE: Final = {"resource": "profile_type"}


async def create_profile_type(
    context: PolicyContext, name: str, changes: ProfileTypeChanges, *, caller: Caller
) -> PolicyRow:
    """Makes a profile type; what is left open is as for `basic` at first.

    Raises AlreadyExistsError for a taken name, and InvalidFieldError as `changed_profile_type` does.
    """
    defaults = ProfileType(name, EffectiveLimits(BASIC.rates, BASIC.priority))
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        await context.profile_types.hold(connection)
        before = await context.profile_types.find(connection, name)
        if before is not None and not before.is_deleted:
            raise AlreadyExistsError(
                f"There is a profile type {name} already; change it, or choose another name.", metadata=RESOURCE
            )
        catalogue = await context.indices.present_keys(connection)
        new = changed_profile_type(defaults, changes, catalogue=catalogue).content()
        return await write(
            context,
            transaction,
            context.profile_types,
            Written(name, new),
            action="profile_type.created",
            caller=caller,
            data=new,
        )


async def update_profile_type(
    context: PolicyContext, name: str, changes: ProfileTypeChanges, *, revision: int | None, caller: Caller
) -> PolicyRow:
    """Changes what is named and leaves the rest; without a difference nothing is written.

    Raises NotFoundError, WrongStateError if `revision` is not the present one, and InvalidFieldError.
    """
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        before = await _held(context, connection, name, revision)
        catalogue = await context.indices.present_keys(connection)
        after = changed_profile_type(profile_type_from(name, before.content), changes, catalogue=catalogue).content()
        changed = differences(before.content, after)
        if not changed:
            return before
        return await write(
            context,
            transaction,
            context.profile_types,
            Written(name, after),
            action="profile_type.updated",
            caller=caller,
            data=changed,
        )


async def delete_profile_type(context: PolicyContext, name: str, *, revision: int | None, caller: Caller) -> None:
    """Removes a profile type. Raises NotFoundError, and WrongStateError if it must stay or users have it."""
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        before = await _held(context, connection, name, revision)
        check_deletable(name, await context.use.hold_and_count_users(connection, name))
        await write(
            context,
            transaction,
            context.profile_types,
            Written(name, before.content, removed=True),
            action="profile_type.deleted",
            caller=caller,
            data={},
        )


def no_profile_type(name: str) -> NotFoundError:
    """The refusal for a name that no profile type has."""
    return NotFoundError(
        f"There is no profile type {name}; `GET /api/v1/admin/profile-types` lists all.", metadata=RESOURCE
    )


async def _held(context: PolicyContext, connection: AsyncConnection, name: str, revision: int | None) -> PolicyRow:
    await context.profile_types.hold(connection)
    row = await context.profile_types.find(connection, name)
    if row is None or row.is_deleted:
        raise no_profile_type(name)
    check_revision(row, revision)
    return row
