"""The answer to a search that may be asked: a kept one, or the engine's, which is then kept."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.metrics import QUERY_DURATION
from common.search.kind import query_type
from response_svc.domain.incoming_request import Answer, Failure, FailureReason
from response_svc.search.answers import EngineTimeoutError

if TYPE_CHECKING:
    from airlock.search.v1.search_pb2 import Search

    from response_svc.ports import AnswerCache, SearchEngine
    from response_svc.search.answers import EngineAnswer


@dataclass(frozen=True, slots=True)
class Answering:
    """Where answers come from, and how long the engine may take."""

    cache: AnswerCache
    engine: SearchEngine
    timeout_seconds: float = 30
    # How much later than its timeout an engine may answer; one that hangs would else hold the request for ever.
    engine_grace_seconds: float = 10


async def answer(
    answering: Answering, index: str, search: Search, *, max_bytes: int, accept_partial: bool
) -> Answer | Failure:
    """The kept answer or the engine's. Kept are whole answers only, whoever asked, so each is measured anew."""
    kept = await answering.cache.find(index, search)
    if kept.answer is not None:
        return kept.answer if len(kept.answer.body) <= max_bytes else too_large(max_bytes)
    with QUERY_DURATION.labels(query_type(search)).time():
        found = await asked(answering, index, search, max_bytes=max_bytes, accept_partial=accept_partial)
    if len(found.body) > max_bytes:
        return too_large(max_bytes)
    fresh = Answer(found.body, found.hit_count, found.took_ms, partial=found.partial)
    await answering.cache.keep(index, search, fresh, kept.generation)
    return fresh


def too_large(max_bytes: int) -> Failure:
    """The end of a request whose answer is longer than its user may have."""
    message = f"The answer is larger than the {max_bytes} bytes that you may have; ask for fewer hits or fields."
    return Failure(FailureReason.RESULT_TOO_LARGE, message)


async def asked(
    answering: Answering, index: str, search: Search, *, max_bytes: int, accept_partial: bool
) -> EngineAnswer:
    """The engine's own answer; raises EngineError, and EngineTimeoutError too for an engine that hangs."""
    try:
        async with asyncio.timeout(answering.timeout_seconds + answering.engine_grace_seconds):
            return await answering.engine.search(
                index,
                search,
                timeout_seconds=answering.timeout_seconds,
                max_bytes=max_bytes,
                accept_partial=accept_partial,
            )
    except TimeoutError:
        raise EngineTimeoutError("the search engine hangs; it did not even say that its time was over") from None
