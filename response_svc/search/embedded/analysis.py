"""Splits text into words as Elasticsearch's `standard` analyzer does: Unicode word boundaries, then lower case.

A transcription of the grammar of Lucene's StandardTokenizer. Each character becomes one letter for its class, and one
regular expression over these letters finds the words; a zero-width non-joiner extends the letter before it.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_TOKEN_LENGTH: Final = 255
POSITION_GAP: Final = 100
"""How far the words of one value are from those of the next, so that no phrase spans two values."""

# Letters: a letter, h Hebrew letter, n digit, k Katakana, i ideograph, r Hiragana, c a script written without blanks,
# g regional indicator, p pictograph; . : , ' " mid-word marks; _ connector; x extends what is before; z joiner.
_EXTEND = "[xz]*"
_NUMBERS = f"n{_EXTEND}(?:(?:(?:_{_EXTEND})*|[,.']{_EXTEND})n{_EXTEND})*"
_LETTERS = f"[ah]{_EXTEND}(?:(?:(?:_{_EXTEND})*|[:.']{_EXTEND})[ah]{_EXTEND})*"
_HEBREW = f"h{_EXTEND}(?:'{_EXTEND}|\"{_EXTEND}h{_EXTEND})"
_KATAKANA = f"k{_EXTEND}(?:(?:_{_EXTEND})*k{_EXTEND})*"
_GROUP = f"(?:{_KATAKANA}|(?:{_HEBREW}|{_NUMBERS}|{_LETTERS})+)"
# A run of connectors in front of no word is passed over in one step; else each of them would be looked at from every
# one before it.
_WORD: Final = re.compile(
    f"(?P<nothing>(?:_[xz]*+)++(?![ahnk]))|(?:_{_EXTEND})*{_GROUP}(?:(?:_{_EXTEND})+{_GROUP})*(?:_{_EXTEND})*"
    f"|(?:c{_EXTEND})+|[ir]{_EXTEND}|g{_EXTEND}g{_EXTEND}|p{_EXTEND}(?:(?<=z)p{_EXTEND})*"
)

_MARKS: Final = {
    **dict.fromkeys(".\u2018\u2019\u2024\ufe52\uff07\uff0e", "."),
    **dict.fromkeys(":\u00b7\u0387\u05f4\u2027\ufe13\ufe55\uff1a", ":"),
    **dict.fromkeys(",;\u037e\u0589\u060c\u060d\u066c\u07f8\u2044\ufe10\ufe14\ufe50\ufe54\uff0c\uff1b", ","),
    "'": "'",
    '"': '"',
    "\u200c": "x",
    "\u200d": "z",
    "\u202f": "_",
    "\u066b": "n",
    **dict.fromkeys("\u055b\u055c\u055e\u05f3", "a"),
    **dict.fromkeys("\u00a9\u00ae", "p"),
}
_NAMED: Final = (
    ("HIRAGANA LETTER", "r"),
    ("HENTAIGANA LETTER", "r"),
    ("KATAKANA", "k"),
    ("CIRCLED KATAKANA", "k"),
    ("HALFWIDTH KATAKANA", "k"),
    ("CJK UNIFIED IDEOGRAPH", "i"),
    ("CJK COMPATIBILITY IDEOGRAPH", "i"),
    ("CJK RADICAL", "i"),
    ("KANGXI RADICAL", "i"),
    ("THAI", "c"),
    ("LAO", "c"),
    ("KHMER", "c"),
    ("MYANMAR", "c"),
    ("TAI ", "c"),
    ("NEW TAI", "c"),
    ("HEBREW LETTER", "h"),
    ("REGIONAL INDICATOR", "g"),
)
_LETTER_SYMBOLS: Final = ("CIRCLED LATIN", "SQUARED LATIN", "NEGATIVE CIRCLED LATIN", "NEGATIVE SQUARED LATIN")
_PICTOGRAPHS: Final = (
    (0x203C, 0x203C), (0x2049, 0x2049), (0x2122, 0x2122), (0x2139, 0x2139), (0x2194, 0x2199), (0x21A9, 0x21AA),
    (0x231A, 0x231B), (0x2328, 0x2328), (0x2388, 0x2388), (0x23CF, 0x23CF), (0x23E9, 0x23F3), (0x23F8, 0x23FA),
    (0x25AA, 0x25AB), (0x25B6, 0x25B6), (0x25C0, 0x25C0), (0x25FB, 0x25FE), (0x2600, 0x2605), (0x2607, 0x2612),
    (0x2614, 0x2685), (0x2690, 0x2705), (0x2708, 0x2712), (0x2714, 0x2714), (0x2716, 0x2716), (0x271D, 0x271D),
    (0x2721, 0x2721), (0x2728, 0x2728), (0x2733, 0x2734), (0x2744, 0x2744), (0x2747, 0x2747), (0x274C, 0x274C),
    (0x274E, 0x274E), (0x2753, 0x2755), (0x2757, 0x2757), (0x2763, 0x2767), (0x2795, 0x2797), (0x27A1, 0x27A1),
    (0x27B0, 0x27B0), (0x27BF, 0x27BF), (0x2934, 0x2935), (0x2B05, 0x2B07), (0x2B1B, 0x2B1C), (0x2B50, 0x2B50),
    (0x2B55, 0x2B55), (0x3030, 0x3030), (0x303D, 0x303D), (0x3297, 0x3297), (0x3299, 0x3299), (0x1F000, 0x1F0FF),
    (0x1F10D, 0x1F10F), (0x1F12F, 0x1F12F), (0x1F16C, 0x1F171), (0x1F17E, 0x1F17F), (0x1F18E, 0x1F18E),
    (0x1F191, 0x1F19A), (0x1F1AD, 0x1F1E5), (0x1F201, 0x1F20F), (0x1F21A, 0x1F21A), (0x1F22F, 0x1F22F),
    (0x1F232, 0x1F23A), (0x1F23C, 0x1F23F), (0x1F249, 0x1F3FA), (0x1F400, 0x1F53D), (0x1F546, 0x1F64F),
    (0x1F680, 0x1F6FF), (0x1F774, 0x1F77F), (0x1F7D5, 0x1F7FF), (0x1F80C, 0x1F80F), (0x1F848, 0x1F84F),
    (0x1F85A, 0x1F85F), (0x1F888, 0x1F88F), (0x1F8AE, 0x1F8FF), (0x1F90C, 0x1F93A), (0x1F93C, 0x1F945),
    (0x1F947, 0x1FFFD),
)  # fmt: skip
_PICTOGRAPH_STARTS: Final = tuple(first for first, _ in _PICTOGRAPHS)


class Token(NamedTuple):
    """A word, and its place in the field, counted in words."""

    text: str
    position: int


def analyze(values: Sequence[str]) -> list[Token]:
    """The words of all values of a field, those of each value POSITION_GAP beyond those of the one before."""
    tokens: list[Token] = []
    position = 0
    for number, value in enumerate(values):
        if number:
            position += POSITION_GAP
        for word in _words(value):
            tokens.append(Token(word, position))
            position += 1
    return tokens


def _words(text: str) -> Iterator[str]:
    classes = text.translate(_CLASSES)
    for found in _WORD.finditer(classes):
        if found["nothing"] is not None:
            continue
        word = _lower(text[found.start() : found.end()])
        for start in range(0, len(word), MAX_TOKEN_LENGTH):
            yield word[start : start + MAX_TOKEN_LENGTH]


def _lower(word: str) -> str:
    """Lower case character by character, as Java's `Character.toLowerCase` has it: no special final sigma."""
    return word.lower() if word.isascii() else "".join(character.lower()[:1] for character in word)


