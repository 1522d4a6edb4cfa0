"""Setting and resetting the settings of both networks on the network that is their master."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.policy.settings import check_setting
from response_svc.domain.policy_row import check_revision
from response_svc.usecases.change_policy import Written, write
from response_svc.usecases.read_settings import SettingState, definition_of

if TYPE_CHECKING:
    from common.policy.settings import SettingValue
    from common.rpc.caller import Caller
    from response_svc.usecases.change_policy import PolicyContext


async def set_setting(
    context: PolicyContext, key: str, value: SettingValue, *, revision: int | None, caller: Caller
) -> SettingState:
    """Sets one setting; the value that it was set to already is not written again.

    Raises NotFoundError for a key that there is not, InvalidFieldError for a value that it does not take, and
    WrongStateError if `revision` is not the present one.
    """
    definition = definition_of(key)
    check_setting(key, value)
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        await context.settings.hold(connection)
        before = await context.settings.find(connection, key)
        check_revision(before, revision)
        if before is not None and not before.is_deleted and before.content["value"] == value:
            return SettingState(definition, before)
        row = await write(
            context,
            transaction,
            context.settings,
            Written(key, {"value": value}),
            action="setting.set",
            caller=caller,
            data={"value": value},
        )
    return SettingState(definition, row)


async def reset_setting(context: PolicyContext, key: str, *, revision: int | None, caller: Caller) -> SettingState:
    """Puts one setting back to its default; one that has it already is left alone. Raises as `set_setting` does."""
    definition = definition_of(key)
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        await context.settings.hold(connection)
        before = await context.settings.find(connection, key)
        check_revision(before, revision)
        if before is None or before.is_deleted:
            return SettingState(definition, before)
        row = await write(
            context,
            transaction,
            context.settings,
            Written(key, before.content, removed=True),
            action="setting.reset",
            caller=caller,
            data={},
        )
    return SettingState(definition, row)
