"""One answer while it is read from a bundle: gathers its bytes, of a long one a piece at a time, and checks them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final
from uuid import UUID

from airlock.bundle.v1 import record_pb2
from airlock.common.v1.failure_reason_pb2 import FailureReason as WireReason

from request_svc.adapters.tables import RESULT_PIECE
from request_svc.domain.request import FailureReason
from request_svc.domain.status import RequestStatus
from transfer.bundle.limits import MAX_RESULT
from transfer.errors import HashMismatchError, LimitExceededError, MalformedRecordError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlock.bundle.v1.record_pb2 import Record

    from request_svc.domain.answer_fate import Fate

_STATUS: Final = {
    record_pb2.OUTCOME_COMPLETED: RequestStatus.COMPLETED,
    record_pb2.OUTCOME_FAILED: RequestStatus.FAILED,
    record_pb2.OUTCOME_CANCELLED: RequestStatus.CANCELLED,
}


class IncomingAnswer:
    """A Response record and what follows it. A short answer (at most 256 KiB) is held; of a long one, one piece is."""

    def __init__(self, record: Record) -> None:
        response = record.response
        self.request_id = UUID(bytes=response.request_id)
        self.response = response
        self.status = _status(response)
        self.failure_reason = _failure_reason(response) if self.status is RequestStatus.FAILED else None
        self.is_short = response.total_length <= RESULT_PIECE
        self.received = 0
        # Of a long answer: decided before its pieces come.
        self.fate: Fate | None = None
        self._record = record
        self._held = bytearray()
        self._pieces = 0
        self._hash = hashlib.sha256()

    def add(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Takes the next bytes and gives the full pieces of a long answer, numbered from 0, the last one shorter."""
        self.received += len(data)
        if self.received > self.response.total_length:
            raise LimitExceededError(f"The answer to {self.request_id} is longer than its record says.")
        self._hash.update(data)
        self._held += data
        if self.is_short:
            return
        while len(self._held) >= RESULT_PIECE or (self._held and self.is_whole):
            piece = bytes(self._held[:RESULT_PIECE])
            del self._held[:RESULT_PIECE]
            yield self._pieces, piece
            self._pieces += 1

    @property
    def is_whole(self) -> bool:
        """Whether all bytes that the record announces are here."""
        return self.received == self.response.total_length

    def verify(self) -> None:
        """Raises HashMismatchError if the bytes are not those that the Response Network sealed."""
        if self.received and self._hash.digest() != self.response.sha256:
            raise HashMismatchError(f"The answer to {self.request_id} does not have the SHA-256 of its record.")

    @property
    def held(self) -> bytes:
        """The bytes of a short answer."""
        return bytes(self._held)

    @property
    def record_bytes(self) -> bytes:
        """The serialised record, for keeping what cannot be applied."""
        return self._record.SerializeToString(deterministic=True)


def _status(response: record_pb2.Response) -> RequestStatus:
    status = _STATUS.get(response.outcome)
    if status is None:
        raise MalformedRecordError("A response has no outcome.")
    if (status is RequestStatus.COMPLETED) != (response.total_length > 0):
        raise MalformedRecordError("A completed response must have data, and no other may.")
    if response.total_length > MAX_RESULT:
        raise LimitExceededError(f"A response has {response.total_length} bytes; at most {MAX_RESULT} may travel.")
    return status


def _failure_reason(response: record_pb2.Response) -> FailureReason:
    try:
        return FailureReason(WireReason.Name(response.failure_reason).removeprefix("FAILURE_REASON_"))
    except ValueError:
        raise MalformedRecordError("A failed response has no reason that is known here.") from None
