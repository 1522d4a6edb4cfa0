"""What a subject supplies to take part in an export or an import: where its rows come from and where they go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from airlock.bundle.v1.frame_pb2 import ResultChunk
    from airlock.bundle.v1.record_pb2 import Record
    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.database.transaction import Transaction


@dataclass(frozen=True, slots=True)
class OutgoingBatch:
    """A bundle in the making: its batch row, its number, when it was claimed, and the schema of its records."""

    batch_id: UUID
    epoch: int
    sequence: int
    created_at: datetime
    schema_minor: int = 0


@dataclass(frozen=True, slots=True)
class IncomingBatch:
    """A verified bundle that is being applied: our own batch row's id, the sender's, and its place in the stream."""

    batch_id: UUID
    source_batch_id: UUID
    kind: BundleKind.ValueType
    epoch: int
    sequence: int
    sealed_at: datetime
    received_at: datetime
    schema_minor: int = 0


class ExportSource(Protocol):
    """Where the rows of one kind of bundle come from. Every method runs in the caller's transaction."""

    @property
    def kind(self) -> BundleKind.ValueType:
        """The kind of bundle that this source fills."""
        ...

    async def claim(self, connection: AsyncConnection, batch: OutgoingBatch) -> int:
        """Claims the next rows for `batch` and returns how many records it will hold; 0 makes no bundle."""
        ...

    def pieces(self, connection: AsyncConnection, batch: OutgoingBatch) -> AsyncIterator[Sequence[bytes | ResultChunk]]:
        """The batch's records in order, some at a time, the same bytes at every call.

        `bytes` is one serialised `airlock.bundle.v1.Record`; the ResultChunks of a long answer follow its record.
        """
        ...

    async def sealed(self, connection: AsyncConnection, batch: OutgoingBatch) -> None:
        """The file is durable: the claimed rows count as exported."""
        ...

    async def acknowledged(self, connection: AsyncConnection, batch_ids: Sequence[UUID], at: datetime) -> None:
        """The other network holds these batches, committed. May be told twice."""
        ...

    async def released(self, connection: AsyncConnection, batch_ids: Sequence[UUID]) -> None:
        """These batches were voided: their rows that have no final state are to be claimed again."""
        ...

    async def begin_again(self, connection: AsyncConnection) -> None:
        """A new epoch begins: every row without an acknowledged final state is to be claimed again."""
        ...


class RecordSink(Protocol):
    """Where the records of one kind of bundle go. One sink is made for each bundle."""

    async def apply(self, transaction: Transaction, pieces: Sequence[Record | ResultChunk]) -> None:
        """Applies some records, in order, in the transaction that the whole bundle shares.

        What cannot be applied alone (an answer to an unknown request) is parked and counted, and does not raise.
        Raising rolls the whole bundle back: a BundleError (MalformedRecordError for what has no place in this kind)
        refuses it, anything else leaves the file in the inbox for the next scan.
        """
        ...

    async def finish(self, transaction: Transaction) -> dict[str, int]:
        """The bundle is whole: last statements, and counts such as `{"inserted": 3}` for the log and the batch row.

        Work for after the commit (waking executors, filling caches) is queued with `transaction.after_commit`.
        """
        ...


class SinkFactory(Protocol):
    """Makes the sink for one bundle."""

    def __call__(self, batch: IncomingBatch) -> RecordSink:
        """A fresh sink, which holds the state of this one bundle only."""
        ...
