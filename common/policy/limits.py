"""How often a user may ask and how urgently, by his profile type or by himself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

PER_MINUTE: Final = "rate_limit_per_minute"
PER_HOUR: Final = "rate_limit_per_hour"
PER_DAY: Final = "rate_limit_per_day"
PRIORITY: Final = "priority"
LIMIT_NAMES: Final = (PER_MINUTE, PER_HOUR, PER_DAY, PRIORITY)
"""The limits that a user may have from his profile type, by the names of their columns."""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How many calls are let through in any sixty seconds, any hour and any day; each is at least 1."""

    per_minute: int
    per_hour: int
    per_day: int


@dataclass(frozen=True, slots=True)
class UserLimits:
    """A user's own limits, and the names of those that his profile type decides instead."""

    rates: RateLimits
    priority: int
    inherits: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class EffectiveLimits:
    """What counts for a user. `soft` lets calls beyond the rate pass for a while, with a warning."""

    rates: RateLimits
    priority: int
    soft: bool = False


BASIC: Final = UserLimits(RateLimits(10, 100, 500), 5)
"""The specification's defaults, for whatever says nothing of its own."""


def effective(own: UserLimits, profile: EffectiveLimits | None) -> EffectiveLimits:
    """The limits that count: the profile type's where the user inherits, his own otherwise or without a profile."""
    if profile is None:
        return EffectiveLimits(own.rates, own.priority)
    inherits: AbstractSet[str] = own.inherits
    return EffectiveLimits(
        rates=RateLimits(
            profile.rates.per_minute if PER_MINUTE in inherits else own.rates.per_minute,
            profile.rates.per_hour if PER_HOUR in inherits else own.rates.per_hour,
            profile.rates.per_day if PER_DAY in inherits else own.rates.per_day,
        ),
        priority=profile.priority if PRIORITY in inherits else own.priority,
        soft=profile.soft,
    )
