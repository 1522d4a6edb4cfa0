"""Sets of bundle numbers as people write them: `118-121,130`."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_NUMBERS: Final = 16_384
_HIGHEST: Final = 2**63 - 1


def parse_numbers(text: str) -> list[int]:
    """The numbers that `text` names, ascending, each once. Raises ValueError, which says what is wrong with it."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        begin = _number(first, text)
        end = _number(last, text) if dash else begin
        if end < begin:
            msg = f"{part.strip()} ends before it begins"
            raise ValueError(msg)
        if end - begin + 1 + len(numbers) > MAX_NUMBERS:
            msg = f"more than {MAX_NUMBERS} numbers are named"
            raise ValueError(msg)
        numbers.update(range(begin, end + 1))
    return sorted(numbers)


def format_numbers(numbers: Iterable[int]) -> str:
    """Ascending numbers as ranges."""
    return format_ranges(_ranges(sorted(set(numbers))))


def format_ranges(ranges: Iterable[tuple[int, int]]) -> str:
    """Ascending ranges, both ends included."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    if not numbers:
        return []
    breaks = [index for index, (one, following) in enumerate(pairwise(numbers)) if following != one + 1]
    starts = [0, *(index + 1 for index in breaks)]
    ends = [*breaks, len(numbers) - 1]
    return [(numbers[start], numbers[end]) for start, end in zip(starts, ends, strict=True)]


def _number(text: str, whole: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19 or not 0 < int(text) <= _HIGHEST:
        msg = f"{whole[:64]!r} does not name bundle numbers; write them as 118-121,130"
        raise ValueError(msg)
    return int(text)
