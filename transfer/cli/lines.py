"""Records as JSON lines and back: one line is one record, and an answer of any length is whole on its record's line."""

from __future__ import annotations

import codecs
import hashlib
import json
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NoReturn

from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
from airlock.bundle.v1.frame_pb2 import ResultChunk
from airlock.bundle.v1.record_pb2 import Record, Response

from transfer.bundle.limits import MAX_CHUNK_DATA, MAX_INLINE_DATA, MAX_RESULT, MIB
from transfer.bundle.rules import check_rules
from transfer.cli.errors import RecordLineError
from transfer.cli.json_form import from_json, to_json
from transfer.nesting import is_nested_deeper

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH: Final = 150
"""Nesting of a line's objects and lists: as many as the 100 messages in each other that protobuf reads can make."""
MAX_LINE: Final = 2 * MAX_RESULT + 1 * MIB
SECRETS: Final = frozenset({"hashed_password"})
ACKNOWLEDGEMENTS: Final = "acknowledgements"

# What a terminal would act on, though JSON allows it: C1 controls, line separators, changes of the writing direction.
_UNSAFE = {
    code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028)
}
_UNSAFE |= {0x2029: "\\u2029"}


class LineWriter:
    """Writes records as JSON lines; an answer that comes in pieces is written as it comes, never held."""

    def __init__(self, stream: BinaryIO, *, secrets: bool) -> None:
        self._stream = stream
        self._without = frozenset() if secrets else SECRETS
        self._open_answer: codecs.IncrementalDecoder | None = None

    def acknowledgements(self, acknowledgements: Acknowledgements) -> None:
        """The bundle's first frame as a line of its own."""
        self._stream.write(_encoded({ACKNOWLEDGEMENTS: to_json(acknowledgements)}) + b"\n")

    def record(self, record: Record) -> None:
        """A record; the line of an answer stays open until all its pieces came."""
        self.finish()
        if record.WhichOneof("content") != "response" or not record.response.total_length:
            self._stream.write(_encoded(to_json(record, without=self._without)) + b"\n")
            return
        head = _encoded(to_json(record, without=self._without | {"data"}))
        self._stream.write(head.removesuffix(b"}}") + b', "data": "')
        self._open_answer = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._answer(record.response.data)

    def chunk(self, chunk: ResultChunk) -> None:
        """The next piece of the answer whose record came last."""
        self._answer(chunk.data)

    def finish(self) -> None:
        """Closes the line of the last answer."""
        if self._open_answer is not None:
            self._answer(b"", final=True)
            self._stream.write(b'"}}\n')
            self._open_answer = None

    def _answer(self, data: bytes, *, final: bool = False) -> None:
        assert self._open_answer is not None
        self._stream.write(_encoded(self._open_answer.decode(data, final))[1:-1])


def _encoded(value: object) -> bytes:
    # A single surrogate stands for a byte that is not UTF-8; `backslashreplace` writes it as JSON does.
    return json.dumps(value, ensure_ascii=False).translate(_UNSAFE).encode("utf-8", "backslashreplace")


def read_lines(stream: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each line's number and JSON object; empty lines are skipped. Raises RecordLineError, also beyond MAX_LINE."""
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            msg = f"line {number} is longer than {MAX_LINE // MIB} MiB."
            raise RecordLineError(msg)
        if line.strip():
            yield number, _parsed(line, f"line {number}")


def _parsed(line: bytes, path: str) -> dict[str, Any]:
    if is_nested_deeper(line, MAX_DEPTH):
        msg = f"{path} is nested too deeply: more than {MAX_DEPTH} objects and lists in each other."
        raise RecordLineError(msg)
    try:
        value = json.loads(line, object_pairs_hook=_without_doubles, parse_constant=_no_constant)
    except ValueError as error:
        msg = f"{path} is not a JSON object: {error}."
        raise RecordLineError(msg) from None
    if not isinstance(value, dict):
        msg = f"{path} is not a JSON object."
        raise RecordLineError(msg)
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        msg = "a key stands twice in one object"
        raise ValueError(msg)
    return content


def _no_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


def acknowledgements_of(content: dict[str, Any], path: str) -> Acknowledgements:
    """The acknowledgements that a line `{"acknowledgements": {…}}` holds."""
    message = Acknowledgements()
    from_json(message, content[ACKNOWLEDGEMENTS], f"{path}: {ACKNOWLEDGEMENTS}")
    return message


def pieces_of(content: dict[str, Any], path: str) -> tuple[Record, list[ResultChunk]]:
    """The record of a line, and what of a long answer follows it. Raises RecordLineError, naming line and field."""
    if len(content) != 1:
        msg = f"{path} must have exactly one key: the record's type."
        raise RecordLineError(msg)
    record = Record()
    from_json(record, content, f"{path}: record")
    chunks = _split_answer(record.response, path) if record.HasField("response") else []
    broken = check_rules(record)
    if broken is not None:
        hint = " `transfer cat` leaves it out without --secrets." if any(name in broken for name in SECRETS) else ""
        msg = f"{path}: {broken}.{hint}"
        raise RecordLineError(msg)
    return record, chunks


def _split_answer(response: Response, path: str) -> list[ResultChunk]:
    """Fills in length and SHA-256, or compares those given, and moves all but the first 128 KiB into chunks."""
    data = response.data
    if len(data) > MAX_RESULT:
        msg = f"{path}: the answer is longer than {MAX_RESULT // MIB} MiB."
        raise RecordLineError(msg)
    if not data:
        return []
    digest = hashlib.sha256(data).digest()
    if response.total_length not in {0, len(data)} or response.sha256 not in {b"", digest}:
        msg = f"{path}: total_length or sha256 is not that of data; leave both out to have them filled in."
        raise RecordLineError(msg)
    response.total_length, response.sha256, response.data = len(data), digest, data[:MAX_INLINE_DATA]
    return [
        ResultChunk(request_id=response.request_id, offset=start, data=data[start : start + MAX_CHUNK_DATA])
        for start in range(MAX_INLINE_DATA, len(data), MAX_CHUNK_DATA)
    ]
