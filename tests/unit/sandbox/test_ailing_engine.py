"""The search engine of rehearsals: its faults, and what its answers say of themselves."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from airlock.search.v1.search_pb2 import Search

from common.search.emit import emit_body
from response_svc.search.answers import EngineAnswer, EngineError, EngineHealth, PartialResultError
from sandbox.rehearsal.ailments import AILING, OUT, AilingEngine, Ailment, Ailments, unmarked

if TYPE_CHECKING:
    from collections.abc import Mapping


class Plain:
    """Answers everything alike."""

    async def search(self, index: str, search: Search, **options: object) -> EngineAnswer:
        return EngineAnswer(b'{"took":1}', 1, 0)

    async def fields(self, index: str) -> Mapping[str, str]:
        return {}

    async def check(self) -> EngineHealth:
        return EngineHealth("plain", "1", healthy=True, detail="")

    async def close(self) -> None:
        """Nothing is open."""


def ailing(ailment: Ailment) -> tuple[AilingEngine, Ailments]:
    ailments = Ailments(random.Random(1), present=ailment)
    return AilingEngine(Plain(), ailments), ailments


async def ask(engine: AilingEngine, *, accept_partial: bool = False) -> EngineAnswer:
    return await engine.search("cities", Search(), timeout_seconds=1, max_bytes=1000, accept_partial=accept_partial)


@pytest.mark.parametrize("ailment", AILING)
async def test_whatever_ails_it_somebody_meets_it_and_it_is_written_down(ailment: Ailment) -> None:
    engine, ailments = ailing(ailment)
    met = 0
    for _ in range(30):
        try:
            await ask(engine)
        except (EngineError, TimeoutError):
            met += 1
    assert met
    assert ailments.met["cities", emit_body(Search())] == {ailment: met}
    assert (await engine.check()).reachable is (ailment not in OUT)


async def test_what_an_engine_that_is_out_may_cost_is_bounded() -> None:
    engine, ailments = ailing(Ailment.WELL)
    ailments.fall_ill(Ailment.AWAY, slots=1)
    for _ in range(10):
        with pytest.raises(EngineError):
            await ask(engine)
    assert ailments.met_out > ailments.may_meet_out
    assert ailments.met_by("cities", emit_body(Search())) == ailments.processes
    ailments.pass_slot()
    assert (await ask(engine)).body == b'{"took":1}'


async def test_an_answer_that_is_held_up_is_of_the_content_at_which_it_was_asked_for() -> None:
    engine, ailments = ailing(Ailment.WELL)
    engine.hold_up()
    asking = asyncio.ensure_future(ask(engine))
    assert await engine.holds_one_of(asking)
    ailments.editions["cities"] += 1
    engine.let_go()
    assert unmarked((await asking).body) == (b'{"took":1}', 0, False)
    assert unmarked((await ask(engine)).body)[1:] == (1, False)


async def test_half_an_answer_says_so_and_goes_to_those_who_take_it() -> None:
    engine, _ = ailing(Ailment.HALF)
    with pytest.raises(PartialResultError):
        await ask(engine)
    answer = await ask(engine, accept_partial=True)
    assert answer.partial
    assert unmarked(answer.body)[1:] == (0, True)
