"""Where bundles of answers go: each ends its request, once. Long answers are stored while they are read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from airlock.bundle.v1.frame_pb2 import ResultChunk

from common.batches.parked import park
from request_svc.adapters import answer_rows
from request_svc.adapters.answer_cache import MAX_CACHED_BYTES
from request_svc.adapters.changes import notify_changes
from request_svc.adapters.incoming_answer import IncomingAnswer
from request_svc.domain.answer_fate import Fate
from transfer.errors import ChunkOrderError, MalformedRecordError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from airlock.bundle.v1.record_pb2 import Record

    from common.batches.ports import IncomingBatch
    from common.database.transaction import Transaction
    from request_svc.ports import AnswerCache

FLUSH_ROWS = 100
FLUSH_BYTES = 1024 * 1024
MAX_PREFILL = 4 * 1024 * 1024
"""Bytes of answers of one bundle that are put into the cache at once; the others come there when they are read."""


class ResponseSink:
    """`RecordSink` for one bundle of answers."""

    def __init__(self, batch: IncomingBatch, cache: AnswerCache) -> None:
        self._batch = batch
        self._cache = cache
        self._arriving: IncomingAnswer | None = None
        self._short: list[IncomingAnswer] = []
        self._short_bytes = 0
        self._counts: Counter[str] = Counter(completed=0, failed=0)
        self._prefill: list[tuple[UUID, bytes]] = []
        self._prefill_bytes = 0

    async def apply(self, transaction: Transaction, pieces: Sequence[Record | ResultChunk]) -> None:
        """See the port."""
        for piece in pieces:
            if isinstance(piece, ResultChunk):
                await self._continue(transaction, piece)
            elif piece.WhichOneof("content") == "response":
                self._expect_no_more()
                await self._begin(transaction, piece)
            else:
                raise MalformedRecordError(f"A bundle of responses holds a {piece.WhichOneof('content')}.")

    async def finish(self, transaction: Transaction) -> dict[str, int]:
        """See the port."""
        self._expect_no_more()
        await self._flush(transaction)
        if self._counts.total():
            await notify_changes(transaction.connection)
        if self._prefill:
            prefill = self._prefill
            transaction.after_commit(lambda: self._cache.put(prefill))
        return dict(self._counts)

    async def _begin(self, transaction: Transaction, record: Record) -> None:
        answer = IncomingAnswer(record)
        if not answer.is_short:
            # Its fate is settled before its pieces are stored, and after what came before it.
            await self._flush(transaction)
            fates = await answer_rows.fates(transaction.connection, [answer])
            answer.fate = fates[0]
        self._arriving = answer
        await self._take(transaction, answer, bytes(record.response.data))

    async def _continue(self, transaction: Transaction, chunk: ResultChunk) -> None:
        answer = self._arriving
        if answer is None or chunk.request_id != answer.request_id.bytes or chunk.offset != answer.received:
            raise ChunkOrderError("A piece of an answer does not follow what came before it.")
        await self._take(transaction, answer, chunk.data)

    async def _take(self, transaction: Transaction, answer: IncomingAnswer, data: bytes) -> None:
        for number, piece in answer.add(data):
            if answer.fate is Fate.APPLIED:
                await answer_rows.store_chunk(transaction.connection, answer.request_id, number, piece)
        if not answer.is_whole:
            return
        answer.verify()
        self._arriving = None
        if not answer.is_short:
            await self._settle(transaction, [answer], [answer.fate])
            return
        self._short.append(answer)
        self._short_bytes += answer.received
        if len(self._short) >= FLUSH_ROWS or self._short_bytes >= FLUSH_BYTES:
            await self._flush(transaction)

    async def _flush(self, transaction: Transaction) -> None:
        answers, self._short, self._short_bytes = self._short, [], 0
        if answers:
            await self._settle(transaction, answers, await answer_rows.fates(transaction.connection, answers))

    async def _settle(
        self, transaction: Transaction, answers: Sequence[IncomingAnswer], fates: Sequence[Fate | None]
    ) -> None:
        connection = transaction.connection
        applied = [answer for answer, fate in zip(answers, fates, strict=True) if fate is Fate.APPLIED]
        if applied:
            await answer_rows.store(connection, applied, self._batch)
        confirmed = []
        for answer, fate in zip(answers, fates, strict=True):
            self._counts[answer.status if fate is Fate.APPLIED else str(fate)] += 1
            if fate is Fate.PARKED:
                await park(connection, self._batch, "unknown-request", answer.request_id, answer.record_bytes)
            elif fate is Fate.CONFIRMED:
                confirmed.append(answer.request_id)
            elif fate is Fate.APPLIED:
                self._note_for_cache(answer)
        if confirmed:
            await answer_rows.confirm_cancellations(connection, confirmed, self._batch.received_at)

    def _note_for_cache(self, answer: IncomingAnswer) -> None:
        if 0 < answer.received <= MAX_CACHED_BYTES and self._prefill_bytes + answer.received <= MAX_PREFILL:
            self._prefill.append((answer.request_id, answer.held))
            self._prefill_bytes += answer.received

    def _expect_no_more(self) -> None:
        if self._arriving is not None:
            raise ChunkOrderError("An answer ends before its length is reached.")
