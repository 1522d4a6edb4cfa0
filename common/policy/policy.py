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
        return int(self._value(key))

    def switch(self, key: str) -> bool:
        """Whether the setting `key` is on now."""
        return bool(self._value(key))

    def limits_of(self, own: UserLimits, profile_type: str) -> EffectiveLimits:
        """What counts for a user of that profile type; his own limits while the profile type is not known."""
        profile = self.profile_types.get(profile_type)
        return effective(own, profile.limits if profile is not None else None)

    def _value(self, key: str) -> SettingValue:
        return self.values.get(key, SETTINGS[key].default)
