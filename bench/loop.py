"""A batch of 200 requests through both networks' real doors: machine time from first submit to last answer read.

Schedules are not waited for, and the walk is a copy from folder to folder with all its checks.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report import Figure, report
from sandbox.asking import COMPLETED, Asker, Person, create, people
from sandbox.clients import rest_client
from sandbox.crossing import End, cross_first_users, import_all, run_export, sealed_batches, unfinished
from sandbox.demo_queries import COUNT, questions
from sandbox.pair import Pair, new_password
from sandbox.waiting import wait_until
from transfer.spool.deliver import deliver
from transfer.spool.take import take

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.clients import RestClient
    from sandbox.demo_queries import Question

REPEATS = 3
CALLERS = 8
EXECUTE_SECONDS = 60


class Loop:
    """Two running networks and their users."""

    def __init__(self, pair: Pair, admin: RestClient, cleaning: ExitStack) -> None:
        self._pair = pair
        self._admin = admin
        operator = cleaning.enter_context(closing(rest_client(pair.request.envoy)))
        self._request = End.of(pair.request, operator)
        self._response = End.of(pair.response, admin)
        persons = people()
        for person in persons:
            create(admin, person)
        courier = Person("courier", "Courier", "basic", 5, new_password())
        create(admin, courier, role="operator")
        cross_first_users(self._response, self._request, pair.stick, courier)
        self._askers = [
            cleaning.enter_context(closing(Asker(pair.request.envoy, person))) for person in persons * (CALLERS // 4)
        ]
        self._pool = cleaning.enter_context(ThreadPoolExecutor(CALLERS))

    def run(self) -> dict[str, float]:
        """Seconds of each step, and of all together under `total`."""
        marks = {"": time.perf_counter()}
        asked = self._submit()
        marks["submit"] = time.perf_counter()
        self._cross("requests", self._request, self._response)
        marks["requests there"] = time.perf_counter()
        wait_until(lambda: unfinished(self._admin) == 0, what="the searches", limit_seconds=EXECUTE_SECONDS)
        marks["search"] = time.perf_counter()
        self._cross("responses", self._response, self._request)
        marks["answers back"] = time.perf_counter()
        self._read(asked)
        marks["read"] = time.perf_counter()
        names, times = list(marks), list(marks.values())
        steps = {name: times[place] - times[place - 1] for place, name in enumerate(names) if place}
        return {**steps, "total": times[-1] - times[0]}

    def _submit(self) -> list[tuple[Asker, str]]:
        def one(turn: tuple[Asker, Question]) -> tuple[Asker, str]:
            asker, question = turn
            return asker, asker.submit_over_grpc(question, 1, typed=False)

        return list(self._pool.map(one, zip(cycle(self._askers), questions(), strict=False)))

    def _cross(self, kind: str, source: End, destination: End) -> None:
        run_export(source.operator, kind)
        waiting = {batch["id"] for batch in sealed_batches(source.operator, kind)}
        take(source.export_dir, self._pair.stick)
        deliver(self._pair.stick, destination.import_dir)
        import_all(destination.operator, waiting)
        for entry in self._pair.stick.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def _read(self, asked: Sequence[tuple[Asker, str]]) -> None:
        outcomes = list(self._pool.map(lambda one: one[0].outcome_over_grpc(one[1]), asked))
        lost = sum(outcome.status != COMPLETED for outcome in outcomes)
        if lost:
            raise SystemExit(f"{lost} of {COUNT} requests were not answered; the figures mean nothing")


def measure() -> list[Figure]:
    """The fastest of a few rounds, since every other one says more about the machine's neighbours."""
    folder = Path(tempfile.mkdtemp(prefix="airlock-bench-"))
    folder.chmod(0o711)
    pair = Pair(folder, folder / "run", serve_processes=2, settings={"IMPORT_USERS_SECONDS": "2"})
    try:
        with ExitStack() as cleaning:
            cleaning.callback(pair.stop)
            pair.build()
            loop = Loop(pair, cleaning.enter_context(closing(pair.sign_in_admin())), cleaning)
            rounds = [loop.run() for _ in range(REPEATS)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    best = min(rounds, key=lambda steps: steps["total"])
    targets = {"total": "< 2"}
    return [Figure(f"200 requests, seconds: {name}", value, targets.get(name, "")) for name, value in best.items()]


def main() -> None:
    """Measures and prints."""
    report("The loop", measure())


if __name__ == "__main__":
    main()
