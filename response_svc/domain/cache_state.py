"""How the cache of answers fares, over all processes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CacheState:
    """The look-ups of the last hour by what they found, and what the cache's server says of its memory."""

    available: bool
    hits: int = 0
    joined: int = 0
    misses: int = 0
    used_bytes: int = 0
    most_bytes: int = 0
    eviction: str = ""

    @property
    def hit_ratio(self) -> float | None:
        """Which part of the look-ups spared the engine a query; None without any."""
        lookups = self.hits + self.joined + self.misses
        return (self.hits + self.joined) / lookups if lookups else None
