"""One hit as a flat row: the path of each value, and the value's JSON exactly as the engine wrote it.

A value of `_source` is named by its path, with dots. What stands beside `_source` is named with an underscore before
it: `_id`, `_score`, `_sort`, `_highlight.name`. Lists are values: a row has no room for their members.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Final

from request_svc.domain.nesting import Nesting, UnreadableAnswerError

MAX_ROW_BYTES: Final = 1024 * 1024
"""Of a hit that is to become a row: it is held as a whole."""
MAX_NAME_BYTES: Final = 1024
"""Of a value's path."""
MAX_ROW_DEPTH: Final = 100
MAX_ROW_VALUES: Final = 10_000
"""Of one hit; each takes a hundred times its own two bytes while the row is held."""
_SOURCE: Final = b"_source"
_OBJECT: Final = ord("{")
_BLANK: Final = rb"[ \t\r\n]*+"
_TEXT: Final = rb'(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+'
_NUMBER: Final = rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][-+]?[0-9]++)?+"
_SCALAR: Final = rb'"' + _TEXT + rb'"|' + _NUMBER + rb"|true|false|null"
_OPENED: Final = re.compile(rb"\{" + _BLANK + rb"(\}?)")
# A key, its colon, and a value with what follows it, unless an object or a list begins there.
_MEMBER: Final = re.compile(
    rb"%b\"(%b)\"%b:%b(?:(%b)%b([,}])|(?=[{\[]))" % (_BLANK, _TEXT, _BLANK, _BLANK, _SCALAR, _BLANK)
)
_AFTER: Final = re.compile(_BLANK + rb"([,}])")


class NotATableError(ValueError):
    """The hits cannot be rows of a table within its limits; the message says why, for people."""


@dataclass(frozen=True, slots=True)
class HitRow:
    """The values of one hit by their names."""

    beside: dict[bytes, bytes] = field(default_factory=dict)
    source: dict[bytes, bytes] = field(default_factory=dict)

    def value(self, name: bytes) -> bytes | None:
        """The JSON of the value of that name, if the hit has one."""
        found = self.beside.get(name)
        return self.source.get(name) if found is None else found


def read_row(hit: bytes) -> HitRow:
    """Raises NotATableError for a hit beyond the limits, UnreadableAnswerError for one that is no JSON."""
    row = HitRow()
    try:
        # Only looked at: everything else here works on the bytes.
        hit.decode()
        _Reader(hit, row).read()
    except UnicodeDecodeError:
        raise UnreadableAnswerError("a hit is not UTF-8") from None
    return row


class _Reader:
    """Goes once over a hit."""

    def __init__(self, hit: bytes, row: HitRow) -> None:
        self._hit = hit
        self._row = row

    def read(self) -> None:
        if self._object(0, b"", self._row.beside, 0) != len(self._hit):
            raise UnreadableAnswerError("a hit is not one object")

    def _object(self, at: int, prefix: bytes, values: dict[bytes, bytes], depth: int) -> int:
        """Reads the object at `at`, whose keys follow `prefix`, and gives the place behind it."""
        hit = self._hit
        opened = _OPENED.match(hit, at)
        if opened is None or opened[1]:
            return self._empty(opened, prefix, values)
        at = opened.end()
        while True:
            member = _MEMBER.match(hit, at)
            if member is None:
                raise _broken(at)
            at = member.end()
            key = decoded(member[1])
            name = prefix + key if depth or key.startswith(b"_") else b"_" + key
            value, after = member.group(2, 3)
            if value is not None:
                _add(values, name, value)
            else:
                nested = _AFTER.match(hit, self._nested(at, name, values, depth))
                if nested is None:
                    raise _broken(at)
                at, after = nested.end(), nested[1]
            if after == b"}":
                return at

    def _nested(self, at: int, name: bytes, values: dict[bytes, bytes], depth: int) -> int:
        if self._hit[at] != _OBJECT:
            listed = Nesting(self._hit[at])
            after = listed.advance(self._hit, at + 1)
            _add(values, name, self._hit[at:after])
            return after
        if depth == MAX_ROW_DEPTH:
            raise NotATableError(f"objects stand within each other more than {MAX_ROW_DEPTH} deep")
        if depth == 0 and name == _SOURCE:
            return self._object(at, b"", self._row.source, 1)
        if len(name) > MAX_NAME_BYTES:
            raise _too_long()
        return self._object(at, name + b".", values, depth + 1)

    def _empty(self, opened: re.Match[bytes] | None, prefix: bytes, values: dict[bytes, bytes]) -> int:
        if opened is None:
            raise _broken(0)
        if prefix:
            _add(values, prefix[:-1], b"{}")
        return opened.end()


def decoded(text: bytes) -> bytes:
    """What a JSON string says, given what stands between its quotes. Half a surrogate pair stays an escape."""
    if b"\\" not in text:
        return text
    value: str = json.loads(b'"' + text + b'"')
    return value.encode("utf-8", "backslashreplace")


def _add(values: dict[bytes, bytes], name: bytes, value: bytes) -> None:
    if len(name) > MAX_NAME_BYTES:
        raise _too_long()
    if name in values:
        raise NotATableError(f"a hit has two values of the path {name.decode(errors='replace')}")
    if len(values) == MAX_ROW_VALUES:
        raise NotATableError(f"a hit has more than {MAX_ROW_VALUES} values")
    values[name] = value


def _too_long() -> NotATableError:
    return NotATableError(f"the path of a value is longer than {MAX_NAME_BYTES} bytes")


def _broken(at: int) -> UnreadableAnswerError:
    return UnreadableAnswerError(f"a hit is no JSON at its byte {at + 1}")
