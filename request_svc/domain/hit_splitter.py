"""Cuts the hits out of an engine's answer while it comes in pieces: each byte of a hit as it stands, none of the rest.

An answer is `{…, "hits": {…, "hits": [hit, hit, …]}, …}` with its keys in any order. Whatever else stands there raises
UnreadableAnswerError, and so does an answer that ends too early: nothing is ever left out in silence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from request_svc.domain.nesting import OPENERS, QUOTE, Nesting, Text, UnreadableAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable

_OBJECT, _LIST, _OBJECT_END, _LIST_END = b"{[}]"
_COLON, _COMMA = b":,"
_HITS: Final = b"hits"
_ANSWER: Final = 1
"""The level of the answer's own keys; those beside the list of hits are one deeper. No others are looked at."""
_KEPT_KEY_BYTES: Final = 8
_BLANK: Final = re.compile(rb"[ \t\r\n]*+")
_SCALAR: Final = re.compile(rb"[-+.0-9A-Za-z]*+")


class HitSplitter:
    """Reads one answer. `feed` each piece in order, then `finish`."""

    def __init__(self) -> None:
        self.hits = 0
        """Hits that were read whole."""
        self._level = 0
        self._lists = 0
        self._key = b""
        self._text = Text()
        self._nesting = Nesting(_OBJECT)
        self._step: Callable[[bytes, int], int] = self._start
        self._cut: list[tuple[bytes, bool]] = []

    def feed(self, piece: bytes) -> list[tuple[bytes, bool]]:
        """The slices of hits in the next piece, in order, each with whether its hit ends there."""
        cut: list[tuple[bytes, bool]] = []
        self._cut = cut
        at, end = 0, len(piece)
        while at < end:
            at = self._step(piece, at)
        return cut

    def finish(self) -> None:
        """Raises UnreadableAnswerError unless the answer was whole and had its list of hits."""
        if self._step != self._end:
            raise UnreadableAnswerError("the answer ends before its last brace")
        if self._lists == 0:
            raise UnreadableAnswerError("the answer has no list of hits")

    # Each of the following reads something at `at`, chooses what comes next, and gives the place behind it.

    def _start(self, piece: bytes, at: int) -> int:
        at = _over_blank(piece, at)
        if at == len(piece):
            return at
        _expect(piece[at] == _OBJECT, "an object should begin the answer")
        return self._enter(at)

    def _enter(self, at: int) -> int:
        self._level += 1
        self._step = self._first_key
        return at + 1

    def _first_key(self, piece: bytes, at: int) -> int:
        at = _over_blank(piece, at)
        if at < len(piece) and piece[at] == _OBJECT_END:
            return self._leave(at)
        return self._next_key(piece, at)

    def _next_key(self, piece: bytes, at: int) -> int:
        at = _over_blank(piece, at)
        if at == len(piece):
            return at
        _expect(piece[at] == QUOTE, "a key should stand there")
        self._key, self._text = b"", Text()
        self._step = self._in_key
        return at + 1

    def _in_key(self, piece: bytes, at: int) -> int:
        after = self._text.advance(piece, at)
        # The closing quote is kept too, so that `hits` is told from a longer key that begins so.
        self._key = (self._key + piece[at:after])[:_KEPT_KEY_BYTES]
        if self._text.ended:
            self._step = self._colon
        return after

    def _colon(self, piece: bytes, at: int) -> int:
        at = _over_blank(piece, at)
        if at == len(piece):
            return at
        _expect(piece[at] == _COLON, "a colon should follow the key")
        self._step = self._value
        return at + 1

    def _value(self, piece: bytes, at: int) -> int:
        at = _over_blank(piece, at)
        if at == len(piece):
            return at
        byte = piece[at]
        if self._key == _HITS + b'"':
            return self._value_of_hits(byte, at)
        if byte == QUOTE:
            self._text, self._step = Text(), self._in_text
        elif byte in OPENERS:
            self._nesting, self._step = Nesting(byte), self._in_nesting
        else:
            _expect(_over_scalar(piece, at) > at, "a value should follow the colon")
            self._step = self._in_scalar
            return at
        return at + 1

    def _value_of_hits(self, byte: int, at: int) -> int:
        if self._level == _ANSWER:
            _expect(byte == _OBJECT and self._lists == 0, "`hits` should be one object")
            return self._enter(at)
        _expect(byte == _LIST and self._lists == 0, "`hits.hits` should be one list")
        self._lists = 1
        self._step = self._first_hit
        return at + 1

    def _in_text(self, piece: bytes, at: int) -> int:
        at = self._text.advance(piece, at)
        if self._text.ended:
            self._step = self._after_value
        return at

    def _in_nesting(self, piece: bytes, at: int) -> int:
        at = self._nesting.advance(piece, at)
        if self._nesting.ended:
            self._step = self._after_value
        return at

    def _in_scalar(self, piece: bytes, at: int) -> int:
        at = _over_scalar(piece, at)
        if at < len(piece):
            self._step = self._after_value
        return at

    def _after_value(self, piece: bytes, at: int) -> int:
        at = _over_blank(piece, at)
        if at == len(piece):
            return at
        if piece[at] == _OBJECT_END:
            return self._leave(at)
        _expect(piece[at] == _COMMA, "a comma or a brace should follow the value")
        self._step = self._next_key
        return at + 1

    def _leave(self, at: int) -> int:
        self._level -= 1
        self._step = self._after_value if self._level else self._end
        return at + 1

    def _first_hit(self, piece: bytes, at: int) -> int:
        at = _over_blank(piece, at)
        if at < len(piece) and piece[at] == _LIST_END:
            self._step = self._after_value
            return at + 1
        return self._next_hit(piece, at)

    def _next_hit(self, piece: bytes, at: int) -> int:
        at = _over_blank(piece, at)
        if at == len(piece):
            return at
        _expect(piece[at] == _OBJECT, "a hit should be an object")
        self._nesting, self._step = Nesting(_OBJECT), self._in_hit
        return self._take(piece, at, self._nesting.advance(piece, at + 1))

    def _in_hit(self, piece: bytes, at: int) -> int:
        return self._take(piece, at, self._nesting.advance(piece, at))

    def _take(self, piece: bytes, at: int, after: int) -> int:
        whole = self._nesting.ended
        self._cut.append((piece[at:after], whole))
        if whole:
            self.hits += 1
            self._step = self._after_hit
        return after

    def _after_hit(self, piece: bytes, at: int) -> int:
        at = _over_blank(piece, at)
        if at == len(piece):
            return at
        if piece[at] == _LIST_END:
            self._step = self._after_value
        else:
            _expect(piece[at] == _COMMA, "a comma or a bracket should follow the hit")
            self._step = self._next_hit
        return at + 1

    def _end(self, piece: bytes, at: int) -> int:
        at = _over_blank(piece, at)
        _expect(at == len(piece), "nothing should follow the answer's last brace")
        return at


def _over_blank(piece: bytes, at: int) -> int:
    return _BLANK.match(piece, at).end()  # type: ignore[union-attr] # The pattern matches nothing at all, too.


def _over_scalar(piece: bytes, at: int) -> int:
    return _SCALAR.match(piece, at).end()  # type: ignore[union-attr] # As above.


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise UnreadableAnswerError(otherwise)
