"""A job as a service declares it: a name, a schedule, and a coroutine that does it with the service's app.

A service's `jobs.py` is one page of these; everything else about running them is in this package.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

App = TypeVar("App")

Counts = Mapping[str, int]
"""What a run did, in numbers: `{"imported": 3, "updated": 2}`."""


class Report(Protocol):
    """What a run did, with words of its own."""

    @property
    def skipped(self) -> bool:
        """Another run was under way, and this one did nothing."""
        ...

    @property
    def counts(self) -> Counts:
        """The run in numbers."""
        ...

    @property
    def worked(self) -> bool:
        """Whether there was anything to do."""
        ...

    @property
    def summary(self) -> str:
        """The run in one line, for people."""
        ...


@dataclass(frozen=True, slots=True)
class CountReport:
    """The report of a run that only counted; zeros are left out of the line."""

    counts: Counts
    skipped: bool = False

    @property
    def worked(self) -> bool:
        """Whether anything was counted."""
        return any(self.counts.values())

    @property
    def summary(self) -> str:
        """`3 imported, 2 updated`."""
        told = [f"{number} {name.replace('_', ' ')}" for name, number in self.counts.items() if number]
        return ", ".join(told) or "nothing to do"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[App]):
    """Work that may run twice, beside itself and die anywhere.

    `every` (whole seconds) or `cron` (UTC, five fields) says when; neither means only when woken.
    """

    name: str
    run: Callable[[App], Awaitable[Counts | Report | None]]
    every: int | None = None
    cron: str | None = None
    exclusive: bool = True
    """One run at a time on the whole network; a second one ends at once. Saves work, guards nothing."""
    quiet: bool = False
    """A run that counts nothing is not logged, and noted now and then only: for jobs that are often woken in vain."""
    at_start: bool = False
    """Also woken by each worker that starts, for what may have changed while none ran."""

    audited: bool = True
    """A run that did something is in the audit trail. One that failed always is."""

    def __post_init__(self) -> None:
        if self.every is not None and self.cron is not None:
            raise ValueError(f"{self.name} has two schedules")

    @property
    def schedule(self) -> str:
        """The schedule for people."""
        if self.cron is not None:
            return f"cron {self.cron} UTC"
        return f"every {self.every} s" if self.every is not None else "when woken"

    @property
    def labels(self) -> list[dict[str, str | int]]:
        """The schedule as taskiq reads it from a task's label; the id is fixed, or it would change at each start."""
        if self.cron is not None:
            return [{"cron": self.cron, "schedule_id": self.name}]
        return [{"interval": self.every, "schedule_id": self.name}] if self.every is not None else []
