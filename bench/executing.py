"""What an executed query costs the worker: claim, check, cache, the call through the client, and storing the answer.

The engine is a server that answers from memory, in a process of its own; PostgreSQL and Valkey are real. Of the mix,
60 % repeat an earlier question; then the same questions come again, and all are answered by the cache.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import psycopg
from redis import Redis

from bench.executing_mix import FIELDS, INDEX, bodies
from bench.report import Figure, report
from common.search.body import read_body
from common.search.kind import query_type
from common.search.normal import normal_form
from sandbox.network import DATABASE, Network, Options, SearchServer
from transfer.bundle.generate import generate_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REQUESTS: Final = 1500
DIFFERENT: Final = REQUESTS * 4 // 10
REPEATS: Final = 3
USERS: Final = [UUID(int=number) for number in range(1, 21)]
_STOP_SECONDS: Final = 20
_USER: Final = (
    "INSERT INTO users (id, username, email, hashed_password, role, revision) VALUES (%s, %s, %s, '-', 'user', %s)"
)
_INDEX: Final = "INSERT INTO indices (name, content, revision) VALUES (%s, %s, 1)"
_REQUEST: Final = (
    "INSERT INTO incoming_requests (original_request_id, user_id, index_name, query_type, search, priority,"
    " requested_at) VALUES (%s, %s, %s, %s, %s, %s, now())"
)


@contextmanager
def canned_engine() -> Iterator[str]:
    """The address of a server that answers from memory."""
    command = [sys.executable, "-m", "bench.canned_engine"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.stdin.close()
        process.wait(_STOP_SECONDS)


@contextmanager
def searching_network(folder: Path, url: str, indices: Sequence[str]) -> Iterator[Network]:
    """A Response Network without a process of its service, with users and with indices that may be searched."""
    keys, run_folder = folder / "keys", folder / "run"
    run_folder.mkdir()
    generate_keys(keys)
    search = SearchServer(url=url)
    network = Network("response", folder / "response", run_folder, keys, Options(serve_processes=1), search=search)
    try:
        network.start_servers()
        network.processes.run("migrate")
        with psycopg.connect(network.postgres.url(DATABASE)) as connection:
            for place, user in enumerate(USERS):
                connection.execute(_USER, [user, f"user{place}", f"user{place}@example.org", place + 1])
            for index in indices:
                connection.execute(_INDEX, [index, json.dumps({"description": "", "fields": FIELDS})])
        yield network
    finally:
        network.stop()


def arrive(network: Network, index: str, asked: Sequence[bytes]) -> None:
    """Puts these questions into the queue, from different users with different priorities."""
    rows = []
    for place, body in enumerate(asked):
        search = read_body(body)
        user = USERS[place % len(USERS)]
        rows.append((uuid4(), user, index, query_type(search), normal_form(search), 1 + place % 10))
    with psycopg.connect(network.postgres.url(DATABASE)) as connection, connection.cursor() as cursor:
        cursor.executemany(_REQUEST, rows)


def mixed() -> list[bytes]:
    """REQUESTS questions in an order that is always the same, of which 60 % repeat one before."""
    draw = random.Random(1)
    different = bodies(DIFFERENT)
    asked = different + draw.choices(different, k=REQUESTS - DIFFERENT)
    draw.shuffle(asked)
    return asked


def executed(network: Network) -> dict[str, float]:
    """What one fresh process spends on what waits; see `bench.executing_process`."""
    command = [sys.executable, "-m", "bench.executing_process", str(DIFFERENT)]
    done = subprocess.run(
        command, env=os.environ | network.environment(), stdout=subprocess.PIPE, text=True, check=True
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def forget_everything(network: Network) -> None:
    """An empty Redis."""
    with closing(Redis.from_url(network.valkey.url())) as redis:
        redis.flushall()


def measure(network: Network) -> list[Figure]:
    """The best of each, since whatever else runs only adds."""
    mix: list[float] = []
    fresh: list[float] = []
    kept: list[float] = []
    bare: list[float] = []
    for _ in range(REPEATS):
        for asked, spent in ((bodies(DIFFERENT), fresh), (bodies(DIFFERENT), kept)):
            arrive(network, INDEX, asked)
            figures = executed(network)
            spent.append(figures["milliseconds"])
            bare.append(figures["bare"])
        forget_everything(network)
        arrive(network, INDEX, mixed())
        mix.append(executed(network)["milliseconds"])
        forget_everything(network)
    return [
        Figure("a query of a mix of which 60 % repeat, ms of the worker's processor time", min(mix), "≤ 2.00"),
        Figure("an answer from the cache, ms", min(kept), "≤ 0.70"),
        Figure("a query that the engine answers, ms", min(fresh), ""),
        Figure("the same search by the bare client, ms", min(bare), ""),
        Figure("a query that the engine answers / the bare client", min(fresh) / min(bare), ""),
        Figure("a query of the mix / the bare client", min(mix) / min(bare), ""),
    ]


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory(prefix="airlock-bench-") as name, canned_engine() as url:
        folder = Path(name)
        folder.chmod(0o755)
        with searching_network(folder, url, [INDEX]) as network:
            report("Executing", measure(network))


if __name__ == "__main__":
    main()
