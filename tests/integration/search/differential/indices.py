"""The indices that both engines are asked about: two samples, and a corpus made to be difficult."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox import dataset
from tests.integration.search.differential import corpus

if TYPE_CHECKING:
    from collections.abc import Iterable

HARD, CITIES, FLIGHTS = "hard", "cities", "flights"
EVERY = (HARD, CITIES, FLIGHTS)


def mapping(index: str) -> dict[str, Any]:
    """The mapping of one of the three."""
    return corpus.MAPPING if index == HARD else dataset.MAPPINGS[index]


def documents(index: str) -> Iterable[dict[str, Any]]:
    """The documents of one of the three; `_id` is the id, the rest the source."""
    return corpus.documents() if index == HARD else dataset.documents(index)
