"""Asks both engines everything, and shows by feature how far they agree."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from common.search.body import read_body
from common.search.limits import QueryLimits, check_search
from response_svc.search.answers import EngineRefusedError, UnsupportedQueryError
from tests.integration.search.differential import by_hand, generated
from tests.integration.search.differential.comparing import difference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from response_svc.ports import SearchEngine

Body = dict[str, Any]
Case = tuple[str, str, Body]

BEGIN = "<!-- agreement, written by AGREEMENT=write make test-elasticsearch -->\n\n"
END = "<!-- end -->"
_MAX_BYTES = 64 * 1024 * 1024
_WINDOW = 10_000
_REFUSED = "refused"
_HEAD = "| feature | asked | the same | refused by the built-in engine | differing |\n|---|---:|---:|---:|---:|\n"


def every_case() -> Iterator[Case]:
    """Feature, index and body of every search, made by hand and drawn."""
    yield from by_hand.cases()
    yield from generated.cases()


@dataclass
class Row:
    """How far the engines agree on one feature. `differing` says of each search that differs where it does."""

    asked: int = 0
    same: int = 0
    refused: int = 0
    differing: list[str] = field(default_factory=list)

    def line(self, name: str) -> str:
        return f"| {name} | {self.asked} | {self.same} | {self.refused} | {len(self.differing)} |\n"


Agreement = dict[str, Row]


def table(agreement: Mapping[str, Row]) -> str:
    """The agreement in Markdown, with a last row for all features."""
    every = agreement.values()
    total = Row(sum(row.asked for row in every), sum(row.same for row in every), sum(row.refused for row in every))
    total.differing = [one for row in every for one in row.differing]
    lines = "".join(row.line(name) for name, row in agreement.items())
    return f"{_HEAD}{lines}{total.line('**all**')}\n"


async def compare(
    elasticsearch: SearchEngine, embedded: SearchEngine, names: Mapping[str, str], cases: Iterable[Case]
) -> Agreement:
    """Asks both engines each search of `names[index]`, and says by feature how far they agree."""
    agreement: Agreement = {}
    for feature, index, body in cases:
        row = agreement.setdefault(feature, Row())
        row.asked += 1
        theirs, ours = await asyncio.gather(
            _answer(elasticsearch, names[index], body), _answer(embedded, names[index], body)
        )
        if ours is None:
            row.refused += 1
            continue
        found = _judged(theirs, ours, body)
        if found is None:
            row.same += 1
        else:
            row.differing.append(f"{index} {json.dumps(body, ensure_ascii=False)}\n    {found}")
    return agreement


def _judged(theirs: Body | str | None, ours: Body | str, body: Body) -> str | None:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return difference(theirs, ours, start=body.get("from", 0))
    return None if theirs == ours else f"Elasticsearch: {str(theirs)[:200]}, the built-in engine: {str(ours)[:200]}"


async def _answer(engine: SearchEngine, name: str, body: Body) -> Body | str | None:
    """The answer, or that the engine refuses the search; None if it cannot answer it. Of a whole one every page."""
    try:
        answer = await _page(engine, name, body)
        hits = answer["hits"]["hits"]
        while body.items() >= by_hand.WHOLE.items() and len(hits) < min(answer["hits"]["total"]["value"], _WINDOW):
            hits += (await _page(engine, name, body | {"from": len(hits)}))["hits"]["hits"]
    except UnsupportedQueryError:
        return None
    except EngineRefusedError:
        return _REFUSED
    return answer


async def _page(engine: SearchEngine, name: str, body: Body) -> Body:
    search = read_body(json.dumps(body).encode())
    check_search(search, QueryLimits())
    found = await engine.search(name, search, timeout_seconds=30, max_bytes=_MAX_BYTES, accept_partial=False)
    answer: Body = json.loads(found.body)
    return answer
