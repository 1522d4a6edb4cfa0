"""Finds where a JSON object or list ends while its bytes come in pieces, and keeps no byte of it.

Libraries that read JSON in a stream give values and not the bytes that they stood in: numbers would lose their form.
"""

from __future__ import annotations

import re
from typing import Final

MAX_DEPTH: Final = 1000
"""Objects and lists within each other; no engine writes more."""
QUOTE: Final = ord('"')
_BACKSLASH: Final = ord("\\")
_FIRST_PRINTABLE: Final = ord(" ")
_CLOSER: Final = {ord("{"): ord("}"), ord("["): ord("]")}
OPENERS: Final = frozenset(_CLOSER)
_TEXT: Final = rb'(?:[^"\\\x00-\x1f]++|\\[^\x00-\x1f])*+'
_IN_TEXT: Final = re.compile(_TEXT)
# Whole strings, and everything else that neither opens nor closes: one match goes over thousands of bytes.
_LEVEL: Final = re.compile(rb'(?:[^"{}\[\]\x00-\x08\x0b\x0c\x0e-\x1f]++|"' + _TEXT + rb'")*+')


class UnreadableAnswerError(ValueError):
    """The answer is not what an engine writes; the message says where and why, for people."""


class Text:
    """The rest of one string, behind its opening quote."""

    def __init__(self) -> None:
        self._escaped = False
        self.ended = False

    def advance(self, piece: bytes, at: int) -> int:
        """Goes on at `at` and gives the place behind the closing quote, or the piece's end."""
        if self._escaped and piece[at] >= _FIRST_PRINTABLE:
            at += 1
        self._escaped = False
        found = _IN_TEXT.match(piece, at)
        assert found is not None, "the pattern matches nothing at all, too"
        at = found.end()
        if at == len(piece):
            return at
        if piece[at] == QUOTE:
            self.ended = True
        elif piece[at] == _BACKSLASH and at + 1 == len(piece):
            self._escaped = True
        else:
            raise UnreadableAnswerError("a string holds a control character")
        return at + 1


class Nesting:
    """One object or list, behind its opening brace or bracket."""

    def __init__(self, opener: int) -> None:
        self._closers = bytearray([_CLOSER[opener]])
        self._text: Text | None = None

    @property
    def ended(self) -> bool:
        """Whether its own closing brace or bracket was passed."""
        return not self._closers

    def advance(self, piece: bytes, at: int) -> int:
        """Goes on at `at` and gives the place behind its end, or the piece's end."""
        end = len(piece)
        closers, level = self._closers, _LEVEL.match
        while at < end and closers:
            if self._text is not None:
                at = self._finish_text(self._text, piece, at)
                continue
            at = level(piece, at).end()  # type: ignore[union-attr] # The pattern matches nothing at all, too.
            if at == end:
                break
            byte = piece[at]
            at += 1
            if byte == closers[-1]:
                closers.pop()
            elif byte in _CLOSER:
                self._open(byte)
            elif byte == QUOTE:
                self._text = Text()
            else:
                raise UnreadableAnswerError(
                    "a brace or bracket closes what was not opened, or a control character stands there"
                )
        return at

    def _finish_text(self, text: Text, piece: bytes, at: int) -> int:
        at = text.advance(piece, at)
        if text.ended:
            self._text = None
        return at

    def _open(self, byte: int) -> None:
        if len(self._closers) == MAX_DEPTH:
            raise UnreadableAnswerError(f"more than {MAX_DEPTH} objects and lists stand within each other")
        self._closers.append(_CLOSER[byte])
