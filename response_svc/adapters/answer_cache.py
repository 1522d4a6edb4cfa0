"""Answers kept in Redis for some minutes. Redis may be away or emptied at any time; then the engine is asked again."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from common.metrics import CACHE_LOOKUPS
from common.search.normal import normal_form
from common.search.now import depends_on_now
from response_svc.domain.incoming_request import Answer

if TYPE_CHECKING:
    from airlock.search.v1.search_pb2 import Search
    from redis.asyncio import Redis

log = structlog.get_logger("response.cache")

CACHE = "answers"
DEFAULT_SIZE = 10
LARGEST_KEPT_BYTES = 1024 * 1024
"""Longer answers are rare and would push many short ones out."""

# A layout version, the engine's milliseconds and the hit count, before the answer's own bytes.
HEAD = struct.Struct(">BIQ")
LAYOUT = 1


class RedisAnswerCache:
    """The cache in Redis, under `es:{index}:{sha256 of the normal form}:{size}:{from}`."""

    def __init__(self, redis: Redis, *, seconds: int, aggregation_seconds: int) -> None:
        """`seconds` and `aggregation_seconds` say how long an answer is kept; 0 keeps none.

        Nor is one kept that was asked for relative to now.
        """
        self._redis = redis
        self._seconds = seconds
        self._aggregation_seconds = aggregation_seconds

    async def find(self, index: str, search: Search) -> Answer | None:
        """The kept answer to the same search of the same index, marked as kept."""
        if self._time_to_live(search) == 0:
            return None
        try:
            kept = await self._redis.get(cache_key(index, search))
        except (RedisError, OSError) as error:
            CACHE_LOOKUPS.labels(CACHE, "away").inc()
            log.warning("cache_unavailable", step="find", error=type(error).__name__)
            return None
        found = decoded(kept) if isinstance(kept, bytes) else None
        CACHE_LOOKUPS.labels(CACHE, "hit" if found is not None else "miss").inc()
        return found

    async def keep(self, index: str, search: Search, answer: Answer) -> None:
        """Keeps a whole answer; one that is partial or too large is left out."""
        seconds = self._time_to_live(search)
        if seconds == 0 or answer.partial or len(answer.body) > LARGEST_KEPT_BYTES:
            return
        head = HEAD.pack(LAYOUT, min(answer.engine_took_ms, 0xFFFFFFFF), answer.hit_count)
        try:
            await self._redis.set(cache_key(index, search), head + answer.body, ex=seconds)
        except (RedisError, OSError) as error:
            log.warning("cache_unavailable", step="keep", error=type(error).__name__)

    def _time_to_live(self, search: Search) -> int:
        if depends_on_now(search):
            return 0
        return self._aggregation_seconds if search.aggs else self._seconds


def cache_key(index: str, search: Search) -> str:
    """Where the answer to `search` of `index` is kept."""
    size = search.size if search.HasField("size") else DEFAULT_SIZE
    return f"es:{index}:{hashlib.sha256(normal_form(search)).hexdigest()}:{size}:{search.from_offset}"


def decoded(kept: bytes) -> Answer | None:
    """The kept answer; None for bytes of another layout."""
    if len(kept) < HEAD.size or kept[0] != LAYOUT:
        return None
    _, took_ms, hit_count = HEAD.unpack_from(kept)
    return Answer(body=kept[HEAD.size :], hit_count=hit_count, engine_took_ms=took_ms, cache_hit=True)
