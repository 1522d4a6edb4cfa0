"""Answers kept in Redis for some minutes. Redis may be away or emptied at any time; then the engine is asked again."""

from __future__ import annotations

import hashlib
import secrets
import struct
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from common.errors import UnavailableError
from common.metrics import CACHE_LOOKUPS
from common.search.normal import normal_form
from common.search.now import depends_on_now
from response_svc.domain.incoming_request import Answer, Kept

if TYPE_CHECKING:
    from airlock.search.v1.search_pb2 import Search
    from redis.asyncio import Redis

log = structlog.get_logger("response.cache")

CACHE = "answers"
DEFAULT_SIZE = 10
LARGEST_KEPT_BYTES = 1024 * 1024
"""Longer answers are rare and would push many short ones out."""

# A layout version, the generation, the engine's milliseconds and the hit count, before the answer's own bytes.
HEAD = struct.Struct(">B16sIQ")
LAYOUT = 2
GENERATION_BYTES = 8
EVERY_INDEX_KEY = "es-generation"
# Longer than any answer is kept, which is a day at most: what it outdates is gone before it.
GENERATION_SECONDS = 7 * 24 * 3600


class RedisAnswerCache:
    """The cache in Redis, under `es:{index}:{sha256 of the normal form}:{size}:{from}`.

    Forgetting is one write whatever there is: each answer bears the generation in which it was asked for, a random
    number of its index and one of all, and is found in that generation only.
    """

    def __init__(self, redis: Redis, *, seconds: int, aggregation_seconds: int) -> None:
        """`seconds` and `aggregation_seconds` say how long an answer is kept; 0 keeps none.

        Nor is one kept that was asked for relative to now.
        """
        self._redis = redis
        self._seconds = seconds
        self._aggregation_seconds = aggregation_seconds

    async def find(self, index: str, search: Search) -> Kept:
        """The kept answer to the same search of the same index, marked as kept."""
        if self._time_to_live(search) == 0:
            return Kept()
        keys = [EVERY_INDEX_KEY, generation_key(index), cache_key(index, search)]
        try:
            every, own, kept = await self._redis.mget(keys)
        except (RedisError, OSError) as error:
            CACHE_LOOKUPS.labels(CACHE, "away").inc()
            log.warning("cache_unavailable", step="find", error=type(error).__name__)
            return Kept()
        generation = fixed(every) + fixed(own)
        found = decoded(kept, generation) if isinstance(kept, bytes) else None
        CACHE_LOOKUPS.labels(CACHE, "hit" if found is not None else "miss").inc()
        return Kept(found, generation)

    async def keep(self, index: str, search: Search, answer: Answer, generation: bytes | None) -> None:
        """Keeps a whole answer; one that is partial or too large is left out."""
        seconds = self._time_to_live(search)
        if seconds == 0 or generation is None or answer.partial or len(answer.body) > LARGEST_KEPT_BYTES:
            return
        head = HEAD.pack(LAYOUT, generation, min(answer.engine_took_ms, 0xFFFFFFFF), answer.hit_count)
        try:
            await self._redis.set(cache_key(index, search), head + answer.body, ex=seconds)
        except (RedisError, OSError) as error:
            log.warning("cache_unavailable", step="keep", error=type(error).__name__)

    async def forget(self, index: str | None) -> None:
        """No answer of `index`, or of any for None, that was kept so far is found again. Raises UnavailableError."""
        key = EVERY_INDEX_KEY if index is None else generation_key(index)
        try:
            await self._redis.set(key, secrets.token_bytes(GENERATION_BYTES), ex=GENERATION_SECONDS)
        except (RedisError, OSError) as error:
            log.warning("cache_unavailable", step="forget", error=type(error).__name__)
            raise UnavailableError(
                "Redis does not answer, so kept answers may still be given; try again in a moment.",
                metadata={"part": "redis"},
                retry_after_seconds=1,
            ) from None

    def _time_to_live(self, search: Search) -> int:
        if depends_on_now(search):
            return 0
        return self._aggregation_seconds if search.aggs else self._seconds


def generation_key(index: str) -> str:
    """Where the generation of the answers of `index` is kept."""
    return f"{EVERY_INDEX_KEY}:{index}"


def cache_key(index: str, search: Search) -> str:
    """Where the answer to `search` of `index` is kept."""
    size = search.size if search.HasField("size") else DEFAULT_SIZE
    return f"es:{index}:{hashlib.sha256(normal_form(search)).hexdigest()}:{size}:{search.from_offset}"


def fixed(generation: object) -> bytes:
    """A generation as it stands in an answer's head; zeros where nothing was ever forgotten."""
    return (generation if isinstance(generation, bytes) else b"")[:GENERATION_BYTES].ljust(GENERATION_BYTES, b"\0")


def decoded(kept: bytes, generation: bytes) -> Answer | None:
    """The kept answer; None for bytes of another layout or generation."""
    if len(kept) < HEAD.size or kept[0] != LAYOUT:
        return None
    _, asked_in, took_ms, hit_count = HEAD.unpack_from(kept)
    if asked_in != generation:
        return None
    return Answer(body=kept[HEAD.size :], hit_count=hit_count, engine_took_ms=took_ms, cache_hit=True)
