"""By how many MiB a worker grows while it executes a request whose answer has 30 MiB: asked for, checked and stored."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Final

import psycopg

from bench.canned_engine import LARGE_BYTES, LARGE_INDEX
from bench.executing import arrive, canned_engine, searching_network
from bench.executing_mix import INDEX
from bench.report import Figure, report
from sandbox.network import DATABASE, Network
from sandbox.waiting import wait_until

WAIT_SECONDS: Final = 60
_KIB: Final = 1024


def status_mib(pid: int, name: str) -> float:
    """One of the sizes that the system tells of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / _KIB
    msg = f"this system does not tell {name} of a process"
    raise SystemExit(msg)


def forget_peak(pid: int) -> None:
    """Lets the peak begin anew at what the process has now; see proc(5), `clear_refs`."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def execute(network: Network, index: str) -> None:
    """One request, asked and answered; its wake-up is a worker's sweep."""
    arrive(network, index, [b"{}"])

    def done() -> bool:
        with psycopg.connect(network.postgres.url(DATABASE)) as connection:
            waiting = connection.execute("SELECT count(*) FROM incoming_requests WHERE completed_at IS NULL").fetchone()
        return waiting == (0,)

    wait_until(done, what=f"the answer of {index}", limit_seconds=WAIT_SECONDS)


def measure(network: Network) -> list[Figure]:
    """Small answers first, so that every code path is warm."""
    worker = network.processes.start("worker", extra={"EXECUTE_SWEEP_SECONDS": "1"})
    network.processes.start("scheduler", extra={"EXECUTE_SWEEP_SECONDS": "1"})
    for _ in range(3):
        execute(network, INDEX)
    forget_peak(worker.pid)
    idle = status_mib(worker.pid, "VmRSS")
    begun = time.perf_counter()
    execute(network, LARGE_INDEX)
    seconds = time.perf_counter() - begun
    with psycopg.connect(network.postgres.url(DATABASE)) as connection:
        row = connection.execute("SELECT max(total_length) FROM query_results").fetchone()
    if row is None or row[0] < LARGE_BYTES:
        raise SystemExit(f"the large answer was not stored ({row}), so the figures mean nothing")
    return [
        Figure("growth of the worker with an answer of 30 MiB, MiB", status_mib(worker.pid, "VmHWM") - idle, "< 96"),
        Figure("the idle worker, MiB", idle, ""),
        Figure("seconds until it is stored, the sweep's second included", seconds, ""),
    ]


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory(prefix="airlock-bench-") as name, canned_engine() as url:
        folder = Path(name)
        folder.chmod(0o755)
        with searching_network(folder, url, [INDEX, LARGE_INDEX]) as network:
            report("Executing a large answer", measure(network))


if __name__ == "__main__":
    main()
