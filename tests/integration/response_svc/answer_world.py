"""Questions, and processes of this network that ask them over one Redis and one engine."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from redis.asyncio import Redis

from response_svc.adapters.answers.cache import Lives, RedisAnswerCache
from response_svc.adapters.answers.flights import RedisFlights
from response_svc.adapters.answers.script import by_server
from response_svc.domain.question import Question, ResultScope, result_scope
from response_svc.search.answers import EngineAnswer, EngineHealth
from response_svc.usecases.answer_search import Answering, answer
from response_svc.usecases.flights import Flights
from tests.integration.response_svc.world import BODY, search_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airlock.search.v1.search_pb2 import Search

    from response_svc.domain.incoming_request import Answer

EVERY_RIGHT = result_scope(None)


def question_for(
    city: str = "Tehran", *, index: str = "cities", scope: ResultScope = EVERY_RIGHT, search: Search | None = None
) -> Question:
    return Question(index, search if search is not None else search_for(city), scope)


@dataclass
class HeldEngine:
    """A search engine that answers, or fails, only once it is let go; at once what it does not hold."""

    outcomes: list[EngineAnswer | Exception] = field(default_factory=list)
    asked: int = 0
    most_at_once: int = 0
    running: int = 0
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    holds: Callable[[Search], bool] = field(default=lambda _search: True)

    async def search(
        self, index: str, search: Search, *, timeout_seconds: float, max_bytes: int, accept_partial: bool
    ) -> EngineAnswer:
        self.asked += 1
        outcome = self.outcomes.pop(0) if self.outcomes else EngineAnswer(BODY, took_ms=3, hit_count=1)
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            if self.holds(search):
                await self.let_go.wait()
        finally:
            self.running -= 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def fields(self, index: str) -> Mapping[str, str]:
        return {}

    async def check(self) -> EngineHealth:
        return EngineHealth("held", "1", healthy=True, detail="")

    async def close(self) -> None:
        return None


class Process:
    """One process with connections of its own, as `answering` stands in the composition root."""

    def __init__(
        self,
        redis_url: str,
        engine: HeldEngine,
        *,
        lives: Lives | None = None,
        milliseconds: Callable[[], int] = by_server,
        renew_seconds: float = 2,
    ) -> None:
        self.redis = Redis.from_url(redis_url, socket_timeout=5, socket_connect_timeout=5)
        self.cache = RedisAnswerCache(self.redis, lives or Lives(), milliseconds=milliseconds)
        flights = Flights(RedisFlights(self.redis), longest_seconds=60, renew_seconds=renew_seconds)
        self.answering = Answering(self.cache, flights, engine)

    def ask(self, question: Question, *, accept_partial: bool = False) -> asyncio.Task[Answer]:
        """Asks beside whatever else happens."""
        return asyncio.create_task(answer(self.answering, question, accept_partial=accept_partial))


async def until(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    """Returns once it holds; fails after so many seconds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - nobody tells.
            await asyncio.sleep(0.005)
