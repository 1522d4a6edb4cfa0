"""The questions that the executor is measured with: as many different ones as asked for, of a few shapes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

INDEX: Final = "cities"
FIELDS: Final = {"name": "text", "country": "keyword", "people": "long"}

_SHAPES: Final[tuple[Callable[[int], dict[str, Any]], ...]] = (
    lambda number: {"query": {"match": {"name": f"city {number}"}}, "size": 10},
    lambda number: {"query": {"range": {"people": {"gte": number}}}, "sort": [{"people": "desc"}]},
    lambda number: {
        "query": {
            "bool": {
                "must": [{"match": {"name": {"query": f"city {number}", "operator": "and"}}}],
                "filter": [{"term": {"country": "IR"}}, {"range": {"people": {"gte": number}}}],
            }
        }
    },
    lambda number: {
        "query": {"range": {"people": {"lt": number}}},
        "size": 0,
        "aggs": {"by": {"terms": {"field": "country"}, "aggs": {"mean": {"avg": {"field": "people"}}}}},
    },
)


def bodies(count: int) -> list[bytes]:
    """Different search bodies, always the same."""
    return [json.dumps(_SHAPES[number % len(_SHAPES)](number)).encode() for number in range(count)]
