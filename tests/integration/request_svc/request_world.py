"""What the tests of the Request Network share: users, questions, bundles as they come and go, and a cache in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from airlock.bundle.v1 import record_pb2
from airlock.bundle.v1.frame_pb2 import ResultChunk
from airlock.bundle.v1.record_pb2 import Record
from airlock.bundle.v1.replication_pb2 import TableState, User
from airlock.common.v1 import network_pb2
from sqlalchemy import select

from common.auth.permissions import permissions_of
from common.auth.principal import Principal
from common.batches.batch_rows import ImportBatchRow
from common.batches.import_rows import save_import
from common.batches.ports import IncomingBatch, OutgoingBatch
from common.policy.index import AllowedIndex
from common.policy.limits import BASIC
from common.policy.policy import Policy
from common.rpc.caller import Caller
from request_svc.adapters.export_requests import RequestExportSource
from request_svc.adapters.import_policy import policy_sinks
from request_svc.adapters.import_responses import ResponseSink
from request_svc.adapters.import_users import users_sinks
from request_svc.adapters.request_store import SqlRequestStore
from request_svc.adapters.request_writer import GroupedRequestWriter
from request_svc.adapters.response_store import SqlResponseStore
from request_svc.adapters.tables import requests
from request_svc.domain.batch import Batch
from request_svc.domain.question import Question
from request_svc.usecases.cancel_request import cancel_request
from request_svc.usecases.get_request import RequestDetails, get_request
from request_svc.usecases.read_question import Asking
from request_svc.usecases.read_result import StoredResult, find_result
from request_svc.usecases.submit_request import submit_request
from request_svc.usecases.submit_requests import submit_requests
from request_svc.usecases.validate_request import Validated, validate_request
from transfer.bundle.replication import TableDigest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from common.batches.ports import RecordSink
    from common.database.transaction import Database, Transaction
    from request_svc.domain.request import Request

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
EPOCH = 1_772_000_000
INDEX = "cities"
POLICY = Policy(indices={name: AllowedIndex(name) for name in (INDEX, "flights")})
INLINE = 128 * 1024
CHUNK = 256 * 1024


class MemoryCache:
    """The AnswerCache port in memory. With `away` it behaves as Redis does when it is away: it forgets."""

    def __init__(self) -> None:
        self.kept: dict[UUID, bytes] = {}
        self.away = False

    async def get(self, request_id: UUID) -> bytes | None:
        return None if self.away else self.kept.get(request_id)

    async def put(self, answers: Sequence[tuple[UUID, bytes]]) -> None:
        if not self.away:
            self.kept.update(answers)


def user_message(name: str, **changes: Any) -> User:
    """A user as the Response Network sends him; ids follow from names."""
    values: dict[str, Any] = {
        "id": user_id(name).bytes,
        "username": name,
        "email": f"{name}@example.org",
        "hashed_password": "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
        "full_name": name.title(),
        "role": "user",
        "profile_type": "basic",
        "rate_limit_per_minute": 10,
        "rate_limit_per_hour": 100,
        "rate_limit_per_day": 500,
        "priority": 5,
        "is_active": True,
        "revision": 1,
    }
    return User(**{**values, **changes})


def user_id(name: str) -> UUID:
    return UUID(bytes=hashlib.sha256(name.encode()).digest()[:16], version=4)


def principal(name: str = "sara", role: str = "user") -> Principal:
    return Principal(
        user_id=user_id(name),
        username=name,
        role=role,
        session_id=uuid4(),
        permissions=permissions_of(role),
        limits=BASIC,
        profile_type="basic",
    )


def asking(caller: Principal | None = None, now: datetime = NOW, policy: Policy = POLICY) -> Asking:
    return Asking(caller or principal(), BASIC.priority, policy, now)


def origin() -> Caller:
    return Caller(request_id=str(uuid4()), address="192.0.2.7", user_agent="tests")


def _itself(question: Question) -> Question:
    return question


def users_bundle(users: Sequence[User], *, snapshot: bool = False, table: Sequence[User] | None = None) -> list[Record]:
    """The records of a users bundle. `table` is the master's whole table where the bundle does not hold all of it."""
    whole = sorted(table if table is not None else users, key=lambda user: user.id)
    digest = TableDigest()
    for user in whole:
        digest.add(user.SerializeToString(deterministic=True))
    state = TableState(snapshot=snapshot, revision=len(whole), row_count=len(whole), table_digest=digest.digest())
    return [Record(table_state=state), *(Record(user=user) for user in users)]


