"""Where bundles of replicated tables go: what all kinds have in common. Nothing else here writes such a row.

The first record says what the bundle holds. A bundle that is older than the one used last is acknowledged and ignored;
a newer one's rows replace whatever is there. Afterwards count and digest must be the master's, or the whole table is
asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import structlog
from airlock.bundle.v1.record_pb2 import Record
from sqlalchemy import select, text

from common.batches.snapshots import ask_for_snapshot, snapshot_came
from request_svc.adapters.tables import replica_states
from request_svc.domain.replica import ReplicaState, is_newer
from transfer.bundle.names import kind_name
from transfer.errors import MalformedRecordError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airlock.bundle.v1.frame_pb2 import ResultChunk
    from airlock.bundle.v1.replication_pb2 import TableState
    from sqlalchemy import TextClause
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.ports import IncomingBatch
    from common.database.transaction import Transaction

log = structlog.get_logger("request_svc.replica")

_KEEP_STATE = text(
    "SELECT airlock_keep_replica_state(:batch, :kind, :revision, :row_count, :table_digest, :in_step, :sealed_at)"
)


class ReplicaRows(Protocol):
    """The rows of one kind of bundle, for one bundle."""

    contents: frozenset[str]
    """The fields of Record that hold such rows."""
    measure: TextClause
    """The statement that counts the replica's rows and takes the digest over theirs."""
    counts: dict[str, int]
    """What was done so far."""

    async def store(self, connection: AsyncConnection, messages: Mapping[str, Sequence[Any]]) -> None:
        """Puts rows in place of whatever is there; `messages` by field of Record. Raises MalformedRecordError."""
        ...

    async def finish(self, transaction: Transaction, *, snapshot: bool) -> None:
        """All rows are there; after a snapshot, those that it does not hold are retired. May raise as `store`."""
        ...


class ReplicaSink:
    """`RecordSink` for one bundle of a replicated table."""

    def __init__(self, batch: IncomingBatch, rows: ReplicaRows) -> None:
        self._batch = batch
        self._kind = kind_name(batch.kind)
        self._rows = rows
        self._state: TableState | None = None
        self._ignored: int | None = None

    async def apply(self, transaction: Transaction, pieces: Sequence[Record | ResultChunk]) -> None:
        """See the port."""
        messages: dict[str, list[Any]] = {}
        for piece in pieces:
            content = piece.WhichOneof("content") if isinstance(piece, Record) else "piece of an answer"
            if content in self._rows.contents and self._state is not None:
                messages.setdefault(content, []).append(getattr(piece, content))
            elif content == "table_state" and self._state is None:
                await self._begin(transaction, getattr(piece, content))
            else:
                raise MalformedRecordError(f"A bundle of {self._kind} holds a {content} where it must not.")
        if self._ignored is not None:
            self._ignored += sum(map(len, messages.values()))
        elif messages:
            await self._rows.store(transaction.connection, messages)

    async def finish(self, transaction: Transaction) -> dict[str, int]:
        """See the port."""
        if self._state is None:
            raise MalformedRecordError(f"A bundle of {self._kind} holds no table state.")
        counts = self._rows.counts
        if self._ignored is not None:
            counts["ignored"] = self._ignored
        else:
            await self._rows.finish(transaction, snapshot=self._state.snapshot)
            await self._keep_state(transaction.connection, self._state)
        return {name: count for name, count in counts.items() if count or name in {"imported", "updated"}}

    async def _begin(self, transaction: Transaction, state: TableState) -> None:
        """The streams' lock, which every import takes first, keeps two of these from running at once."""
        self._state = state
        last = await last_applied(transaction.connection, self._kind)
        if not is_newer(last, self._batch.epoch, self._batch.sequence):
            self._ignored = 0

    async def _keep_state(self, connection: AsyncConnection, state: TableState) -> None:
        """Notes the bundle as the last one used, and asks for the whole table unless the replica now equals it."""
        count, digest = (await connection.execute(self._rows.measure)).one()
        in_step = count == state.row_count and digest == state.table_digest
        values = {
            "batch": self._batch.batch_id,
            "kind": self._kind,
            "revision": state.revision,
            "row_count": state.row_count,
            "table_digest": state.table_digest,
            "in_step": in_step,
            "sealed_at": self._batch.sealed_at,
        }
        await connection.execute(_KEEP_STATE, values)
        if not in_step:
            log.warning("replica_out_of_step", kind=self._kind, snapshot=state.snapshot)
            await ask_for_snapshot(connection, self._batch.kind)
        elif state.snapshot:
            await snapshot_came(connection, self._batch.kind)


async def last_applied(connection: AsyncConnection, kind: str) -> ReplicaState | None:
    """The last bundle of that kind that was used."""
    columns = replica_states.c
    statement = select(
        columns.epoch, columns.sequence, columns.revision, columns.row_count, columns.table_digest, columns.in_step
    ).where(columns.kind == kind)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else ReplicaState(*row)
