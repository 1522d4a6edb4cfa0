"""Answers kept in Redis for some minutes. Redis may be away or emptied at any time; then the engine is asked again."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from redis.exceptions import RedisError

from common.cache_lookups import CacheLookups
from common.errors import UnavailableError
from common.search.now import depends_on_now
from response_svc.adapters.answers.layout import (
    EVERY_INDEX_KEY,
    GENERATION_BYTES,
    LAYOUT,
    after_time,
    answer_in,
    askings_key,
    before_time,
    cache_key,
    flight_key,
    generation_key,
)
from response_svc.adapters.answers.lookups import COUNTED_SECONDS, lookups_key, read_state
from response_svc.adapters.answers.script import TOKEN_BYTES, by_server, script
from response_svc.domain.flight import LARGEST_KEPT_BYTES, Flight

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from response_svc.domain.cache_state import CacheState
    from response_svc.domain.incoming_request import Answer
    from response_svc.domain.question import Question

log = structlog.get_logger("response.cache")

FLIGHT_MILLISECONDS: Final = 6000
"""How long those who wait believe in a leader of whom nothing is heard."""
PAUSE_SECONDS: Final = 1.0
"""How long Redis is left alone after it failed: else each search would wait for one that hangs."""
FIND_CONSTANTS: Final = {
    "LAYOUT": LAYOUT,
    "GENERATION_BYTES": GENERATION_BYTES,
    "FLIGHT_MILLISECONDS": FLIGHT_MILLISECONDS,
    "COUNTED_SECONDS": COUNTED_SECONDS,
}
# What Redis says of a look-up.
FOUND: Final = {b"hit": "hit", b"joined": "joined", b"miss": "miss"}


@dataclass(frozen=True, slots=True)
class Lives:
    """For how many seconds an answer is kept; 0 keeps none. Hot is what is asked `hot_count` times in `hot_window`."""

    normal: int = 300
    aggregations: int = 1800
    hot: int = 900
    hot_count: int = 5
    hot_window: int = 900

    def of(self, question: Question) -> int:
        """Of an answer that few ask for. What is asked relative to now is not kept."""
        seconds = self.aggregations if question.search.aggs else self.normal
        return seconds if seconds and not depends_on_now(question.search) else 0

    def longest(self, seconds: int) -> int:
        """Of the same answer when it is hot: so long after it came from the engine at most, however many ask."""
        return max(seconds, self.hot)


class RedisAnswerCache:
    """The cache in Redis. A look-up is one round trip, and so is keeping an answer.

    Forgetting is one write whatever there is: each answer bears the generation in which it was asked for, a random
    number of its index and one of all, and is found in that generation only.
    """

    def __init__(
        self,
        redis: Redis,
        lives: Lives,
        *,
        milliseconds: Callable[[], int] = by_server,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`milliseconds`, else the server's, and `clock` are for tests that move the time."""
        self._redis = redis
        self._lives = lives
        self._milliseconds = milliseconds
        self._clock = clock
        self._next_try = 0.0
        hot = {"HOT_COUNT": lives.hot_count, "HOT_WINDOW": lives.hot_window * 1000}
        self._find = script(redis, "find", **hot, **FIND_CONSTANTS)
        self._keep = script(redis, "keep", **hot)
        self._lookups = CacheLookups("answers")

    async def find(self, question: Question, *, again: bool = False) -> Answer | Flight | None:
        """See the port."""
        seconds = self._lives.of(question)
        if seconds == 0:
            return None
        if self._clock() < self._next_try:
            self._lookups.count("away")
            return None
        key = cache_key(question)
        try:
            outcome, generation, found = await self._look_up(question.index, key, seconds, again=again)
        except (RedisError, OSError) as error:
            self._lookups.count("away")
            self._next_try = self._clock() + PAUSE_SECONDS
            log.warning("cache_unavailable", step="find", error=type(error).__name__)
            return None
        if not again:
            self._lookups.count(FOUND[outcome])
        if outcome == b"hit":
            return answer_in(found)
        return Flight(key, question.index, seconds, generation, found, leads=outcome == b"miss")

    async def _look_up(self, index: str, key: str, seconds: int, *, again: bool) -> Any:  # noqa: ANN401 - bytes.
        return await self._find(
            keys=[*keys_of(key, index), lookups_key()],
            args=[
                secrets.token_bytes(TOKEN_BYTES),
                self._milliseconds(),
                self._lives.longest(seconds) * 1000,
                0 if again else 1,
            ],
        )

    async def keep(self, flight: Flight, answer: Answer) -> bool:
        """See the port."""
        if answer.partial or len(answer.body) > LARGEST_KEPT_BYTES:
            return False
        try:
            kept = await self._keep(
                keys=keys_of(flight.key, flight.index),
                args=[
                    flight.generation,
                    flight.token,
                    self._milliseconds(),
                    before_time(flight.generation),
                    after_time(answer),
                    flight.seconds * 1000,
                    self._lives.longest(flight.seconds) * 1000,
                ],
            )
        except (RedisError, OSError) as error:
            log.warning("cache_unavailable", step="keep", error=type(error).__name__)
            return False
        return bool(kept)

    async def forget(self, index: str | None) -> None:
        """See the port."""
        key = EVERY_INDEX_KEY if index is None else generation_key(index)
        try:
            await self._redis.set(key, secrets.token_bytes(GENERATION_BYTES))
        except (RedisError, OSError) as error:
            log.warning("cache_unavailable", step="forget", error=type(error).__name__)
            raise UnavailableError(
                "Redis does not answer, so kept answers may still be given; try again in a moment.",
                metadata={"part": "redis"},
                retry_after_seconds=1,
            ) from None

    async def state(self) -> CacheState:
        """See the port."""
        return await read_state(self._redis)


def keys_of(key: str, index: str) -> list[str]:
    """What both scripts look at, of the answer under `key`."""
    return [EVERY_INDEX_KEY, generation_key(index), askings_key(key), key, flight_key(key)]
