"""Counts what a process finds in a cache, as metrics."""

from __future__ import annotations

from collections import deque
from typing import Final

from common import metrics

WINDOW: Final = 1000
"""How many of the last look-ups of a process make its hit ratio."""
SPARED: Final = {"hit": 1, "joined": 1, "miss": 0}
"""Whether the look-up spared what the cache stands for. A cache that is away is not asked, so it has no ratio."""


class CacheLookups:
    """One a cache and process."""

    def __init__(self, cache: str) -> None:
        self._cache = cache
        self._last: deque[int] = deque(maxlen=WINDOW)
        self._spared = 0

    def count(self, outcome: str) -> None:
        """Counts a look-up: `hit`, `miss`, `joined` (another's execution is waited for) or `away`."""
        metrics.CACHE_LOOKUPS.labels(self._cache, outcome).inc()
        spared = SPARED.get(outcome)
        if spared is None:
            return
        if len(self._last) == WINDOW:
            self._spared -= self._last[0]
        self._last.append(spared)
        self._spared += spared
        metrics.CACHE_HIT_RATIO.labels(self._cache).set(self._spared / len(self._last))
