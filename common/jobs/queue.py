"""Wakes a job from anywhere: a use case after its commit, a handler, a job. A wake-up that is lost costs time only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import structlog
from taskiq.kicker import AsyncKicker

if TYPE_CHECKING:
    from taskiq import AsyncBroker

log = structlog.get_logger("jobs")

MOST_AT_ONCE: Final = 64
"""Wake-ups that one call sends; more workers than that are not woken faster by it."""


class JobQueue(Protocol):
    """Whatever can wake a job."""

    async def wake(self, name: str, times: int = 1) -> None:
        """Asks for `times` runs of the job `name`, soon."""
        ...


class BrokerJobQueue:
    """Wakes through the broker. Redis away is logged and swallowed: each job has a sweep that finds what waits."""

    def __init__(self, broker: AsyncBroker) -> None:
        """`broker` is started and closed by its owner."""
        self._broker = broker

    async def wake(self, name: str, times: int = 1) -> None:
        """Sends at most MOST_AT_ONCE wake-ups."""
        try:
            for _ in range(min(times, MOST_AT_ONCE)):
                await AsyncKicker(task_name=name, broker=self._broker, labels={}).kiq()
        except Exception as error:  # noqa: BLE001 - a sweep makes up for it, whatever it was.
            log.warning("wake_up_not_sent", job=name, error=type(error).__name__)
