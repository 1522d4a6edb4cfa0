"""Reading settings: every one that there is, whether somebody set it or not, and what each was before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from common.errors import NotFoundError
from common.policy.settings import SETTINGS
from common.search.fields import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.policy.settings import SettingDefinition, SettingValue
    from response_svc.domain.policy_row import PolicyRow, PolicyVersion
    from response_svc.usecases.change_policy import PolicyContext

RESOURCE: Final = {"resource": "setting"}


@dataclass(frozen=True, slots=True)
class SettingState:
    """A setting and its row; no row if it was never set."""

    definition: SettingDefinition
    row: PolicyRow | None

    @property
    def is_default(self) -> bool:
        """Whether nobody's value counts. That of an older release, which this one cannot take, does not."""
        return self.row is None or self.row.is_deleted or not self.definition.accepts(self.row.content["value"])

    @property
    def value(self) -> SettingValue:
        """What counts now."""
        value: SettingValue = self.definition.default if self.is_default or not self.row else self.row.content["value"]
        return value


def definition_of(key: str) -> SettingDefinition:
    """The setting of that key. Raises NotFoundError with the nearest one."""
    definition = SETTINGS.get(key)
    if definition is None:
        raise NotFoundError(f"There is no setting of that key; {nearest(key, SETTINGS)}", metadata=RESOURCE)
    return definition


async def get_setting(context: PolicyContext, key: str) -> SettingState:
    """One setting. Raises NotFoundError."""
    definition = definition_of(key)
    async with context.database.transaction() as transaction:
        return SettingState(definition, await context.settings.find(transaction.connection, key))


async def list_settings(
    context: PolicyContext, *, after: str | None, limit: int
) -> tuple[Sequence[SettingState], bool]:
    """Up to `limit` settings in order of their keys, those after the key `after`, and whether there are more."""
    keys = sorted(key for key in SETTINGS if after is None or key > after)
    async with context.database.transaction() as transaction:
        found = await context.settings.find_many(transaction.connection, keys[:limit])
    return [SettingState(SETTINGS[key], found.get(key)) for key in keys[:limit]], len(keys) > limit


async def list_setting_versions(
    context: PolicyContext, key: str, *, before: int | None, limit: int
) -> tuple[Sequence[PolicyVersion], bool]:
    """Up to `limit` versions of a setting, the newest first, and whether there are more. Raises NotFoundError."""
    definition_of(key)
    async with context.database.transaction() as transaction:
        found = await context.settings.versions(transaction.connection, key, before=before, limit=limit + 1)
    return found[:limit], len(found) > limit
