"""The rules of a payload as a whole: which records a kind of bundle holds, in what order, and answers in pieces.

The shape of a single record is `record_shapes`' business.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from airlock.common.v1 import network_pb2

from transfer.bundle.limits import MAX_CHUNK_DATA, SCHEMA_MAJOR
from transfer.bundle.names import kind_name
from transfer.bundle.record_shapes import PLAIN, SHAPES
from transfer.bundle.versions import beyond_minor
from transfer.errors import ChunkOrderError, FrameOrderError, MalformedRecordError, UnknownFieldError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlock.bundle.v1.frame_pb2 import RecordBlock, ResultChunk
    from airlock.bundle.v1.record_pb2 import Response

REPLICATED: Final = frozenset(
    {network_pb2.BUNDLE_KIND_USERS, network_pb2.BUNDLE_KIND_SETTINGS, network_pb2.BUNDLE_KIND_PROFILE_TYPES}
)
"""Kinds whose newer bundle holds all that an older one holds; each begins with a TableState."""
_ALLOWED: Final[Mapping[int, frozenset[str]]] = {
    network_pb2.BUNDLE_KIND_REQUESTS: frozenset({"request", "cancellation"}),
    network_pb2.BUNDLE_KIND_RESPONSES: frozenset({"response"}),
    network_pb2.BUNDLE_KIND_USERS: frozenset({"table_state", "user"}),
    network_pb2.BUNDLE_KIND_SETTINGS: frozenset({"table_state", "setting", "index"}),
    network_pb2.BUNDLE_KIND_PROFILE_TYPES: frozenset({"table_state", "profile_type"}),
    network_pb2.BUNDLE_KIND_STATUS: frozenset(),
}


class PayloadRules:
    """Follows one payload from its first record to its end. Each method returns or raises a BundleError."""

    def __init__(self, kind: network_pb2.BundleKind.ValueType, schema_minor: int) -> None:
        self._kind = kind
        self._schema_minor = schema_minor
        self._shapes = {content: SHAPES[content] for content in _ALLOWED[kind]}
        self._beyond = {name: test for name, test in beyond_minor(schema_minor).items() if name in self._shapes}
        self._indices_began = False
        self._replicated = kind in REPLICATED
        self._pieces: _Pieces | None = None
        self.records = 0
        self.chunks = 0

    def check_block(self, block: RecordBlock) -> None:
        """The records of one block, each by its own rules, and that they may stand in this place."""
        records = block.records
        if not records:
            msg = "A block holds no record."
            raise MalformedRecordError(msg)
        plain = PLAIN.get(self._kind)
        if plain is not None and self._pieces is None and plain(records):
            self.records += len(records)
            return
        for record in records:
            if self._pieces is not None:
                raise self._cut("another record")
            self.records += 1
            content = record.WhichOneof("content")
            shape = self._shapes.get(content or "")
            if content is None or shape is None:
                raise self._refuse(
                    f"{content or 'of no known type'}, which is not for bundles of {kind_name(self._kind)}"
                )
            if self._replicated and (content == "table_state") != (self.records == 1):
                msg = f"Record {self.records} is a {content}; the state of the table comes first, and once."
                raise FrameOrderError(msg)
            value = getattr(record, content)
            if self._beyond and content in self._beyond and self._beyond[content](value):
                raise self._too_new(content)
            if content == "index":
                self._indices_began = True
            elif self._indices_began:
                msg = f"Record {self.records} is a {content}; indices come after all settings."
                raise FrameOrderError(msg)
            broken = shape(value)
            if broken is not None:
                raise self._refuse(f"a {content} that breaks a rule: {broken}")
            if content == "response" and value.total_length > len(value.data):
                # Its chunks follow at once; nothing else may come before they are whole.
                self._pieces = _Pieces(value)

    def check_chunk(self, chunk: ResultChunk) -> None:
        """One piece of the answer whose record came last."""
        if self._pieces is None:
            msg = "A piece of an answer follows no record that awaits one."
            raise ChunkOrderError(msg)
        self.chunks += 1
        if self._pieces.add(chunk):
            self._pieces = None

    def check_end(self) -> None:
        """At End: no answer is unfinished, and a replicated table has told its state."""
        if self._pieces is not None:
            raise self._cut("the end")
        if self._replicated and not self.records:
            msg = "The bundle does not hold the state of its table."
            raise FrameOrderError(msg)

    def _refuse(self, what: str) -> MalformedRecordError:
        return MalformedRecordError(f"Record {self.records} is {what}.")

    def _too_new(self, content: str) -> UnknownFieldError:
        schema = f"{SCHEMA_MAJOR}.{self._schema_minor}"
        return UnknownFieldError(f"Record {self.records}, a {content}, holds what schema {schema} does not have.")

    def _cut(self, what: str) -> ChunkOrderError:
        return ChunkOrderError(f"An answer is cut: {what} follows where its next piece belongs.")


class _Pieces:
    """An answer of which a record held the first part, while the rest arrives."""

    def __init__(self, response: Response) -> None:
        self._request_id = response.request_id
        self._total = response.total_length
        self._sha256 = response.sha256
        self._position = len(response.data)
        self._hash = hashlib.sha256(response.data)

    def add(self, chunk: ResultChunk) -> bool:
        """Takes the next piece; true when it was the last. Raises ChunkOrderError."""
        if chunk.request_id != self._request_id or chunk.offset != self._position:
            msg = f"A piece at offset {chunk.offset} is not the next of its answer, which is at {self._position}."
            raise ChunkOrderError(msg)
        length = len(chunk.data)
        if not 1 <= length <= MAX_CHUNK_DATA or self._position + length > self._total:
            msg = f"A piece of {length} bytes is empty, too long or beyond the answer's {self._total}."
            raise ChunkOrderError(msg)
        self._hash.update(chunk.data)
        self._position += length
        if self._position < self._total:
            return False
        if self._hash.digest() != self._sha256:
            msg = "An answer in pieces does not have the SHA-256 that its record names."
            raise ChunkOrderError(msg)
        return True
