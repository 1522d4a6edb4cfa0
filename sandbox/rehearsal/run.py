"""Many rehearsals, one after the other in each of several processes, and what is told of them."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import shutil
import tempfile
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import structlog

from sandbox.rehearsal.rehearsed import Rehearsed, rehearse
from sandbox.rehearsal.servers import started_servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sandbox.rehearsal.servers import Servers


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one seed ended. `fault` is the trace of a rehearsal that broke off; `folder` is kept unless it went well."""

    seed: int
    days: int
    seconds: float
    rehearsed: Rehearsed | None = None
    fault: str = ""
    folder: str = ""

    @property
    def good(self) -> bool:
        """Whether every rule held."""
        return self.rehearsed is not None and self.rehearsed.good


def rehearse_all(seeds: Sequence[int], days: int, processes: int, tell: Callable[[Outcome], None]) -> list[Outcome]:
    """Plays every seed and tells of each as it ends. Each process has servers of its own."""
    shares = [share for share in (list(seeds[start::processes]) for start in range(processes)) if share]
    context = multiprocessing.get_context("spawn")
    told: multiprocessing.Queue[Outcome | None] = context.Queue()
    players = [context.Process(target=_play_and_report, args=(share, days, told)) for share in shares]
    outcomes: list[Outcome] = []
    for player in players:
        player.start()
    ended = 0
    while ended < len(players):
        outcome = told.get()
        if outcome is None:
            ended += 1
            continue
        tell(outcome)
        outcomes.append(outcome)
    for player in players:
        player.join()
    return outcomes


def _play_and_report(seeds: Sequence[int], days: int, told: multiprocessing.Queue[Outcome | None]) -> None:
    try:
        for outcome in _play(seeds, days):
            told.put(outcome)
    finally:
        told.put(None)


def _play(seeds: Sequence[int], days: int) -> Iterator[Outcome]:
    """Plays some seeds on servers of this process."""
    folder = Path(tempfile.mkdtemp(prefix="airlock-rehearsal-"))
    # PostgreSQL may run as another user, who has to pass here.
    folder.chmod(0o711)
    good = True
    try:
        with started_servers(folder / "servers") as servers:
            for seed in seeds:
                outcome = play_seed(seed, days, servers, folder / f"seed-{seed}")
                good = good and outcome.good
                yield outcome
    finally:
        shutil.rmtree(folder if good else folder / "servers", ignore_errors=True)


def play_seed(seed: int, days: int, servers: Servers, folder: Path) -> Outcome:
    """One seed in `folder`, which goes if all was well."""
    folder.mkdir()
    began = time.monotonic()
    try:
        with _logged(folder / "log.jsonl"):
            rehearsed = asyncio.run(rehearse(seed, days, servers, folder))
    except Exception:  # noqa: BLE001 - whatever it is, it is told, and the other seeds go on.
        return Outcome(seed, days, time.monotonic() - began, fault=traceback.format_exc(), folder=str(folder))
    if rehearsed.good:
        shutil.rmtree(folder)
    return Outcome(seed, days, time.monotonic() - began, rehearsed, folder="" if rehearsed.good else str(folder))


@contextmanager
def _logged(path: Path) -> Iterator[TextIO]:
    """The services' log lines go to a file beside what they are about."""
    before = structlog.get_config()
    with path.open("w") as file:
        structlog.configure(
            processors=[
                structlog.stdlib.add_log_level,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(default=str),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=structlog.WriteLoggerFactory(file),
            cache_logger_on_first_use=False,
        )
        try:
            yield file
        finally:
            structlog.configure(**before)
