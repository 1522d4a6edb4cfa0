"""What a warning is: valid all the same, but rarely meant, or dearer than it needs to be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from common.search.violations import render

if TYPE_CHECKING:
    from common.search.violations import Path


class WarningKind(Enum):
    """By the names of `airlock.request.v1.QueryWarningKind`, where each is explained."""

    FIELDS_NOT_KNOWN = auto()
    LEADING_WILDCARD = auto()
    FEW_LETTERS = auto()
    FUZZY_WITHOUT_PREFIX = auto()
    TERM_ON_TEXT = auto()
    MATCH_ON_KEYWORD = auto()
    RANGE_ON_TEXT = auto()
    CAPITALS_IN_PATTERN = auto()
    SHOULD_IS_OPTIONAL = auto()
    MATCHES_NOTHING = auto()
    NOW_IS_LATER = auto()
    DEEP_PAGING = auto()
    UNSTABLE_PAGES = auto()
    LARGE_DOCUMENTS = auto()
    ONLY_A_COUNT = auto()
    HITS_BESIDE_AGGREGATIONS = auto()
    WIDE_HIGHLIGHT = auto()
    MANY_BUCKETS = auto()
    UNBOUNDED_HISTOGRAM = auto()
    COSTLY_CARDINALITY = auto()


@dataclass(frozen=True, slots=True)
class QueryWarning:
    """One piece of advice. `text` continues the sentence that `path` begins, as violations do."""

    kind: WarningKind
    path: str
    text: str


def warn(kind: WarningKind, path: Path, text: str) -> QueryWarning:
    """A warning about the value at `path`."""
    return QueryWarning(kind, render(path), text)
