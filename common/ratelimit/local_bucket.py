"""Decides about calls in this process alone while Redis is away: roughly, in little memory, for the latest users."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from common.ratelimit.windows import Decision, Use

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.ratelimit.windows import Window

MOST_USERS: Final = 10_000
"""Whoever has not called for longest is forgotten beyond that, and begins anew."""


@dataclass(slots=True)
class _Bucket:
    """What is left of each window, and when that was."""

    left: list[float]
    moment: float


class LocalBuckets:
    """A token bucket for each window of each user. Every process has its own, so several together let more through."""

    def __init__(self, *, most_users: int = MOST_USERS, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds that never go back."""
        self._most_users = most_users
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key: str, windows: tuple[Window, ...], cost: int = 1) -> Decision:
        """Takes `cost` from every window of `key`, or nothing from any."""
        left = self._left(key, windows)
        waits = [
            math.inf if cost > window.cap else (cost - rest) / _per_second(window)
            for window, rest in zip(windows, left, strict=True)
            if rest < cost
        ]
        if not waits:
            left = [rest - cost for rest in left]
        self._buckets[key].left = left
        longest = max(waits, default=None)
        return Decision(
            accepted=not waits,
            cost=cost,
            uses=tuple(_use(window, rest) for window, rest in zip(windows, left, strict=True)),
            retry_after=None if longest is None or math.isinf(longest) else longest,
            local=True,
        )

    def __len__(self) -> int:
        return len(self._buckets)

    def _left(self, key: str, windows: tuple[Window, ...]) -> list[float]:
        moment = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None or len(bucket.left) != len(windows):
            bucket = self._buckets[key] = _Bucket([float(window.cap) for window in windows], moment)
        self._buckets.move_to_end(key)
        while len(self._buckets) > self._most_users:
            self._buckets.popitem(last=False)
        passed = moment - bucket.moment
        bucket.moment = moment
        return [
            min(float(window.cap), rest + passed * _per_second(window))
            for window, rest in zip(windows, bucket.left, strict=True)
        ]


def _per_second(window: Window) -> float:
    return window.cap / window.seconds


def _use(window: Window, rest: float) -> Use:
    used = window.cap - math.floor(rest)
    return Use(window, used, (math.floor(rest) + 1 - rest) / _per_second(window) if used else 0.0)
