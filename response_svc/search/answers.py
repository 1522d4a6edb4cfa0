"""What a search engine gives back: an answer, its health, or one of these errors.

EngineError
├── EngineUnavailableError    may pass: not reachable, overloaded, or its answer was garbage
│   ├── EngineOverloadedError     the same because it has too much to do: it is to be asked by fewer at once
│   └── SearchUnavailableError    the same for this one search or index; others may well be answered
├── EngineTimeoutError        may pass: no answer within the time
├── PartialResultError        may pass: some shards did not answer, and the request takes no partial answer
├── EngineRefusedError        final: the engine understood and said no
│   └── NoSuchIndexError          the same because it has no index of that name
├── UnsupportedQueryError     final: this engine cannot answer such a query as Elasticsearch would
└── ResultTooLargeError       final: the answer is beyond the limit
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """One answer. `body` is the engine's JSON, byte for byte; `hit_count` its total, 0 where not counted."""

    body: bytes
    took_ms: int
    hit_count: int
    partial: bool = False


@dataclass(frozen=True, slots=True)
class EngineHealth:
    """Whether an engine can answer now. `detail` is safe to show to an operator."""

    name: str
    version: str
    healthy: bool
    detail: str
    reachable: bool = True
    """Whether it answers at all; one that is unwell may still answer most searches."""


class EngineError(Exception):
    """A search that gave no answer. `message` names cause and next step, is bounded and safe to show."""

    may_pass: ClassVar[bool] = False
    engine_away: ClassVar[bool] = False
    """Whether any other search would meet the same, so that it is not worth asking now."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.shared = False
        """Whether it was another request's, which this one waited for."""


class EngineUnavailableError(EngineError):
    """The engine cannot be reached, is overloaded, or answered with something that is no answer."""

    may_pass = True
    engine_away = True


class EngineOverloadedError(EngineUnavailableError):
    """The engine takes no more searches for the moment."""


class SearchUnavailableError(EngineUnavailableError):
    """The engine is there and cannot answer this search: its index has lost its shards, or is closed to the service."""

    engine_away = False


class EngineTimeoutError(EngineError):
    """The engine did not answer within the time."""

    may_pass = True


class PartialResultError(EngineError):
    """Only a part of the index answered, and the request accepts no partial answer."""

    may_pass = True


class EngineRefusedError(EngineError):
    """The engine refused the search; asking again changes nothing."""


class NoSuchIndexError(EngineRefusedError):
    """The engine has no index of that name."""


class UnsupportedQueryError(EngineError):
    """The search is valid, but this engine cannot answer it as Elasticsearch would."""


class ResultTooLargeError(EngineError):
    """The answer is larger than a result may be."""
