"""Those who look after searching in a rehearsal: requests tried again or ended, answers forgotten, Redis emptied."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from common.errors import AirlockError
from response_svc.adapters.answers.cache import Lives, RedisAnswerCache
from response_svc.adapters.decided_requests import PostgresDecidedRequests
from response_svc.usecases.decide_request import DecisionContext, fail_request, retry_request
from response_svc.usecases.invalidate_cache import invalidate_cache
from sandbox.rehearsal.people import CALLER
from sandbox.rehearsal.side import ALLOWED

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from sandbox.rehearsal.ailments import Ailments
    from sandbox.rehearsal.side import Side


@dataclass(slots=True)
class Overseers:
    """Decide on the Response Network. `deeds` counts what was done."""

    response: Side
    ailments: Ailments
    ended: set[UUID] = field(default_factory=set)
    deeds: dict[str, int] = field(default_factory=dict)
    # From which moment of the database's clock on answers must be of which content of the index, or a later one.
    forgotten: list[tuple[datetime, int]] = field(default_factory=list)

    async def act(self, choose: random.Random) -> None:
        """One thing."""
        what = choose.random()
        if what < 0.3:
            await self.try_again(choose)
        elif what < 0.5:
            await self.end_one(choose, ("pending", "retry"))
        elif what < 0.8:
            await self.fill_anew(everything=choose.random() < 0.3)
        else:
            await self.empty_redis(self.response)

    async def try_again(self, choose: random.Random) -> None:
        """One that failed, if that can still be done."""
        row = await self._one(choose, ("failed",))
        if row is not None:
            with suppress(AirlockError):
                await retry_request(self._context(), row.id, caller=CALLER)
                self.ended.discard(row.id)
                self._count("had a request tried again")

    async def end_one(self, choose: random.Random, states: tuple[str, ...]) -> None:
        """One that waits or runs."""
        row = await self._one(choose, states)
        if row is not None:
            with suppress(AirlockError):
                await fail_request(self._context(), row.id, "nobody needs it", caller=CALLER)
                self.ended.add(row.id)
                self._count(f"ended a {row.status} request")

    async def fill_anew(self, *, everything: bool) -> None:
        """The index has another content, and the admin says so."""
        self.ailments.editions[ALLOWED] += 1
        app = self.response.app
        try:
            cache = RedisAnswerCache(app.redis, Lives())
            await invalidate_cache(app.policy, cache, None if everything else ALLOWED, caller=CALLER)
        except AirlockError:
            return
        at = (await self.response.rows("SELECT clock_timestamp() AS at"))[0].at
        self.forgotten.append((at, self.ailments.editions[ALLOWED]))
        self._count("had answers forgotten")

    async def empty_redis(self, side: Side) -> None:
        """Everything in it may be lost at any moment."""
        await side.app.redis.flushdb()
        self._count("emptied Redis")

    def oldest_edition(self, begun_at: datetime) -> int:
        """Which content an execution of that moment must have seen at least."""
        return max((edition for at, edition in self.forgotten if at <= begun_at), default=0)

    def _context(self) -> DecisionContext:
        return DecisionContext(self.response.app.database, PostgresDecidedRequests(), _nothing, self.response.clock)

    async def _one(self, choose: random.Random, states: tuple[str, ...]) -> Any:  # noqa: ANN401 - a row or None.
        which = choose.random()
        rows = await self.response.rows(
            "SELECT original_request_id AS id, status FROM incoming_requests WHERE status = ANY(:states) ORDER BY 1",
            states=list(states),
        )
        return rows[int(which * len(rows))] if rows else None

    def _count(self, deed: str) -> None:
        self.deeds[deed] = self.deeds.get(deed, 0) + 1


async def _nothing() -> None:
    """The executors of a rehearsal run when it is their turn."""


async def fits_the_master(rows: Mapping[UUID, Any], results: Mapping[UUID, Any]) -> list[str]:
    """Ends on the Request Network that are not the Response Network's. Only where no database was set back."""
    return [
        f"request {request_id} is {row.status} {row.failure_reason} here and {_of(results.get(request_id))} there"
        for request_id, row in rows.items()
        if row.status in {"completed", "failed"} and not _same(row, results.get(request_id))
    ]


def _same(row: Any, result: Any) -> bool:  # noqa: ANN401 - rows.
    return result is not None and (row.status, row.failure_reason, row.body) == (
        result.status,
        result.failure_reason,
        result.body,
    )


def _of(result: Any) -> str:  # noqa: ANN401 - a row or None.
    return f"{result.status} {result.failure_reason}" if result is not None else "without an end"
