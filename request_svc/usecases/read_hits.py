"""The hits of an answer as lines of JSON or as CSV, written while the answer is read.

Each answer is read twice. First it is looked through, so that the number of hits is known before the first byte goes
out, and an answer that cannot be given in this form is refused instead of cut off. Then it is written.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from common.errors import ResultFormatError
from request_svc.domain.hit_row import MAX_ROW_BYTES, HitRow, NotATableError, read_row
from request_svc.domain.hit_splitter import HitSplitter
from request_svc.domain.hit_table import Columns, Table
from request_svc.domain.nesting import UnreadableAnswerError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence

    from request_svc.usecases.read_result import StoredResult

STEP_BYTES: Final = 32 * 1024
"""How much is looked at between two moments at which the process's other calls may go on."""
MIN_PIECE_BYTES: Final = 64 * 1024
MAX_PIECE_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Hits:
    """How many there are, and their text: at least one piece, which may be empty."""

    count: int
    pieces: AsyncGenerator[bytes]


async def hit_lines(result: StoredResult) -> Hits:
    """Each hit on a line of its own, as the engine wrote it. Raises ResultFormatError for an answer without hits."""
    count = 0
    try:
        async for _, whole in _slices(result):
            count += whole
    except UnreadableAnswerError as error:
        raise _refused("ndjson", error) from None
    return Hits(count, _joined(_lines(result)))


async def hit_table(result: StoredResult, columns: Sequence[str], *, spreadsheet: bool) -> Hits:
    """CSV with these columns, or with all that the hits have. Raises ResultFormatError where that cannot be."""
    count, found = 0, Columns()
    try:
        async for row in _rows(result):
            count += 1
            if not columns:
                found.add(row)
    except (NotATableError, UnreadableAnswerError) as error:
        raise _refused("csv", error) from None
    names = [name.encode() for name in columns] or found.names
    return Hits(count, _joined(_table(result, Table(names, spreadsheet=spreadsheet))))


async def _lines(result: StoredResult) -> AsyncIterator[bytes]:
    async for data, whole in _slices(result):
        # A break of line cannot stand within a string, so it says nothing where an engine writes one.
        line = data.replace(b"\n", b"").replace(b"\r", b"") if b"\n" in data or b"\r" in data else data
        yield line + b"\n" if whole else line


async def _table(result: StoredResult, table: Table) -> AsyncIterator[bytes]:
    yield table.header
    async for row in _rows(result):
        yield table.line(row)


async def _rows(result: StoredResult) -> AsyncIterator[HitRow]:
    held = bytearray()
    async for data, whole in _slices(result):
        held += data
        if len(held) > MAX_ROW_BYTES:
            raise NotATableError(f"a hit is longer than {MAX_ROW_BYTES} bytes")
        if whole:
            yield read_row(bytes(held))
            held.clear()


async def _slices(result: StoredResult) -> AsyncIterator[tuple[bytes, bool]]:
    """The hits' bytes in order, each slice with whether its hit ends there."""
    splitter = HitSplitter()
    async with aclosing(result.pieces()) as pieces:
        async for piece in pieces:
            for step in _steps(piece):
                for slice_ in splitter.feed(step):
                    yield slice_
                await asyncio.sleep(0)
    splitter.finish()


def _steps(piece: bytes) -> Iterator[bytes]:
    for at in range(0, len(piece), STEP_BYTES):
        yield piece[at : at + STEP_BYTES]


async def _joined(texts: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The same bytes in pieces that are worth a message and fit into one; one empty piece where there are none."""
    held = bytearray()
    begun = False
    async for text in texts:
        held += text
        while len(held) >= MIN_PIECE_BYTES:
            yield bytes(held[:MAX_PIECE_BYTES])
            del held[:MAX_PIECE_BYTES]
            begun = True
    if held or not begun:
        yield bytes(held)


def _refused(form: str, cause: ValueError) -> ResultFormatError:
    return ResultFormatError(
        f"The answer cannot be given as {form}: {cause}. With `format=json` it comes as the engine wrote it.",
        metadata={"format": form},
    )
