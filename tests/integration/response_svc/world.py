"""A fake search engine, and what tests of this network need to make requests arrive and to look at rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from airlock.bundle.v1.record_pb2 import Cancellation, Record, Request
from airlock.common.v1.network_pb2 import BUNDLE_KIND_REQUESTS
from airlock.search.v1.search_pb2 import Search
from sqlalchemy import text

from common.batches.ports import IncomingBatch, OutgoingBatch
from common.policy import limits as policy_limits
from common.policy.limits import effective
from common.rpc.caller import current_caller
from response_svc.adapters.import_requests import requests_sinks
from response_svc.domain.cache_state import CacheState
from response_svc.domain.flight import NoAnswer
from response_svc.domain.user import NewUser, User
from response_svc.search.answers import EngineAnswer, EngineHealth, EngineUnavailableError, NoSuchIndexError
from response_svc.usecases.change_users import UserContext, create_user
from response_svc.usecases.execute_next import execute_next

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from common.database.transaction import Database
    from common.policy.policy import Policy
    from response_svc.domain.flight import Flight
    from response_svc.domain.incoming_request import Answer
    from response_svc.domain.question import Question
    from response_svc.search.answers import EngineError
    from response_svc.usecases.execute_next import ExecutionContext

BODY = b'{"took":3,"hits":{"total":{"value":9007199254740993},"hits":[]}}'
BASIC = effective(policy_limits.BASIC, None)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FakeEngine:
    """A search engine that gives the prepared answers or errors in turn, and then one good answer for ever.

    While it is `away` it gives nothing.
    """

    def __init__(self, *prepared: EngineAnswer | Exception) -> None:
        self.prepared = list(prepared)
        self.mappings: dict[str, dict[str, str] | Exception] = {"cities": {"name": "text", "population": "long"}}
        self.longest: list[int] = []
        self.asked: list[tuple[str, Search]] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self.away = False
        self.check_says_reachable = True
        self.checks = 0

    async def search(
        self, index: str, search: Search, *, timeout_seconds: float, max_bytes: int, accept_partial: bool
    ) -> EngineAnswer:
        assert timeout_seconds > 0
        self.longest.append(max_bytes)
        self.asked.append((index, search))
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.away:
            raise EngineUnavailableError("The engine cannot be reached.")
        following = self.prepared.pop(0) if self.prepared else EngineAnswer(BODY, took_ms=3, hit_count=1)
        if isinstance(following, Exception):
            raise following
        return following

    async def fields(self, index: str) -> dict[str, str]:
        mapping = self.mappings.get(index, NoSuchIndexError(f"no such index [{index}]"))
        if isinstance(mapping, Exception):
            raise mapping
        return mapping

    async def check(self) -> EngineHealth:
        self.checks += 1
        reachable = self.check_says_reachable and not self.away
        return EngineHealth("fake", "1", healthy=reachable, detail="a fake", reachable=reachable)

    async def close(self) -> None:
        return None


class NoCache:
    """A cache that keeps nothing, as one whose Redis is away."""

    async def find(self, question: Question, *, again: bool = False) -> Answer | Flight | None:
        return None

    async def keep(self, flight: Flight, answer: Answer) -> bool:
        return False

    async def forget(self, index: str | None) -> None:
        return None

    async def state(self) -> CacheState:
        return CacheState(available=False)


class NoFlights:
    """A board that tells nothing of other processes."""

    async def renew(self, flight: Flight) -> None:
        return None

    async def end(self, flight: Flight, ending: EngineError | NoAnswer) -> None:
        return None

    async def look(self, flight: Flight) -> EngineError | NoAnswer | None:
        return NoAnswer.ALONE


@dataclass
class FixedPolicy:
    """The policy that a test says."""

    current: Policy


def micros(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def search_for(city: str) -> Search:
    search = Search(size=3)
    search.query.match["name"].query.string_value = city
    return search


def question(user: User | UUID, *, minute: int = 0, **fields: Any) -> Record:
    """A request of the user, made so many minutes after the start."""
    user_id = user.id if isinstance(user, User) else user
    defaults = {
        "id": uuid4().bytes,
        "user_id": user_id.bytes,
        "index": "cities",
        "priority": 5,
        "created_at_micros": micros(START + timedelta(minutes=minute)),
        "search": search_for("Tehran"),
    }
    return Record(request=Request(**{**defaults, **fields}))


def cancellation(request: Record) -> Record:
    return Record(cancellation=Cancellation(request_id=request.request.id, cancelled_at_micros=micros(START)))


def id_of(request: Record) -> UUID:
    return UUID(bytes=request.request.id)


@dataclass
class Arrivals:
    """Lets records arrive as whole bundles, and counts for how many the executors were woken."""

    database: Database
    woken: int = 0

    async def arrive(self, *records: Record) -> dict[str, int]:
        batch = IncomingBatch(
            batch_id=uuid4(),
            source_batch_id=uuid4(),
            kind=BUNDLE_KIND_REQUESTS,
            epoch=1,
            sequence=1,
            sealed_at=START,
            received_at=START,
        )
        sink = requests_sinks(self._wake)(batch)
        async with self.database.transaction() as transaction:
            await sink.apply(transaction, records)
            return await sink.finish(transaction)

    async def _wake(self, requests: int) -> None:
        self.woken += requests


@dataclass
class Numbers:
    """Gives out batches of one stream."""

    epoch: int = 1
    sequence: int = 0
    at: datetime = field(default=START)
    schema_minor: int = 0

    def next(self) -> OutgoingBatch:
        self.sequence += 1
        return OutgoingBatch(uuid4(), self.epoch, self.sequence, self.at, self.schema_minor)


async def make_user(context: UserContext, username: str = "sara", **fields: Any) -> User:
    new = NewUser(username=username, email=f"{username}@example.org", password="a good password", **fields)
    return await create_user(context, new, caller=current_caller())


async def rows(database: Database, statement: str, **parameters: Any) -> list[Any]:
    """What a statement returns."""
    async with database.transaction() as transaction:
        result = await transaction.connection.execute(text(statement), parameters)
        return list(result.all()) if result.returns_rows else []


async def run(execution: ExecutionContext) -> str | None:
    """What became of the next request."""
    ended = await execute_next(execution)
    return ended.outcome if ended is not None else None


async def state(database: Database, request_id: UUID) -> tuple[str, int]:
    """A request's status and how many results it has."""
    [row] = await rows(
        database,
        "SELECT r.status, count(q.id) AS results FROM incoming_requests r"
        " LEFT JOIN query_results q ON q.request_id = r.id WHERE r.original_request_id = :id GROUP BY r.status",
        id=request_id,
    )
    return row.status, row.results
