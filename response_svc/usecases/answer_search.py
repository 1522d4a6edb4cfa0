"""The answer to a question: a kept one, that of an equal question under way, or the engine's, which is then kept."""

from __future__ import annotations

import asyncio
import copy
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from common.metrics import QUERY_DURATION
from common.search.kind import query_type
from response_svc.domain.flight import Flight, NoAnswer
from response_svc.domain.incoming_request import Answer
from response_svc.search.answers import EngineError, EngineTimeoutError, PartialResultError, ResultTooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from response_svc.domain.question import Question
    from response_svc.ports import AnswerCache, SearchEngine
    from response_svc.usecases.flights import Ending, Flights

MOST_WAITS: Final = 3
"""For so many leaders that were cancelled or killed one waits in turn; then one asks for himself."""


@dataclass(frozen=True, slots=True)
class Answering:
    """Where answers come from, and how long the engine may take.

    `asking` bounds how many ask the engine at once, and `lend` gives the executor's place to another while one waits
    for an answer that somebody else asked for.
    """

    cache: AnswerCache
    flights: Flights
    engine: SearchEngine
    timeout_seconds: float = 30
    # How much later than its timeout an engine may answer; one that hangs would else hold the request for ever.
    engine_grace_seconds: float = 10
    asking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(256))
    lend: Callable[[], AbstractAsyncContextManager[None]] = nullcontext


async def answer(answering: Answering, question: Question, *, accept_partial: bool) -> Answer:
    """The answer as far as its asker may have it. Raises EngineError, also that of whoever was waited for."""
    found = await kept_or_shared(answering, question)
    if found is None or isinstance(found, Flight):
        found = await fresh(answering, question, found, accept_partial=accept_partial)
    return fitting(found, question)


async def kept_or_shared(answering: Answering, question: Question) -> Answer | Flight | None:
    """The answer that is kept or that an equal question brings; else the flight that this one may lead, if any."""
    found = await answering.cache.find(question)
    for _ in range(MOST_WAITS):
        if not isinstance(found, Flight) or found.leads:
            break
        async with answering.lend():
            ending = await answering.flights.ending(found)
        if isinstance(ending, Answer):
            return replace(ending, cache_hit=True)
        if isinstance(ending, EngineError):
            raise shared_error(ending)
        if ending is NoAnswer.ALONE:
            break
        found = await answering.cache.find(question, again=True)
    return found


async def fresh(answering: Answering, question: Question, flight: Flight | None, *, accept_partial: bool) -> Answer:
    """The engine's own answer, which is kept. Those who wait for a flight that this one leads hear of its end."""
    if flight is None:
        return await asked(answering, question, accept_partial=accept_partial)
    ending: Ending = NoAnswer.GONE
    is_kept = False
    try:
        if flight.leads:
            answering.flights.lead(flight)
        found = await asked(answering, question, accept_partial=accept_partial)
        ending = shared(found)
        is_kept = await answering.cache.keep(flight, found)
    except Exception as error:
        ending = shared(error)
        raise
    finally:
        if flight.leads:
            answering.flights.land(flight, ending, is_kept=is_kept)
    return found


def shared_error(error: EngineError) -> EngineError:
    """The error for one who waited. Each has his own, so that nobody's traceback grows with those of the others."""
    own = copy.copy(error)
    own.shared = True
    return own


def shared(ended: Answer | Exception) -> Ending:
    """What others get of it. Whether a partial answer or its refusal is of use depends on who asks."""
    if isinstance(ended, Answer):
        return NoAnswer.ALONE if ended.partial else ended
    return ended if isinstance(ended, EngineError) and not isinstance(ended, PartialResultError) else NoAnswer.ALONE


async def asked(answering: Answering, question: Question, *, accept_partial: bool) -> Answer:
    """What the engine says now; raises EngineError, and EngineTimeoutError too for an engine that hangs."""
    async with answering.asking:
        with QUERY_DURATION.labels(query_type(question.search)).time():
            try:
                async with asyncio.timeout(answering.timeout_seconds + answering.engine_grace_seconds):
                    found = await answering.engine.search(
                        question.index,
                        question.search,
                        timeout_seconds=answering.timeout_seconds,
                        max_bytes=question.scope.max_bytes,
                        accept_partial=accept_partial,
                    )
            except TimeoutError:
                message = "the search engine hangs; it did not even say that its time was over"
                raise EngineTimeoutError(message) from None
    return fitting(Answer(found.body, found.hit_count, found.took_ms, partial=found.partial), question)


def fitting(found: Answer, question: Question) -> Answer:
    """The answer if it is not longer than its asker may have. Raises ResultTooLargeError."""
    longest = question.scope.max_bytes
    if len(found.body) > longest:
        message = f"The answer is larger than the {longest} bytes that you may have; ask for fewer hits or fields."
        raise ResultTooLargeError(message)
    return found
