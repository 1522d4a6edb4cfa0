"""A search engine with faults of its own: away, hanging, asked too much, talking nonsense, or with one index red.

All processes of a network share one set of `Ailments`; each has an `AilingEngine` of its own, which can be held up.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from common.search.emit import emit_body
from response_svc.search.answers import (
    EngineHealth,
    EngineOverloadedError,
    EngineTimeoutError,
    EngineUnavailableError,
    PartialResultError,
    SearchUnavailableError,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from airlock.search.v1.search_pb2 import Search

    from response_svc.ports import SearchEngine
    from response_svc.search.answers import EngineAnswer

HELD_SECONDS: Final = 10.0
HANGS_SECONDS: Final = 0.02


class Ailment(StrEnum):
    """How the engine is."""

    WELL = "well"
    # It takes no connection.
    AWAY = "away"
    # It takes connections and says nothing more.
    HANGING = "hanging"
    # 429 to most.
    OVERLOADED = "overloaded"
    # 503 to everybody, though it says that it is there.
    UNFIT = "unfit"
    # Now and then something that is no answer.
    GARBAGE = "garbage"
    # One index has lost its shards.
    RED = "red"
    # One index has lost a shard.
    HALF = "half"
    # It answers most and takes too long for some.
    SLOW = "slow"


OUT: Final = frozenset({Ailment.AWAY, Ailment.HANGING})
"""Then it does not even say how it is, and is to be left alone."""
OFTEN: Final = {Ailment.OVERLOADED: 0.7, Ailment.GARBAGE: 0.4, Ailment.SLOW: 0.4}
"""How many searches meet it, if not all."""
AILING: Final = tuple(one for one in Ailment if one is not Ailment.WELL)


@dataclass(slots=True)
class Ailments:
    """What ails the engine now, which content each index has, and the ledger of who met what."""

    choose: random.Random
    # How probable it is at each opportunity that the engine falls ill. Many histories have a healthy one.
    rate: float = 0.0
    executors: int = 2
    processes: int = 2
    present: Ailment = Ailment.WELL
    slots_left: int = 0
    # How often an index was filled anew; its answers say so.
    editions: Counter[str] = field(default_factory=Counter)
    met: dict[tuple[str, bytes], Counter[Ailment]] = field(default_factory=dict)
    # How many searches may have met an engine that is out, and how many did.
    may_meet_out: int = 0
    met_out: int = 0
    outages: int = 0
    fell_ill: Counter[str] = field(default_factory=Counter)

    def pass_slot(self) -> None:
        """Some hours later it may be well again, or ill."""
        if self.present is not Ailment.WELL:
            self.slots_left -= 1
            if self.slots_left <= 0:
                self.present = Ailment.WELL
            return
        if self.choose.random() < self.rate:
            self.fall_ill(self.choose.choice(AILING), slots=self.choose.choice((1, 1, 2, 4, 9)))

    def fall_ill(self, ailment: Ailment, *, slots: int) -> None:
        """From now on, for so many quarters of a day."""
        self.present, self.slots_left = ailment, slots
        self.fell_ill[f"engine {ailment}"] += 1
        if ailment in OUT:
            self.outages += 1
            self.may_meet_out += self.executors * self.processes

    def recover(self) -> None:
        """For good."""
        self.rate, self.present = 0.0, Ailment.WELL

    def strikes(self, index: str) -> Ailment:
        """What a search of that index meets now."""
        ailment = self.present
        if ailment in {Ailment.RED, Ailment.HALF} and index != "cities":
            return Ailment.WELL
        if ailment in OFTEN and self.choose.random() >= OFTEN[ailment]:
            return Ailment.WELL
        return ailment

    def note(self, index: str, body: bytes, ailment: Ailment) -> None:
        """A search has met it."""
        self.met.setdefault((index, body), Counter())[ailment] += 1
        self.met_out += ailment in OUT

    def met_by(self, index: str, body: bytes) -> int:
        """How many attempts of a question the engine may have used up; while it is out, few."""
        met = self.met.get((index, body), Counter())
        while_out = sum(met[ailment] for ailment in OUT)
        return met.total() - while_out + min(while_out, self.outages * self.processes)


class AilingEngine:
    """`SearchEngine` over a healthy one. What it gives names the content of its index at the moment of asking."""

    def __init__(self, plain: SearchEngine, ailments: Ailments) -> None:
        self.plain = plain
        self._ailments = ailments
        self._let_go: asyncio.Event | None = None
        self._held = asyncio.Event()

    def hold_up(self) -> None:
        """From now on every search ends only after `let_go`, with what it would have brought before."""
        self._let_go, self._held = asyncio.Event(), asyncio.Event()

    def let_go(self) -> None:
        """Ends it."""
        if self._let_go is not None:
            self._let_go.set()
            self._let_go = None

    async def holds_one_of(self, run: asyncio.Task[Any]) -> bool:
        """Waits until a search is held up; False once the run has ended without any."""
        held = asyncio.ensure_future(self._held.wait())
        await asyncio.wait({held, run}, return_when=asyncio.FIRST_COMPLETED, timeout=HELD_SECONDS)
        held.cancel()
        return not run.done()

    async def search(
        self, index: str, search: Search, *, timeout_seconds: float, max_bytes: int, accept_partial: bool
    ) -> EngineAnswer:
        """See the port."""
        ailment, edition = self._ailments.strikes(index), self._ailments.editions[index]
        if self._let_go is not None:
            self._held.set()
            await self._let_go.wait()
        half = ailment is Ailment.HALF and accept_partial
        if ailment is not Ailment.WELL and not half:
            self._ailments.note(index, emit_body(search), ailment)
            await _fail(ailment)
        answer = await self.plain.search(
            index, search, timeout_seconds=timeout_seconds, max_bytes=max_bytes, accept_partial=accept_partial
        )
        return replace(answer, body=marked(answer.body, edition=edition, half=half), partial=half)

    async def fields(self, index: str) -> Mapping[str, str]:
        """See the port."""
        if self._ailments.present in OUT:
            raise EngineUnavailableError("the search engine is out")
        return await self.plain.fields(index)

    async def check(self) -> EngineHealth:
        """See the port."""
        if self._ailments.present in OUT:
            return EngineHealth("ailing", "", healthy=False, detail="it is out", reachable=False)
        return await self.plain.check()

    async def close(self) -> None:
        """See the port."""
        await self.plain.close()


async def _fail(ailment: Ailment) -> None:
    match ailment:
        case Ailment.HANGING:
            # As if the time had passed that such a search is given.
            await asyncio.sleep(HANGS_SECONDS)
            raise TimeoutError
        case Ailment.SLOW:
            raise EngineTimeoutError("the search did not finish in time")
        case Ailment.OVERLOADED:
            raise EngineOverloadedError("the search engine cannot answer now (status 429)")
        case Ailment.RED:
            raise SearchUnavailableError("the search engine cannot answer this search (status 503)")
        case Ailment.HALF:
            raise PartialResultError("part of the index did not answer")
        case _:
            raise EngineUnavailableError(f"the search engine is {ailment}")


def marked(body: bytes, *, edition: int, half: bool) -> bytes:
    """The answer with a word on what it was made of. One of a whole index that was filled once needs none."""
    marks = (f',"edition":{edition}' if edition else "") + (',"half":true' if half else "")
    return body.rstrip().removesuffix(b"}") + marks.encode() + b"}" if marks else body


def unmarked(body: bytes) -> tuple[bytes, int, bool]:
    """The answer without that word, and what it said: which edition, and whether only half of it."""
    answer = json.loads(body)
    edition, half = answer.pop("edition", 0), answer.pop("half", False)
    return (json.dumps(answer).encode() if edition or half else body), edition, half
