"""Small answers in Redis for a week, which spares the database repeated reads. Redis may forget or be away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from redis.exceptions import RedisError

from common.cache_lookups import CacheLookups

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from redis.asyncio import Redis

log = structlog.get_logger("request_svc.answer_cache")

MAX_CACHED_BYTES: Final = 64 * 1024
CACHED_SECONDS: Final = 7 * 24 * 3600
_CACHE: Final = "answers"


def cache_key(request_id: UUID) -> str:
    """The name under which an answer lies in Redis."""
    return f"answer:{request_id}"


class RedisAnswerCache:
    """`AnswerCache` on Redis. Every entry expires, so that a full Redis may drop it before what it must keep."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._lookups = CacheLookups(_CACHE)

    async def get(self, request_id: UUID) -> bytes | None:
        """See the port."""
        try:
            data = await self._redis.get(cache_key(request_id))
        except (RedisError, OSError, TimeoutError) as error:
            self._lookups.count("away")
            log.warning("answer_cache_away", error=type(error).__name__)
            return None
        self._lookups.count("miss" if data is None else "hit")
        return bytes(data) if isinstance(data, (bytes, bytearray)) else None

    async def put(self, answers: Sequence[tuple[UUID, bytes]]) -> None:
        """See the port. Longer answers than 64 KiB are left out."""
        small = [(request_id, data) for request_id, data in answers if len(data) <= MAX_CACHED_BYTES]
        if not small:
            return
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for request_id, data in small:
                    pipeline.set(cache_key(request_id), data, ex=CACHED_SECONDS)
                await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("answer_cache_away", error=type(error).__name__)
