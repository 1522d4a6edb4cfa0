"""A profile type: what its users may ask, how often, and how large an answer may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from common.policy.limits import EffectiveLimits, RateLimits
from transfer.bundle.limits import MAX_RESULT

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERYTHING: Final = ("*",)
"""Every allowed index, or every kind of query."""


@dataclass(frozen=True, slots=True)
class ProfileType:
    """One profile type. `query_kinds` and `indices` are exact names in ascending order, or EVERYTHING."""

    name: str
    limits: EffectiveLimits
    description: str = ""
    query_kinds: tuple[str, ...] = EVERYTHING
    indices: tuple[str, ...] = EVERYTHING
    max_result_bytes: int = MAX_RESULT

    def permits_index(self, name: str) -> bool:
        """Whether its users may search an allowed index of that name."""
        return self.indices == EVERYTHING or name in self.indices

    def permits_kind(self, kind: str) -> bool:
        """Whether its users may send queries of that kind."""
        return self.query_kinds == EVERYTHING or kind in self.query_kinds

    def content(self) -> dict[str, Any]:
        """All but the name, as the table keeps it."""
        return {
            "description": self.description,
            "rate_limit_per_minute": self.limits.rates.per_minute,
            "rate_limit_per_hour": self.limits.rates.per_hour,
            "rate_limit_per_day": self.limits.rates.per_day,
            "priority": self.limits.priority,
            "soft": self.limits.soft,
            "query_kinds": list(self.query_kinds),
            "indices": list(self.indices),
            "max_result_bytes": self.max_result_bytes,
        }


def profile_type_from(name: str, content: Mapping[str, Any]) -> ProfileType:
    """The profile type that a row holds."""
    rates = RateLimits(content["rate_limit_per_minute"], content["rate_limit_per_hour"], content["rate_limit_per_day"])
    return ProfileType(
        name=name,
        limits=EffectiveLimits(rates, content["priority"], content["soft"]),
        description=content["description"],
        query_kinds=tuple(content["query_kinds"]),
        indices=tuple(content["indices"]),
        max_result_bytes=content["max_result_bytes"],
    )
