"""Real worker processes on one queue: one is killed, one is told to stop, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from common.auth.passwords import PasswordHasher
from common.database.transaction import Database
from common.jobs.broker import make_broker
from common.jobs.queue import BrokerJobQueue
from common.policy.index import AllowedIndex
from response_svc.adapters.users import PostgresUsers
from response_svc.jobs import EXECUTE_QUERY
from response_svc.settings import ResponseSettings
from response_svc.usecases.change_users import UserContext
from sandbox.policy_rows import put_indices
from tests.integration.response_svc.world import Arrivals, make_user, question, rows, search_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from sandbox.postgres import EmbeddedPostgres
    from transfer.bundle.keyring import GeneratedKeys

WORKER = "import sys; from response_svc.cli import main; sys.argv = ['airlock-response', 'worker']; main()"
WHOLE = {
    "took": 1,
    "timed_out": False,
    "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
    "hits": {"total": {"value": 0, "relation": "eq"}, "hits": []},
}
AT_ONCE = 2
LONGEST_SECONDS = 120
LOOK_SECONDS = 0.2
REQUESTS = 40
BUSY = """
SELECT count(*) AS running FROM incoming_requests WHERE status = 'processing' AND assigned_worker LIKE '%:' || :pid
"""
DEAD_LEASES = """
UPDATE incoming_requests SET lease_expires_at = now() - interval '1 second'
WHERE status = 'processing' AND assigned_worker LIKE '%:' || :pid
"""


class HeldEngine:
    """A cluster whose searches are answered once it is let go."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/_search"):
            await self.let_go.wait()
        return web.Response(
            body=json.dumps(WHOLE).encode(),
            content_type="application/json",
            headers={"x-elastic-product": "Elasticsearch"},
        )


@pytest.fixture
async def engine(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HeldEngine]:
    engine = HeldEngine()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", engine.answer)
    async with TestServer(application) as server:
        monkeypatch.setenv("ELASTICSEARCH_URL", str(server.make_url("")).rstrip("/"))
        yield engine
        engine.let_go.set()


@pytest.fixture
async def queue(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    postgres_server: EmbeddedPostgres,
    migrated: str,
    redis_url: str,
    keys: GeneratedKeys,
    engine: HeldEngine,
) -> AsyncIterator[Database]:
    """A database with requests that wait, and the environment of its workers."""
    name = f"workers_{uuid4().hex}"
    url = postgres_server.create_database(name, template=migrated)
    variables = {
        "SANDBOX": "true",
        "DATABASE_URL": url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": "the secret of the response network in tests",
        "ENCRYPTION_KEYRING_FILE": str(keys.keyring),
        "SIGNING_KEY_FILE": str(keys.response_signing_key),
        "PEER_SIGNING_KEYS_FILE": str(keys.request_public_key),
        "EXPORT_DIR": str(tmp_path / "export"),
        "IMPORT_DIR": str(tmp_path / "import"),
        "WORKER_COUNT": str(AT_ONCE),
        "DRAIN_SECONDS": "1",
    }
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.chdir(tmp_path)
    database = Database(url)
    user = await make_user(UserContext(database, PostgresUsers(), PasswordHasher.cheapest()))
    await put_indices(database, AllowedIndex("cities", "", {"name": "text"}))
    # Each asks something else, so that none is answered by the cache.
    await Arrivals(database).arrive(*(question(user, search=search_for(f"city {n}")) for n in range(REQUESTS)))
    yield database
    await database.close()
    postgres_server.drop_database(name)


@contextmanager
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the service, killed in the end if it still runs."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def is_busy(database: Database, process: subprocess.Popen[bytes]) -> None:
    """Wakes until the process executes as much as it can; any other may take a wake-up."""
    async with asyncio.timeout(LONGEST_SECONDS):
        while True:
            await wake()
            if (await rows(database, BUSY, pid=str(process.pid)))[0].running == AT_ONCE:
                return
            await asyncio.sleep(LOOK_SECONDS)


async def wake() -> None:
    broker = make_broker(ResponseSettings.from_environment())
    await broker.startup()
    await BrokerJobQueue(broker).wake(EXECUTE_QUERY)
    await broker.shutdown()


async def until(database: Database, statement: str, expected: int) -> None:
    """Waits until a statement counts so many."""
    async with asyncio.timeout(LONGEST_SECONDS):
        while True:
            if (await rows(database, statement))[0][0] == expected:
                return
            await asyncio.sleep(LOOK_SECONDS)


async def test_of_three_workers_one_is_killed_and_each_request_has_one_answer(
    queue: Database, engine: HeldEngine
) -> None:
    with worker() as first, worker() as second, worker() as third:
        for process in (first, second, third):
            await is_busy(queue, process)
        first.send_signal(signal.SIGKILL)
        first.wait()
        engine.let_go.set()
        await until(queue, "SELECT count(*) FROM query_results", REQUESTS - AT_ONCE)
        await rows(queue, DEAD_LEASES, pid=str(first.pid))
        await wake()
        await until(queue, "SELECT count(*) FROM query_results", REQUESTS)
    [row] = await rows(
        queue,
        "SELECT count(DISTINCT request_id) AS requests, sum(executions) AS executions,"
        " count(*) FILTER (WHERE outcome = 'completed') AS completed FROM query_results",
    )
    assert (row.requests, row.completed, row.executions) == (REQUESTS, REQUESTS, REQUESTS + AT_ONCE)


async def test_a_worker_that_is_told_to_stop_hands_back_what_it_cannot_finish(
    queue: Database, engine: HeldEngine
) -> None:
    with worker() as process:
        await is_busy(queue, process)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 30) == 0
    [row] = await rows(
        queue,
        "SELECT count(*) FILTER (WHERE status = 'pending') AS waiting, count(lease_owner) AS leases,"
        " max(retry_count) AS retries FROM incoming_requests",
    )
    assert (row.waiting, row.leases, row.retries) == (REQUESTS, 0, 0)
