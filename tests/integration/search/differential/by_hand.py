"""All searches made by hand, each with its feature and its index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.integration.search.differential.aggregation_cases import AGGREGATIONS
from tests.integration.search.differential.indices import HARD
from tests.integration.search.differential.query_cases import QUERIES
from tests.integration.search.differential.sort_cases import SEARCHES

if TYPE_CHECKING:
    from collections.abc import Iterator

WHOLE: dict[str, Any] = {"size": 1000, "_source": False, "track_total_hits": True}
"""Beside a query: every hit is compared, further pages included."""
_FEW: dict[str, Any] = {"match": {"body": "quick کتاب"}}
_NONE: dict[str, Any] = {"match": {"body": "nothing"}}


def cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Feature, index and body of every search."""
    for feature, queries in QUERIES.items():
        for index, query in queries:
            yield feature, index, {"query": query} | WHOLE
    for feature, searches in SEARCHES.items():
        for index, body in searches:
            yield feature, index, body
    for feature, aggregations in AGGREGATIONS.items():
        for index, aggregation in aggregations:
            body = {"size": 0, "aggs": {"a": aggregation}}
            yield feature, index, body
            if index == HARD:
                yield feature, index, body | {"query": _FEW}
                yield feature, index, body | {"query": _NONE}
