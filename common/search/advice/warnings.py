"""All warnings about a search: the frequent mistakes that would cost a trip of the courier and back."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Final

from common.search.advice.aggregations import aggregation_warnings
from common.search.advice.clauses import clause_warnings
from common.search.advice.fields import field_warnings
from common.search.advice.hits import hit_warnings

if TYPE_CHECKING:
    from airlock.search.v1.search_pb2 import Search

    from common.policy.index import AllowedIndex
    from common.search.advice.warning import QueryWarning, WarningKind

MAX_OF_A_KIND: Final = 4
"""A search with a hundred patterns is not told a hundred times."""


def query_warnings(search: Search, index: AllowedIndex) -> list[QueryWarning]:
    """At most MAX_OF_A_KIND of each kind. The search has passed `common.search.permitted` for `index`."""
    counts: Counter[WarningKind] = Counter()
    kept = []
    every = chain(
        field_warnings(search, index),
        clause_warnings(search, index),
        hit_warnings(search),
        aggregation_warnings(search),
    )
    for warning in every:
        counts[warning.kind] += 1
        if counts[warning.kind] <= MAX_OF_A_KIND:
            kept.append(warning)
    return kept
