"""Builds the limits of one process from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from common.ratelimit.limiter import RateLimiter
from common.ratelimit.user_limits import UserLimits

if TYPE_CHECKING:
    from common.policy.live import LivePolicy
    from common.settings import NetworkSettings

_TIMEOUT_SECONDS: Final = 0.5
"""How long a call waits for Redis before this process decides; after that, one call a second waits so long."""


def user_limits(settings: NetworkSettings, policy: LivePolicy) -> UserLimits:
    """The limits, with a connection of their own, so that no long answer from a cache keeps a call waiting."""
    redis = Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        # The client's own default would try for seconds.
        retry=Retry(NoBackoff(), 0),
    )
    return UserLimits(RateLimiter(redis), policy)
