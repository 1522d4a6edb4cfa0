"""Operations and transfer over real servers of both networks: a bundle is made, carried over the wire, and imported."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio
from airlock.common.v1 import network_pb2
from airlock.ops.v1 import ops_service_pb2 as ops
from airlock.ops.v1 import ops_service_pb2_grpc
from airlock.transfer.v1 import transfer_service_pb2 as transfer
from airlock.transfer.v1 import transfer_service_pb2_grpc
from google.api.httpbody_pb2 import HttpBody
from sqlalchemy import select

from common import clock
from common.audit.tables import audit_logs
from common.auth.sign_in import sign_in
from common.batches.context import BatchContext
from common.batches.exchange import Exchange
from common.database.metadata import shared_metadata
from common.database.transaction import Database
from common.handlers.shared import shared_services
from common.jobs.job import Job
from common.jobs.runs import run_job
from common.keys import Keys
from common.rpc.server import build_server
from tests.integration.common.accounts import CALLER, PASSWORD
from transfer.bundle.keyring import Keyring, SigningKey, TrustedKeys
from transfer.spool.inbox import Inbox
from transfer.spool.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from common.auth.accounts import Account
    from common.auth.context import AuthContext
    from common.settings import NetworkSettings
    from sandbox.postgres import EmbeddedPostgres
    from tests.integration.common.accounts import Accounts
    from transfer.bundle.keyring import GeneratedKeys


async def idle(_app: object) -> dict[str, int]:
    return {"things": 2}


JOBS = (Job(name="idle", run=idle, every=30), Job(name="never", run=idle))


@dataclass
class Network:
    """One network's server, and an operator's stubs to it."""

    context: BatchContext
    ops: Any
    transfer: Any
    bearer: tuple[tuple[str, str], ...]

    async def run(self, kind: str) -> Any:
        return await self.ops.RunExport(ops.RunExportRequest(kind=kind), metadata=self.bearer)

    async def waiting(self, **fields: Any) -> Any:
        return await self.transfer.ListBundles(transfer.ListBundlesRequest(**fields), metadata=self.bearer)

    async def fetch(self, batch_id: str) -> bytes:
        call = self.transfer.ExportBundle(transfer.ExportBundleRequest(batch_id=batch_id), metadata=self.bearer)
        return b"".join([piece.data async for piece in call])

    async def bring(self, content: bytes, piece: int = 100) -> Any:
        async def pieces() -> AsyncIterator[transfer.ImportBundleRequest]:
            for start in range(0, len(content), piece):
                yield transfer.ImportBundleRequest(body=HttpBody(data=content[start : start + piece]))

        return await self.transfer.ImportBundle(pieces(), metadata=self.bearer)

    async def scan(self) -> Any:
        return await self.ops.ScanImports(ops.ScanImportsRequest(), metadata=self.bearer)

    async def streams(self) -> Any:
        return await self.ops.GetStreams(ops.GetStreamsRequest(), metadata=self.bearer)


class Networks:
    """Starts networks, and stops them."""

    def __init__(self, auth: AuthContext, bearer: tuple[tuple[str, str], ...], folder: Path, sockets: Path) -> None:
        self._auth, self._bearer, self._folder, self._sockets = auth, bearer, folder, sockets
        self._closing: list[Any] = []

    async def start(self, name: str, database: Database, keys: GeneratedKeys) -> Network:
        peer = {"request": "response", "response": "request"}[name]
        folder = self._folder / name
        context = BatchContext(
            network=network_pb2.Network.Value(f"NETWORK_{name.upper()}"),
            database=database,
            keys=lambda: Keys(
                Keyring.from_file(keys.keyring),
                SigningKey.load(keys.keyring.parent / f"{name}-signing.key"),
                TrustedKeys.load(keys.keyring.parent / f"{peer}-signing.pub"),
            ),
            outbox=Outbox(folder / "out"),
            inbox=Inbox(folder / "in", clock.now),
        )
        context.outbox.make_folders()
        context.inbox.make_folders()
        services = shared_services(
            settings=cast("NetworkSettings", SimpleNamespace(network_name=name)),
            auth=self._auth,
            exchange=Exchange(context, sources={}, sinks={}),
            jobs=JOBS,
            checks=[],
        )
        listen = f"unix:{self._sockets}/{uuid4().hex[:8]}.sock"
        server = build_server(services, self._auth, listen)
        await server.start()
        channel = grpc.aio.insecure_channel(listen)
        self._closing.append((server, channel))
        return Network(
            context,
            ops_service_pb2_grpc.OpsServiceStub(channel),  # type: ignore[no-untyped-call] # Generated code.
            transfer_service_pb2_grpc.TransferServiceStub(channel),  # type: ignore[no-untyped-call] # As above.
            self._bearer,
        )

    async def stop(self) -> None:
        for server, channel in self._closing:
            await channel.close()
            await server.drain(0)


@pytest_asyncio.fixture
async def networks(
    auth: AuthContext, accounts: Accounts, sara: Account, tmp_path: Path, server_folder: Path
) -> AsyncIterator[Networks]:
    accounts.change(sara.user_id, role="operator")
    token = (await sign_in(auth, username="sara", password=PASSWORD, caller=CALLER)).access_token
    made = Networks(auth, (("authorization", f"Bearer {token}"),), tmp_path, server_folder)
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def response(networks: Networks, database: Database, keys: GeneratedKeys) -> Network:
    return await networks.start("response", database, keys)


@pytest_asyncio.fixture
async def request_side(
    networks: Networks, postgres_server: EmbeddedPostgres, keys: GeneratedKeys
) -> AsyncIterator[Network]:
    name = f"peer_{uuid4().hex[:8]}"
    database = Database(postgres_server.create_database(name))
    async with database.engine.begin() as connection:
        await connection.run_sync(shared_metadata.create_all)
    yield await networks.start("request", database, keys)
    await database.close()
    postgres_server.drop_database(name)


async def refused(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    code: grpc.StatusCode = caught.value.code()
    return code


async def test_a_bundle_crosses_over_the_wire(response: Network, request_side: Network) -> None:
    made = (await response.run("status")).batches[0]
    (waiting,) = (await response.waiting()).bundles
    assert (waiting.batch_id, waiting.checksum) == (made.id, made.checksum)
    content = await response.fetch(waiting.batch_id)
    assert hashlib.sha256(content).hexdigest() == waiting.checksum
    assert len(content) == waiting.size_bytes

    for _ in range(2):
        received = await request_side.bring(content)
        assert (received.checksum, received.size_bytes) == (waiting.checksum, waiting.size_bytes)
    (imported,) = (await request_side.scan()).batches
    assert (imported.source_batch_id, imported.sequence) == (made.id, 1)
    assert imported.status == ops.BATCH_STATUS_COMPLETED
    incoming = (await request_side.streams()).incoming
    assert (incoming.cumulative, incoming.highest_seen, incoming.missing_count) == (1, 1, 0)

    (back,) = (await request_side.run("status")).batches
    await response.bring(await request_side.fetch(back.id))
    await response.scan()
    outgoing = (await response.streams()).outgoing
    assert (outgoing.acknowledged_up_to, outgoing.in_flight) == (1, 0)
    assert not (await response.waiting()).bundles
    assert await refused(response.fetch(made.id)) is grpc.StatusCode.FAILED_PRECONDITION


async def test_batches_are_listed_page_by_page(response: Network) -> None:
    made = [(await response.run("status")).batches[0].id for _ in range(3)]
    token, seen = "", []
    while True:
        page = await response.ops.ListExportBatches(
            ops.ListExportBatchesRequest(page_size=2, page_token=token), metadata=response.bearer
        )
        seen += [batch.id for batch in page.batches]
        if not (token := page.next_page_token):
            break
    assert seen == made[::-1]
    none = await response.ops.ListExportBatches(
        ops.ListExportBatchesRequest(kind=network_pb2.BUNDLE_KIND_USERS), metadata=response.bearer
    )
    assert not none.batches


async def test_who_asked_is_in_the_audit_trail(response: Network, database: Database, sara: Account) -> None:
    made = (await response.run("status")).batches[0]
    await response.fetch(made.id)
    await response.scan()
    async with database.transaction() as transaction:
        rows = (
            await transaction.connection.execute(select(audit_logs).where(audit_logs.c.user_id == sara.user_id))
        ).all()
    actions = {row.action: row.resource_id for row in rows}
    assert actions["ops.export_run"] == "status"
    assert actions["transfer.bundle_sent"] == made.id
    assert "ops.imports_scanned" in actions


async def test_a_kind_that_this_network_does_not_send_is_named(response: Network) -> None:
    assert await refused(response.run("requests")) is grpc.StatusCode.INVALID_ARGUMENT
    assert await refused(response.run("secrets")) is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_unknown_bundle_is_not_found(response: Network) -> None:
    assert await refused(response.fetch(str(uuid4()))) is grpc.StatusCode.NOT_FOUND
    assert await refused(response.fetch("../../etc/passwd")) is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_waiting_bundle_whose_file_is_gone_says_what_brings_it_back(response: Network) -> None:
    made = (await response.run("status")).batches[0]
    response.context.outbox.final_path(made.kind, made.filename).unlink()
    assert await refused(response.fetch(made.id)) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("content", [b"", b"not a bundle", b"\x89ALK\r\n\x1a\n" + bytes(100)])
async def test_what_is_no_whole_bundle_never_reaches_the_inbox(request_side: Network, content: bytes) -> None:
    assert await refused(request_side.bring(content)) is grpc.StatusCode.INVALID_ARGUMENT
    assert not request_side.context.inbox.scan()


async def test_a_cut_upload_leaves_nothing_behind(response: Network, request_side: Network, tmp_path: Path) -> None:
    content = await response.fetch((await response.run("status")).batches[0].id)
    assert await refused(request_side.bring(content[:-1])) is grpc.StatusCode.INVALID_ARGUMENT
    left = [path for path in (tmp_path / "request" / "in").rglob("*") if path.is_file()]
    assert left == []


async def test_jobs_are_listed_with_their_last_run_also_when_there_was_none(
    response: Network, database: Database
) -> None:
    await run_job(JOBS[0], object(), database)
    reply = await response.ops.ListJobs(ops.ListJobsRequest(), metadata=response.bearer)
    ran, never = reply.jobs
    assert (ran.name, ran.schedule, ran.last_succeeded, ran.last_summary) == ("idle", "every 30 s", True, "2 things")
    assert (never.name, never.schedule, never.HasField("last_started_at")) == ("never", "when woken", False)
