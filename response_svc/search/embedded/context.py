"""What the evaluation of one search works with: the index, the time, and the moment at which it gives up."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from response_svc.search.answers import EngineRefusedError, EngineTimeoutError
from response_svc.search.embedded.refusals import refused

MAX_BUCKETS: Final = 65_536
"""As many as Elasticsearch makes in one search, by default."""

if TYPE_CHECKING:
    from collections.abc import Callable

    from response_svc.search.embedded.mapping import Field
    from response_svc.search.embedded.opened import OpenIndex
    from response_svc.search.embedded.texts import Scores


def still_wanted() -> bool:
    """Where nobody gives a search up."""
    return False


@dataclass(slots=True)
class _Made:
    """What a search has made so far."""

    buckets: int = 0


@dataclass(frozen=True, slots=True)
class Context:
    """One search under way. `deadline` is of the monotonic clock, `now_millis` is what `now` means in its dates."""

    index: OpenIndex
    now_millis: int
    deadline: float
    is_given_up: Callable[[], bool] = still_wanted
    """Whether nobody waits for the answer any more."""
    matched: dict[bytes, Scores] = field(default_factory=dict)
    """What the queries of aggregations match, by their bytes: each is asked again in every bucket around it."""
    _made: _Made = field(default_factory=_Made)

    def count_buckets(self, made: int) -> None:
        """Adds to the buckets of this search; raises EngineRefusedError beyond as many as Elasticsearch makes."""
        self.check_deadline()
        self._made.buckets += made
        if self._made.buckets > MAX_BUCKETS:
            raise too_many_buckets()

    def check_deadline(self) -> None:
        """Raises EngineTimeoutError when the time is over; called wherever work could be long."""
        if time.monotonic() > self.deadline or self.is_given_up():
            raise EngineTimeoutError("the built-in search engine did not finish in time; ask for less")

    def field(self, name: str) -> Field | None:
        """The field of that name; a query on one that is not mapped matches nothing."""
        return self.index.fields.get(name)


def too_many_buckets() -> EngineRefusedError:
    """The refusal of a search whose aggregations make too much."""
    return refused(f"Trying to create too many buckets. Must be less than or equal to: [{MAX_BUCKETS}]")