def answer(request_id: UUID, data: bytes, **changes: Any) -> list[Record | ResultChunk]:
    """A completed response with its pieces."""
    response = record_pb2.Response(
        request_id=request_id.bytes,
        outcome=record_pb2.OUTCOME_COMPLETED,
        result_count=1,
        execution_time_ms=12,
        engine_took_ms=7,
        executions=1,
        executed_at_micros=int(NOW.timestamp() * 1_000_000),
        total_length=len(data),
        sha256=hashlib.sha256(data).digest(),
        data=data[:INLINE],
    )
    response.MergeFrom(record_pb2.Response(**changes))
    chunks = [
        ResultChunk(request_id=request_id.bytes, offset=start, data=data[start : start + CHUNK])
        for start in range(INLINE, len(data), CHUNK)
    ]
    return [Record(response=response), *chunks]


def ending(request_id: UUID, outcome: record_pb2.Outcome.ValueType, **changes: Any) -> list[Record | ResultChunk]:
    """A response without an answer."""
    return [Record(response=record_pb2.Response(request_id=request_id.bytes, outcome=outcome, **changes))]


def import_row(batch: IncomingBatch) -> ImportBatchRow:
    """The row that stands before a bundle's records."""
    return ImportBatchRow(
        id=batch.batch_id,
        kind=batch.kind,
        filename="users.pb.enc",
        file_path="/inbox/users.pb.enc",
        status="processing",
        created_at=batch.received_at,
        epoch=batch.epoch,
        sequence=batch.sequence,
    )


