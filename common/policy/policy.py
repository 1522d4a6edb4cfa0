"""The whole policy at one moment: settings, profile types and allowed indices."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from common.policy.limits import effective
from common.policy.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from common.policy.index import AllowedIndex
    from common.policy.limits import EffectiveLimits, UserLimits
    from common.policy.profile_type import ProfileType
    from common.policy.settings import SettingValue


@dataclass(frozen=True, slots=True)
class Policy:
    """What counts now. A setting that is not in `values` has its default."""

    values: Mapping[str, SettingValue] = field(default_factory=lambda: MappingProxyType({}))
    profile_types: Mapping[str, ProfileType] = field(default_factory=lambda: MappingProxyType({}))
    indices: Mapping[str, AllowedIndex] = field(default_factory=lambda: MappingProxyType({}))

    def number(self, key: str) -> int:
        """The whole number that the setting `key` has now."""
        return int(self.value(key))

    def switch(self, key: str) -> bool:
        """Whether the setting `key` is on now."""
        return bool(self.value(key))

    def value(self, key: str) -> SettingValue:
        """What the setting `key` has now, of its own type."""
        found = self.values.get(key)
        return SETTINGS[key].default if found is None else found

    def limits_of(self, own: UserLimits, profile_type: str) -> EffectiveLimits:
        """What counts for a user of that profile type; his own limits while the profile type is not known."""
        profile = self.profile_types.get(profile_type)
        return effective(own, profile.limits if profile is not None else None)
