"""What a SubmitRequest costs the server: the whole call against a bare grpc.aio call, and its parts by themselves.

The whole is measured from outside, as the processor time of a real `serve` process with PostgreSQL and Valkey behind it
while 50 callers submit; each part is run alone in this process.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count, islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import grpc
import psutil
import psycopg
from airlock.request.v1.request_service_pb2 import SubmitRequestRequest, SubmitRequestResponse
from google.api.httpbody_pb2 import HttpBody

from bench.bare_server import METHOD
from bench.report import Figure, report
from bench.submitting_parts import parts
from common.auth.accounts import Account
from common.auth.tokens import TokenIssuer
from common.policy.limits import RateLimits, UserLimits
from sandbox.network import DATABASE, Network, Options
from transfer.bundle.generate import generate_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS = 4000
CALLERS = 50
REPEATS = 3
BODY: Final = b'{"query": {"bool": {"must": [{"match": {"name": "Tehran"}}], "filter": [{"term": {"country": "IR"}}]}}}'
USER: Final = UUID(int=1)
MANY: Final = UserLimits(RateLimits(1_000_000, 1_000_000, 1_000_000), 5)
WAIT_SECONDS: Final = 20


@contextmanager
def asking_network(folder: Path) -> Iterator[Network]:
    """A Request Network with one `serve` process and one user; nothing else runs."""
    keys, run_folder = folder / "keys", folder / "run"
    run_folder.mkdir()
    generate_keys(keys)
    network = Network("request", folder / "request", run_folder, keys, Options(serve_processes=1))
    try:
        network.start_servers()
        network.processes.run("migrate")
        fill(network.postgres.url(DATABASE))
        network.processes.start("serve")
        network.processes.wait_for_sockets(network.sockets)
        yield network
    finally:
        network.stop()


def fill(owner_url: str) -> None:
    """The user and the index that the questions are about, as a carried bundle would have brought them."""
    with psycopg.connect(owner_url) as connection:
        connection.execute(
            "INSERT INTO users (id, username, email, hashed_password, role, revision, import_batch_id, row_digest)"
            " VALUES (%s, 'sara', 'sara@example.org', '-', 'user', 1, %s, '')",
            [USER, uuid4()],
        )
        connection.execute(
            "INSERT INTO indices (name, content, revision)"
            """ VALUES ('cities', '{"description": "", "fields": {"name": "text", "country": "keyword"}}', 1)"""
        )


def token_of(network: Network) -> str:
    """An access token of the user, as the service makes them."""
    issuer = TokenIssuer(network="request", secret=network.environment()["SECRET_KEY"], lifetime=timedelta(hours=1))
    account = Account(USER, "sara", "", "user", "basic", MANY, is_active=True, password_hash="")
    return issuer.issue(account, uuid4(), datetime.now(UTC)).text


@contextmanager
def bare_server(folder: Path) -> Iterator[tuple[str, int]]:
    """A bare server's socket and process id."""
    socket = folder / "bare.sock"
    process = subprocess.Popen([sys.executable, "-m", "bench.bare_server", str(socket)], stdin=subprocess.PIPE)
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while not socket.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        yield str(socket), process.pid
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(WAIT_SECONDS)


def question(body: bytes) -> SubmitRequestRequest:
    """A question about cities."""
    return SubmitRequestRequest(index="cities", body=HttpBody(content_type="application/json", data=body))


def ever_new() -> Iterator[SubmitRequestRequest]:
    """Questions of one form, none of which was asked before."""
    return (question(BODY.replace(b"Tehran", f"Tehran {uuid4()}".encode())) for _ in count())


async def cost(socket: str, pid: int, token: str, requests: Iterator[SubmitRequestRequest]) -> float:
    """Milliseconds of processor time that the server spends on one of CALLS calls from CALLERS callers."""
    metadata = (("authorization", f"Bearer {token}"),)
    async with grpc.aio.insecure_channel(f"unix:{socket}") as channel:
        call = channel.unary_unary(METHOD, SubmitRequestRequest.SerializeToString, SubmitRequestResponse.FromString)
        await call(next(requests), metadata=metadata)
        left = islice(requests, CALLS)

        async def caller() -> None:
            for request in left:
                await call(request, metadata=metadata)

        before = processor_seconds(pid)
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return (processor_seconds(pid) - before) / CALLS * 1000


def processor_seconds(pid: int) -> float:
    """What a process and its children have spent so far."""
    process = psutil.Process(pid)
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system for one in times)


async def measure(network: Network, bare: tuple[str, int]) -> list[Figure]:
    """Both servers, turn by turn; the best of each, since whatever else runs only adds."""
    token, serve = token_of(network), network.processes.child("serve").pid
    whole, new, least = [], [], []
    for _ in range(REPEATS):
        whole.append(await cost(str(network.sockets[0]), serve, token, repeat(question(BODY))))
        new.append(await cost(str(network.sockets[0]), serve, token, ever_new()))
        least.append(await cost(*bare, token, repeat(question(BODY))))
    figures = [
        Figure("SubmitRequest / bare grpc.aio call, processor time of the server", min(whole) / min(least), "≤ 4.00"),
        Figure("  the same of questions that were never asked before", min(new) / min(least), ""),
        Figure("SubmitRequest, ms", min(whole), ""),
        Figure("  the same of questions that were never asked before, ms", min(new), ""),
        Figure("bare grpc.aio call, ms", min(least), ""),
    ]
    return figures + await parts(network, token, BODY)


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory(prefix="airlock-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with asking_network(folder) as network, bare_server(folder) as bare:
            report("SubmitRequest", asyncio.run(measure(network, bare)))


if __name__ == "__main__":
    main()
