"""By how many MiB each process grows while a result of 30 MiB crosses both networks and is read in every form.

Real processes, doors and folders, the built-in engine with an index of large documents. The executor is no part of it:
`bench.large_answer` measures it alone.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil
from airlock.request.v1.request_service_pb2 import GetRequestResultRequest
from airlock.request.v1.request_service_pb2_grpc import RequestServiceStub

from bench.large_answer import forget_peak, status_mib
from bench.report import Figure, report
from response_svc.search.embedded import load_index
from sandbox.asking import Asker, Person, create
from sandbox.clients import grpc_channel, rest_client
from sandbox.crossing import End, carry, cross, cross_first_users, import_all, run_export, sealed_batches, unfinished
from sandbox.demo_queries import Question
from sandbox.pair import Pair, new_password
from sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.clients import RestClient

INDEX: Final = "large"
HITS: Final = 960
HIT_BYTES: Final = 32 * 1024
WARMING_HITS: Final = 40
SEARCH_SECONDS: Final = 120
SLOW_READER_SECONDS: Final = 3
FORMS: Final = ("json", "ndjson", "csv")
MAPPING: Final = {
    "dynamic": "strict",
    "properties": {
        "title": {"type": "keyword"},
        "tags": {"type": "keyword"},
        "number": {"type": "long"},
        "text": {"type": "text"},
    },
}
_MIB: Final = 1024 * 1024
_SPEEDS: Final = {"ndjson": "≥ 30"}
_MEASURED: Final = ("serve", "worker", "scheduler", "envoy")


def documents() -> Iterator[dict[str, object]]:
    """Texts of letters beyond ASCII with quotes and commas, as they are worst for a table."""
    words = 'نتیجه‌ای، "بزرگ" و طولانی, '
    text = words * (HIT_BYTES // len(words.encode()) + 1)
    for number in range(HITS):
        yield {"_id": str(number), "title": f"title {number}", "tags": ["a", "b"], "number": number, "text": text}


class Sizes:
    """What every process of the two services and their doors holds, and how far each has grown."""

    def __init__(self, pair: Pair) -> None:
        self._names: dict[int, str] = {}
        for network in pair.networks:
            for name, child in network.children().items():
                if name in _MEASURED:
                    for pid in (child.pid, *(one.pid for one in child.descendants())):
                        self._names[pid] = f"{network.name} {name}"

    def serving_seconds(self) -> float:
        """Processor time of the processes that serve on the Request Network, so far."""
        times = [psutil.Process(pid).cpu_times() for pid, name in self._names.items() if name == "request serve"]
        return sum(one.user + one.system for one in times)

    def figure(self, step: str, work: Callable[[], object]) -> Figure:
        """By how much the process grew that grew most while the work was done."""
        idle = {}
        for pid in self._names:
            forget_peak(pid)
            idle[pid] = status_mib(pid, "VmRSS")
        work()
        grown = {pid: status_mib(pid, "VmHWM") - idle[pid] for pid in self._names}
        pid = max(grown, key=lambda one: grown[one])
        return Figure(f"{step}: {self._names[pid]}, idle {idle[pid]:.0f}, grown by MiB", grown[pid], "< 16")


class Way:
    """Two running networks, one who asks, and one who carries."""

    def __init__(self, pair: Pair, admin: RestClient, cleaning: ExitStack) -> None:
        self._pair = pair
        self._admin = admin
        admin.call("POST", "/api/v1/admin/indices", json={"name": INDEX, "description": "Large documents"})
        person = Person("reader", "Reader", "premium", 5, new_password())
        courier = Person("courier", "Courier", "basic", 5, new_password())
        create(admin, person)
        create(admin, courier, role="operator")
        operator = cleaning.enter_context(closing(rest_client(pair.request.envoy)))
        self._request, self._response = End.of(pair.request, operator), End.of(pair.response, admin)
        cross_first_users(self._response, self._request, pair.stick, courier)
        self._asker = cleaning.enter_context(closing(Asker(pair.request.envoy, person)))
        self._rest = cleaning.enter_context(closing(rest_client(pair.request.envoy)))
        self._rest.sign_in(person.username, person.password)
        self._stub = RequestServiceStub(cleaning.enter_context(closing(grpc_channel(pair.request.envoy))))
        self._sizes = Sizes(pair)

    def ask(self, hits: int) -> str:
        """A request that has been executed; its answer has not been sealed."""
        request_id = self._asker.submit_over_rest(Question(INDEX, json.dumps({"size": hits}).encode()), 5)
        cross("requests", self._request, self._response, self._pair.stick)
        wait_until(lambda: unfinished(self._admin) == 0, what="the search", limit_seconds=SEARCH_SECONDS)
        return request_id

    def figures(self, request_id: str) -> list[Figure]:
        """What each step of the answer's way costs, then each form in which it is read."""
        figure = self._sizes.figure
        sealing = figure("sealing", lambda: run_export(self._response.operator, "responses"))
        waiting = {batch["id"] for batch in sealed_batches(self._response.operator, "responses")}
        carry(self._response, self._request, self._pair.stick)
        importing = figure("importing", lambda: import_all(self._request.operator, waiting))
        return [
            sealing,
            importing,
            figure("reading over gRPC", partial(self._read_over_grpc, request_id)),
            figure("reading over gRPC slowly", partial(self._read_over_grpc, request_id, SLOW_READER_SECONDS)),
            *(figure(f"reading {form}", partial(self._read, request_id, form)) for form in FORMS),
            *(self._speed(request_id, form) for form in FORMS),
            *(
                figure(f"reading {form} slowly", partial(self._read, request_id, form, SLOW_READER_SECONDS))
                for form in FORMS
            ),
        ]

    def _speed(self, request_id: str, form: str) -> Figure:
        before = self._sizes.serving_seconds()
        self._read(request_id, form)
        speed = HITS * HIT_BYTES / _MIB / (self._sizes.serving_seconds() - before)
        return Figure(f"reading {form}: MiB for each second of serve's processor time", speed, _SPEEDS.get(form, ""))

    def _read(self, request_id: str, form: str, pause_seconds: float = 0) -> None:
        """All of it; a slow reader rests once he has the first bytes, while everybody else goes on."""
        path, length = f"/api/v1/requests/{request_id}/result", 0
        with self._rest.http.stream("GET", path, params={"format": form}) as stream:
            stream.raise_for_status()
            for data in stream.iter_raw():
                time.sleep(0 if length else pause_seconds)
                length += len(data)
        self._check(length)

    def _read_over_grpc(self, request_id: str, pause_seconds: float = 0) -> None:
        metadata = (("authorization", f"Bearer {self._rest.token}"),)
        length = 0
        for piece in self._stub.GetRequestResult(GetRequestResultRequest(id=request_id), metadata=metadata):
            time.sleep(0 if length else pause_seconds)
            length += len(piece.data)
        self._check(length)

    def _check(self, length: int) -> None:
        if length < self.expected_bytes:
            raise SystemExit(f"only {length} bytes were read, so the figures mean nothing")

    expected_bytes = 0


def measure() -> list[Figure]:
    """A small answer first, so that every code path is warm."""
    folder = Path(tempfile.mkdtemp(prefix="airlock-bench-"))
    folder.chmod(0o711)
    pair = Pair(folder, folder / "run", serve_processes=1, settings={"IMPORT_USERS_SECONDS": "2"})
    try:
        with ExitStack() as cleaning:
            cleaning.callback(pair.stop)
            load_index(pair.search_folder, INDEX, MAPPING, documents())
            pair.build()
            way = Way(pair, cleaning.enter_context(closing(pair.sign_in_admin())), cleaning)
            way.figures(way.ask(WARMING_HITS))
            large = way.ask(HITS)
            way.expected_bytes = HITS * HIT_BYTES
            return way.figures(large)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Measures and prints."""
    report("A result of 30 MiB on its way: the process that grows most", measure())


if __name__ == "__main__":
    main()
