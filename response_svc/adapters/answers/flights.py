"""Executions that processes and hosts share by way of Redis: who leads is still there, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from redis.exceptions import RedisError

from response_svc.adapters.answers.cache import FLIGHT_MILLISECONDS
from response_svc.adapters.answers.layout import end_key, flight_key
from response_svc.adapters.answers.script import script
from response_svc.domain.flight import Flight, NoAnswer
from response_svc.search.answers import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio import Redis

log = structlog.get_logger("response.cache")

TOLD_MILLISECONDS: Final = 10_000
"""How long those who wait can read that a flight brought no answer; they look several times a second."""


def kinds_of(error: type[EngineError]) -> Iterator[type[EngineError]]:
    """The kind itself and all that there are of it."""
    yield error
    for kind in error.__subclasses__():
        yield from kinds_of(kind)


class RedisFlights:
    """The flights of all processes. Without Redis everybody is told to ask the engine for himself."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        # Not when this module is imported: engines have kinds of their own.
        self._kinds = {kind.__name__: kind for kind in kinds_of(EngineError)}
        self._renew = script(redis, "renew")
        self._end = script(redis, "end")

    async def renew(self, flight: Flight) -> None:
        """See the port."""
        try:
            await self._renew(keys=[flight_key(flight.key)], args=[value(flight), FLIGHT_MILLISECONDS])
        except (RedisError, OSError) as error:
            log.warning("cache_unavailable", step="renew", error=type(error).__name__)

    async def end(self, flight: Flight, ending: EngineError | NoAnswer) -> None:
        """See the port."""
        try:
            await self._end(
                keys=[flight_key(flight.key), end_key(flight.token)],
                args=[value(flight), written(ending), TOLD_MILLISECONDS],
            )
        except (RedisError, OSError) as error:
            log.warning("cache_unavailable", step="end", error=type(error).__name__)

    async def look(self, flight: Flight) -> EngineError | NoAnswer | None:
        """See the port."""
        try:
            told, leading = await self._redis.mget(end_key(flight.token), flight_key(flight.key))
        except (RedisError, OSError) as error:
            log.warning("cache_unavailable", step="look", error=type(error).__name__)
            return NoAnswer.ALONE
        if isinstance(told, bytes):
            return self._read(told)
        return None if leading == value(flight) else NoAnswer.GONE

    def _read(self, told: bytes) -> EngineError | NoAnswer:
        name, _, message = told.decode(errors="replace").partition("\n")
        kind = self._kinds.get(name)
        return kind(message) if kind is not None else NoAnswer.ALONE


def value(flight: Flight) -> bytes:
    """What stands in Redis while the flight is under way."""
    return flight.generation + flight.token


def written(ending: EngineError | NoAnswer) -> str:
    """What those who wait are told; nothing when they are to look for themselves."""
    if isinstance(ending, NoAnswer):
        return "" if ending is NoAnswer.GONE else ending.value
    return f"{type(ending).__name__}\n{ending.message}"
