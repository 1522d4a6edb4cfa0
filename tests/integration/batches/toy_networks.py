"""Two networks with toy rows: the Request Network sends cancellations, the Response Network final failures."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from airlock.bundle.v1.record_pb2 import OUTCOME_FAILED, Cancellation, Record, Response
from airlock.common.v1 import failure_reason_pb2, network_pb2
from sqlalchemy import BigInteger, Column, MetaData, String, Table, Uuid, func, insert, select, update

from common.batches.context import BatchContext
from common.batches.overview import get_streams
from common.batches.run_export import run_export, run_status
from common.batches.run_import import run_imports
from common.batches.stores import list_export_batches, list_import_batches
from common.database.transaction import Database
from common.keys import Keys
from transfer.bundle.keyring import Keyring, SigningKey, TrustedKeys
from transfer.spool.inbox import Inbox
from transfer.spool.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.overview import StreamsView
    from common.batches.ports import ExportSource, IncomingBatch, OutgoingBatch
    from common.batches.reports import ExportReport, ImportReport
    from common.batches.steps import Step
    from common.database.transaction import Transaction
    from transfer.bundle.keyring import GeneratedKeys

REQUESTS = network_pb2.BUNDLE_KIND_REQUESTS
RESPONSES = network_pb2.BUNDLE_KIND_RESPONSES
USERS = network_pb2.BUNDLE_KIND_USERS
STATUS = network_pb2.BUNDLE_KIND_STATUS

toy_metadata = MetaData()
to_send = Table(
    "to_send",
    toy_metadata,
    Column("id", Uuid, primary_key=True),
    Column("n", BigInteger),
    Column("batch_id", Uuid),
    Column("state", String(20), nullable=False, server_default="pending"),
)
# One row each time a record was applied, so that doubling shows.
applied = Table("applied", toy_metadata, Column("id", Uuid), Column("batch_id", Uuid), Column("repeated", String(5)))


class Fault(BaseException):
    """The process dies here."""


@dataclass
class FaultAt:
    """Raises at the n-th report of a step, once."""

    step: Step | None = None
    countdown: int = 1
    error: Callable[[], BaseException] = Fault
    passed: Counter[str] = field(default_factory=Counter)

    def __call__(self, step: Step) -> None:
        self.passed[step] += 1
        if step == self.step:
            self.countdown -= 1
            if self.countdown == 0:
                self.step = None
                raise self.error()


class MovedClock:
    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment

    def advance(self, **by: float) -> None:
        self.moment += timedelta(**by)


class ToySource:
    """Rows of `to_send`, `per_bundle` at a time."""

    def __init__(self, kind: network_pb2.BundleKind.ValueType, per_bundle: int = 3) -> None:
        self.kind = kind
        self.per_bundle = per_bundle

    async def claim(self, connection: AsyncConnection, batch: OutgoingBatch) -> int:
        waiting = select(to_send.c.id).where(to_send.c.state == "pending").order_by(to_send.c.n).limit(self.per_bundle)
        claimed = await connection.execute(
            update(to_send).where(to_send.c.id.in_(waiting)).values(state="queued", batch_id=batch.batch_id)
        )
        return claimed.rowcount

    async def pieces(self, connection: AsyncConnection, batch: OutgoingBatch) -> AsyncIterator[Sequence[bytes]]:
        rows = await connection.execute(
            select(to_send).where(to_send.c.batch_id == batch.batch_id).order_by(to_send.c.n)
        )
        for row in rows.all():
            yield [toy_record(self.kind, row.id).SerializeToString()]

    async def sealed(self, connection: AsyncConnection, batch: OutgoingBatch) -> None:
        await self._set(connection, [batch.batch_id], state="exported")

    async def acknowledged(self, connection: AsyncConnection, batch_ids: Sequence[UUID], at: datetime) -> None:
        await self._set(connection, batch_ids, state="acknowledged")

    async def released(self, connection: AsyncConnection, batch_ids: Sequence[UUID]) -> None:
        await self._set(connection, batch_ids, state="pending", batch_id=None)

    async def begin_again(self, connection: AsyncConnection) -> None:
        await connection.execute(
            update(to_send).where(to_send.c.state != "acknowledged").values(state="pending", batch_id=None)
        )

    async def _set(self, connection: AsyncConnection, batch_ids: Sequence[UUID], **values: Any) -> None:
        await connection.execute(
            update(to_send).where(to_send.c.batch_id.in_(batch_ids), to_send.c.state != "acknowledged").values(**values)
        )


class ToySink:
    """Writes down every record that is applied."""

    error: BaseException | None = None

    def __init__(self, batch: IncomingBatch) -> None:
        self._batch = batch
        self._counts: Counter[str] = Counter()

    async def apply(self, transaction: Transaction, pieces: Sequence[Any]) -> None:
        for piece in pieces:
            record_id = UUID(bytes=getattr(piece, piece.WhichOneof("content")).request_id)
            known = await transaction.connection.scalar(
                select(func.count()).select_from(applied).where(applied.c.id == record_id)
            )
            self._counts["repeated" if known else "inserted"] += 1
            await transaction.connection.execute(
                insert(applied).values(
                    id=record_id, batch_id=self._batch.batch_id, repeated="true" if known else "false"
                )
            )
        if ToySink.error is not None:
            error, ToySink.error = ToySink.error, None
            raise error

    async def finish(self, transaction: Transaction) -> dict[str, int]:
        return dict(self._counts)


def toy_record(kind: network_pb2.BundleKind.ValueType, record_id: UUID) -> Record:
    if kind == REQUESTS:
        return Record(cancellation=Cancellation(request_id=record_id.bytes, cancelled_at_micros=1))
    return Record(
        response=Response(
            request_id=record_id.bytes,
            outcome=OUTCOME_FAILED,
            failure_reason=failure_reason_pb2.FAILURE_REASON_REFUSED,
            message="no",
        )
    )


@dataclass
class ToyNetwork:
    context: BatchContext
    source: ExportSource
    clock: MovedClock
    steps: FaultAt
    receives: network_pb2.BundleKind.ValueType

    @property
    def database(self) -> Database:
        return self.context.database

    def with_context(self, **changes: Any) -> ToyNetwork:
        return replace(self, context=replace(self.context, **changes))

    def with_keys(self, **changes: Any) -> ToyNetwork:
        keys = replace(self.context.keys(), **changes)
        return self.with_context(keys=lambda: keys)

    async def add(self, number: int) -> list[UUID]:
        ids = [uuid4() for _ in range(number)]
        async with self.database.transaction() as transaction:
            await transaction.connection.execute(
                insert(to_send), [{"id": one, "n": index} for index, one in enumerate(ids)]
            )
        return ids

    async def export(self, **options: Any) -> ExportReport:
        return await run_export(self.context, self.source, **options)

    async def status(self, **options: Any) -> ExportReport:
        return await run_status(self.context, **options)

    async def scan(self) -> ImportReport:
        return await run_imports(self.context, sinks={self.receives: ToySink}, sources={self.source.kind: self.source})

    def waiting(self, folder: str | None = None) -> list[Path]:
        files = [file.path for file in self.context.outbox.waiting()]
        return [path for path in files if folder in {None, path.parent.name}]

    def take_in(self, *files: Path) -> None:
        """The courier drops files into the inbox."""
        for file in files:
            shutil.copy(file, self.context.inbox.root / f"{uuid4().hex}.pb.enc")

    async def states(self) -> Counter[str]:
        async with self.database.transaction() as transaction:
            rows = await transaction.connection.execute(select(to_send.c.state))
        return Counter(row.state for row in rows)

    async def times_applied(self) -> Counter[UUID]:
        async with self.database.transaction() as transaction:
            rows = await transaction.connection.execute(select(applied.c.id))
        return Counter(row.id for row in rows)

    async def streams(self) -> StreamsView:
        async with self.database.transaction() as transaction:
            return await get_streams(transaction.connection, self.context)

    async def exports(self) -> list[Any]:
        async with self.database.transaction() as transaction:
            return await list_export_batches(transaction.connection, kind=None, limit=100)

    async def imports(self) -> list[Any]:
        async with self.database.transaction() as transaction:
            return await list_import_batches(transaction.connection, kind=None, limit=100)


@dataclass
class Pair:
    request: ToyNetwork
    response: ToyNetwork

    def carry(self) -> None:
        """Everything that waits on either side is brought to the other."""
        self.response.take_in(*self.request.waiting())
        self.request.take_in(*self.response.waiting())

    async def begin(self) -> None:
        """The Request Network has its epoch, and nothing is in flight."""
        await self.response.status(force=True)
        await self.round_trip()

    async def round_trip(self) -> None:
        """Everything is carried and acknowledged both ways; the inboxes are empty at the end."""
        await self.exchange()
        await self.request.status(force=True)
        await self.exchange()
        await self.response.status(force=True)
        await self.exchange()

    async def exchange(self) -> None:
        self.carry()
        await self.request.scan()
        await self.response.scan()


@asynccontextmanager
async def toy_pair(request_url: str, response_url: str, keys: GeneratedKeys, folder: Path) -> AsyncIterator[Pair]:
    clock = MovedClock()
    databases = [Database(url, pool_size=4) for url in (request_url, response_url)]
    try:
        yield Pair(
            _network(network_pb2.NETWORK_REQUEST, databases[0], keys, folder / "request", clock),
            _network(network_pb2.NETWORK_RESPONSE, databases[1], keys, folder / "response", clock),
        )
    finally:
        ToySink.error = None
        for database in databases:
            await database.close()


def _network(
    network: network_pb2.Network.ValueType, database: Database, keys: GeneratedKeys, folder: Path, clock: MovedClock
) -> ToyNetwork:
    asks = network == network_pb2.NETWORK_REQUEST
    steps = FaultAt()
    context = BatchContext(
        network=network,
        database=database,
        keys=lambda: Keys(
            Keyring.from_file(keys.keyring),
            SigningKey.load(keys.request_signing_key if asks else keys.response_signing_key),
            TrustedKeys.load(keys.response_public_key if asks else keys.request_public_key),
        ),
        outbox=Outbox(folder / "export"),
        inbox=Inbox(folder / "import", lambda: datetime.now(UTC) + timedelta(minutes=1)),
        clock=clock,
        steps=steps,
    )
    context.outbox.make_folders()
    context.inbox.make_folders()
    source = ToySource(REQUESTS if asks else RESPONSES)
    return ToyNetwork(context, source, clock, steps, RESPONSES if asks else REQUESTS)
