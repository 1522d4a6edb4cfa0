"""One execution that equal questions share while it is under way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

LARGEST_KEPT_BYTES: Final = 1024 * 1024
"""Longer answers are rare and would push many short ones out; other processes get answers from the cache alone."""


@dataclass(frozen=True, slots=True)
class Flight:
    """An execution by its `token`; `leads` for whoever is to carry it out, the others wait for it.

    `key`, `index` and `generation` are the cache's own: under which names it keeps the answer, and what it was to have
    forgotten by then. `seconds` is how long an answer is kept that few ask for.
    """

    key: str
    index: str
    seconds: int
    generation: bytes
    token: bytes
    leads: bool


class NoAnswer(Enum):
    """How a flight ended for those who waited, if not with an answer or with the engine's error."""

    GONE = "gone"
    """Whoever led it was cancelled or killed, or has kept the answer: look again."""
    ALONE = "alone"
    """What came of it cannot be shared: everybody asks the engine for himself."""