@dataclass
class World:
    """One Request Network without its servers: the database and what works on it."""

    database: Database
    cache: MemoryCache = field(default_factory=MemoryCache)
    requests: SqlRequestStore = field(default_factory=SqlRequestStore)
    responses: SqlResponseStore = field(default_factory=SqlResponseStore)
    source: RequestExportSource = field(default_factory=RequestExportSource)
    writer: GroupedRequestWriter = field(init=False)
    users_sealed_at: datetime = NOW + timedelta(minutes=30)
    incoming: int = 0
    outgoing: int = 0

    def __post_init__(self) -> None:
        self.writer = GroupedRequestWriter(self.database)

    async def add_users(self) -> None:
        await self.import_users(users_bundle([user_message("sara"), user_message("omid")], snapshot=True))

    async def submit(
        self, body: bytes | None = b'{"query":{"match_all":{}}}', *, caller: Principal | None = None, **options: Any
    ) -> Request:
        now, policy = options.pop("now", NOW), options.pop("policy", POLICY)
        return await submit_request(
            Question(**{"index": INDEX, "body": body, **options}),
            asking(caller, now, policy),
            request_id=uuid4(),
            origin=origin(),
            writer=self.writer,
            database=self.database,
            requests=self.requests,
        )

    async def submit_batch(
        self,
        body: bytes | None = None,
        *questions: Question,
        caller: Principal | None = None,
        index: str = INDEX,
        policy: Policy = POLICY,
        spend: Callable[[int, int], Awaitable[None]] | None = None,
    ) -> list[Request]:
        return await submit_requests(
            Batch(body, index, [partial(_itself, question) for question in questions]),
            asking(caller, NOW, policy),
            new_id=uuid4,
            origin=origin() if spend is None else replace(origin(), spend=spend),
            writer=self.writer,
            requests=self.requests,
        )

    async def validate(
        self, body: bytes | None = b'{"query":{"match_all":{}}}', *, caller: Principal | None = None, **options: Any
    ) -> Validated:
        now, policy = options.pop("now", NOW), options.pop("policy", POLICY)
        return await validate_request(
            Question(**{"index": INDEX, "body": body, **options}),
            asking(caller, now, policy),
            database=self.database,
            requests=self.requests,
        )

    async def get(self, request_id: UUID, *, caller: Principal | None = None) -> RequestDetails:
        return await get_request(
            request_id,
            caller=caller or principal(),
            database=self.database,
            requests=self.requests,
            responses=self.responses,
            cache=self.cache,
        )

    async def cancel(self, request_id: UUID, *, caller: Principal | None = None) -> Request:
        return await cancel_request(
            request_id,
            caller=caller or principal(),
            origin=Caller(request_id=str(uuid4())),
            now=NOW + timedelta(minutes=5),
            database=self.database,
            requests=self.requests,
        )

    async def result(self, request_id: UUID, *, caller: Principal | None = None) -> list[bytes]:
        found = await self.found(request_id, caller=caller)
        return [piece async for piece in found.pieces()]

    async def found(self, request_id: UUID, *, caller: Principal | None = None) -> StoredResult:
        return await find_result(
            request_id,
            caller=caller or principal(),
            database=self.database,
            requests=self.requests,
            responses=self.responses,
            cache=self.cache,
        )

    async def claim(self) -> tuple[OutgoingBatch, int]:
        """The next bundle of requests and how many records it will hold."""
        self.outgoing += 1
        batch = OutgoingBatch(batch_id=uuid4(), epoch=EPOCH, sequence=self.outgoing, created_at=NOW)
        async with self.database.transaction() as transaction:
            return batch, await self.source.claim(transaction.connection, batch)

    async def records(self, batch: OutgoingBatch) -> list[Record]:
        """What the bundle holds, parsed."""
        async with self.database.transaction() as transaction:
            parts = [part async for part in self.source.pieces(transaction.connection, batch)]
        return [Record.FromString(piece) for part in parts for piece in part if isinstance(piece, bytes)]

    async def seal(self, batch: OutgoingBatch) -> None:
        async with self.database.transaction() as transaction:
            await self.source.sealed(transaction.connection, batch)

    async def acknowledge(self, *batches: OutgoingBatch) -> None:
        async with self.database.transaction() as transaction:
            ids = [batch.batch_id for batch in batches]
            await self.source.acknowledged(transaction.connection, ids, NOW + timedelta(hours=1))

    async def release(self, *batches: OutgoingBatch) -> None:
        async with self.database.transaction() as transaction:
            await self.source.released(transaction.connection, [batch.batch_id for batch in batches])

    def incoming_batch(self, kind: network_pb2.BundleKind.ValueType, sequence: int | None = None) -> IncomingBatch:
        self.incoming += 1
        return IncomingBatch(
            batch_id=uuid4(),
            source_batch_id=uuid4(),
            kind=kind,
            epoch=EPOCH,
            sequence=sequence or self.incoming,
            sealed_at=NOW + timedelta(minutes=30),
            received_at=NOW + timedelta(minutes=40),
        )

    async def import_users(
        self, records: Sequence[Record | ResultChunk], sequence: int | None = None, *, schema_minor: int = 0
    ) -> dict[str, int]:
        async with self.database.transaction() as transaction:
            return await self.apply_users(transaction, records, sequence, schema_minor=schema_minor)

    async def apply_users(
        self,
        transaction: Transaction,
        records: Sequence[Record | ResultChunk],
        sequence: int | None = None,
        *,
        schema_minor: int = 0,
    ) -> dict[str, int]:
        """An import of users up to its commit."""
        incoming = self.incoming_batch(network_pb2.BUNDLE_KIND_USERS, sequence)
        batch = replace(incoming, sealed_at=self.users_sealed_at, schema_minor=schema_minor)
        return await self._apply(transaction, users_sinks(lambda: datetime.now(UTC))(batch), batch, records)

    async def import_policy(
        self,
        kind: network_pb2.BundleKind.ValueType,
        records: Sequence[Record | ResultChunk],
        sequence: int | None = None,
    ) -> dict[str, int]:
        """Imports profile types or settings."""
        batch = self.incoming_batch(kind, sequence)
        async with self.database.transaction() as transaction:
            return await self._apply(transaction, policy_sinks(batch), batch, records)

    @staticmethod
    async def _apply(
        transaction: Transaction, sink: RecordSink, batch: IncomingBatch, records: Sequence[Record | ResultChunk]
    ) -> dict[str, int]:
        await save_import(transaction.connection, import_row(batch))
        await sink.apply(transaction, records)
        return await sink.finish(transaction)

    async def import_responses(self, *answers: Sequence[Record | ResultChunk]) -> dict[str, int]:
        sink = ResponseSink(self.incoming_batch(network_pb2.BUNDLE_KIND_RESPONSES), self.cache)
        async with self.database.transaction() as transaction:
            for one in answers:
                await sink.apply(transaction, one)
            return await sink.finish(transaction)

    async def rows(self, *columns: Any, where: Any = None) -> list[Any]:
        """Rows as they are stored."""
        statement = select(*columns)
        async with self.database.transaction() as transaction:
            found = await transaction.connection.execute(statement if where is None else statement.where(where))
            return list(found)

    async def status(self, request_id: UUID) -> str:
        [row] = await self.rows(requests.c.status, where=requests.c.id == request_id)
        return str(row.status)
