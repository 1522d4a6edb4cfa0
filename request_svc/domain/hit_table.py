"""The hits as CSV by RFC 4180: which columns there are, and how a value becomes a cell without losing anything.

A string is its own text and null nothing; all else is the engine's JSON as it stands, so no number is ever rounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from request_svc.domain.hit_row import NotATableError, decoded
from request_svc.domain.nesting import QUOTE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from request_svc.domain.hit_row import HitRow

MAX_COLUMNS: Final = 1000
ALWAYS: Final = (b"_id", b"_score")
"""The columns before those of the source, where nobody names any."""
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t"
# What a spreadsheet takes for the beginning of a formula; the last four are the full-width forms of the first.
_FORMULA: Final = tuple(mark.encode() for mark in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


class Columns:
    """The columns that the hits themselves have, in the order in which they are first seen."""

    def __init__(self) -> None:
        self._names: dict[bytes, None] = dict.fromkeys(ALWAYS)

    def add(self, row: HitRow) -> None:
        """Raises NotATableError beyond the limit."""
        self._names.update(dict.fromkeys(row.source))
        if len(self._names) > MAX_COLUMNS:
            raise NotATableError(
                f"the hits have more than {MAX_COLUMNS} columns; name those that you want in `columns`"
            )

    @property
    def names(self) -> tuple[bytes, ...]:
        """All that were seen."""
        return tuple(self._names)


class Table:
    """Writes the lines of one table."""

    def __init__(self, columns: Sequence[bytes], *, spreadsheet: bool) -> None:
        """With `spreadsheet` a text that a spreadsheet would run as a formula gets an apostrophe before it."""
        self._columns = columns
        self._spreadsheet = spreadsheet

    @property
    def header(self) -> bytes:
        """The first line. For a spreadsheet a byte order mark stands before it, without which Excel reads no UTF-8."""
        line = _line([self._text(name) for name in self._columns])
        return BYTE_ORDER_MARK + line if self._spreadsheet else line

    def line(self, row: HitRow) -> bytes:
        """The line of one hit."""
        return _line([self._cell(row.value(name)) for name in self._columns])

    def _cell(self, value: bytes | None) -> bytes:
        if value is None or value == b"null":
            return b""
        return self._text(decoded(value[1:-1])) if value[0] == QUOTE else value

    def _text(self, text: bytes) -> bytes:
        return b"'" + text if self._spreadsheet and text.startswith(_FORMULA) else text


def _line(cells: Sequence[bytes]) -> bytes:
    line = b",".join([_quoted(cell) for cell in cells])
    # A line of nothing would look like no line at all.
    return (line or b'""') + b"\r\n"


def _quoted(cell: bytes) -> bytes:
    # Plain searches, since a pattern would go over long texts byte by byte.
    if b'"' in cell:
        return b'"' + cell.replace(b'"', b'""') + b'"'
    special = b"," in cell or b"\n" in cell or b"\r" in cell or cell.strip(_BLANK) != cell
    return b'"' + cell + b'"' if special else cell
