"""The task broker: a Redis stream of wake-ups. What is to be done lies in PostgreSQL; losing Redis loses nothing."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from taskiq_redis import RedisStreamBroker

from common.cancellation import run_cancellable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from taskiq import AckableMessage

    from common.settings import NetworkSettings

STREAM_LIMIT: Final = 10_000
"""Wake-ups that are kept when no worker reads them; the sweeps make up for older ones."""
REDELIVER_AFTER_MS: Final = 10 * 60 * 1000
"""A wake-up that was taken and not finished for this long goes to another worker, also if its job still runs there."""
CLAIM_LOCK_SECONDS: Final = 10.0
"""Without it a worker that is killed while it looks for such wake-ups would lock all others out for good."""


class JobBroker(RedisStreamBroker):
    """Redis streams with a listener that can always be stopped."""

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        """Wake-ups as they come. A worker that is told to stop cancels this once, and redis-py may swallow that."""
        async with aclosing(super().listen()) as messages:
            while True:
                try:
                    message = await run_cancellable(anext(messages))
                except StopAsyncIteration:
                    return
                yield message


def make_broker(settings: NetworkSettings) -> JobBroker:
    """The network's broker, not yet started. Both networks may share a Redis server: the stream carries the name."""
    return JobBroker(
        settings.redis_url.get_secret_value(),
        queue_name=f"airlock:{settings.network_name}:jobs",
        consumer_group_name=f"airlock-{settings.network_name}",
        # The group begins with the stream: what was sent before the first worker came is not lost on it.
        consumer_id="0",
        maxlen=STREAM_LIMIT,
        idle_timeout=REDELIVER_AFTER_MS,
        unacknowledged_lock_timeout=CLAIM_LOCK_SECONDS,
        xread_block=2000,
        xread_count=16,
        socket_connect_timeout=5,
        health_check_interval=30,
    )
