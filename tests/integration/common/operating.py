"""A network's server with everything that operators call, and an operator's stubs to it."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import grpc
from airlock.common.v1 import network_pb2
from airlock.ops.v1 import batches_pb2 as ops
from airlock.ops.v1 import ops_service_pb2_grpc, streams_pb2
from airlock.transfer.v1 import transfer_service_pb2 as transfer
from airlock.transfer.v1 import transfer_service_pb2_grpc
from google.api.httpbody_pb2 import HttpBody
from sqlalchemy import select

from common import clock
from common.audit.refusals import RefusalWriter
from common.audit.tables import audit_logs
from common.batches.context import BatchContext
from common.batches.exchange import Exchange
from common.handlers.shared import shared_services
from common.jobs.job import Job
from common.keys import Keys
from common.rpc.server import build_server
from transfer.bundle.keyring import Keyring, SigningKey, TrustedKeys
from transfer.spool.inbox import Inbox
from transfer.spool.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from common.auth.context import AuthContext
    from common.database.transaction import Database
    from common.settings import NetworkSettings
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
    address: str

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
        return await self.ops.GetStreams(streams_pb2.GetStreamsRequest(), metadata=self.bearer)


async def audited(network: Network) -> list[tuple[str, str]]:
    """What its audit trail holds: actions and what each was about."""
    async with network.context.database.transaction() as transaction:
        rows = await transaction.connection.execute(select(audit_logs).order_by(audit_logs.c.id))
    return [(row.action, row.resource_id) for row in rows]


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
        refusals = RefusalWriter(database)
        server = build_server(services, self._auth, listen, refusals=refusals)
        await server.start()
        refusals.start()
        channel = grpc.aio.insecure_channel(listen)
        self._closing.append((server, channel, refusals))
        return Network(
            context,
            ops_service_pb2_grpc.OpsServiceStub(channel),  # type: ignore[no-untyped-call] # Generated code.
            transfer_service_pb2_grpc.TransferServiceStub(channel),  # type: ignore[no-untyped-call] # As above.
            self._bearer,
            listen,
        )

    async def stop(self) -> None:
        for server, channel, refusals in self._closing:
            await channel.close()
            await server.drain(0)
            await refusals.close()
        self._closing.clear()