class _Classes(dict[int, str]):
    """The class of each character, found when it is first met."""

    def __missing__(self, number: int) -> str:
        found = self[number] = _letter_class(chr(number))
        return found


def _letter_class(character: str) -> str:
    mark = _MARKS.get(character)
    if mark is not None:
        return mark
    category = unicodedata.category(character)
    name = unicodedata.name(character, "")
    if category in {"Mn", "Me", "Mc"} and not name.startswith(("THAI", "LAO", "KHMER", "MYANMAR", "TAI ", "NEW TAI")):
        return "x"
    if 0x1F3FB <= ord(character) <= 0x1F3FF:  # Skin tones extend the pictograph before them.
        return "x"
    if name.startswith(_LETTER_SYMBOLS):
        return "a"
    named = next((letter for prefix, letter in _NAMED if name.startswith(prefix)), None)
    if category == "Nd" and named != "c":
        return "n"
    if category == "Cf":
        return "x"
    if named is not None and category[0] in "LMNS":
        return named
    if category == "Pc":
        return "_"
    if category[0] == "L" or category == "Nl" or 0x2C2 <= ord(character) <= 0x2FF:  # Spacing modifier letters.
        return "a"
    place = bisect_right(_PICTOGRAPH_STARTS, ord(character)) - 1
    return "p" if place >= 0 and ord(character) <= _PICTOGRAPHS[place][1] else " "


_CLASSES: Final = _Classes()
