"""Finding terms by prefix, wildcard and edit distance, in time that is linear in the term whatever the pattern."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def wildcard(pattern: str, *, ignore_case: bool) -> Callable[[str], bool]:
    r"""Whether a term is of the pattern: `*` is any text, `?` one character, `\` takes the next as it is."""
    return _matcher(_pieces(pattern), re.DOTALL | (re.IGNORECASE | re.ASCII if ignore_case else 0))


def starred(pattern: str) -> Callable[[str], bool]:
    """Whether a name is of the pattern, in which `*` is any text and nothing else has a meaning."""
    return _matcher([[re.escape(character) for character in piece] for piece in pattern.split("*")], re.DOTALL)


def _matcher(pieces: Sequence[Sequence[str]], flags: int) -> Callable[[str], bool]:
    """Whether a text is these pieces, each an expression for every character of it, with any text between them."""
    first, *rest = (re.compile("".join(piece), flags) for piece in pieces)
    if not rest:
        return lambda term: first.fullmatch(term) is not None
    *middle, last = rest
    length = len(pieces[-1])

    def matches(term: str) -> bool:
        found = first.match(term)
        if found is None:
            return False
        position = found.end()
        # The leftmost place of each piece leaves the most room for the next, so nothing is tried twice.
        for piece in middle:
            found = piece.search(term, position)
            if found is None:
                return False
            position = found.end()
        return len(term) - length >= position and last.fullmatch(term, len(term) - length) is not None

    return matches


def _pieces(pattern: str) -> list[list[str]]:
    pieces: list[list[str]] = [[]]
    characters = iter(pattern)
    for character in characters:
        if character == "*":
            pieces.append([])
        elif character == "?":
            pieces[-1].append(".")
        else:
            pieces[-1].append(re.escape(next(characters, "\\") if character == "\\" else character))
    return pieces


class Fuzzy(NamedTuple):
    """A fuzzy search for one term."""

    term: str
    edits: int
    prefix_length: int = 0
    max_expansions: int = 50
    transpositions: bool = True


class Expansion(NamedTuple):
    """A term that was found, and what it counts: 1 for the very term, less the further away it is."""

    term: str
    boost: float


def expand(fuzzy: Fuzzy, terms: Iterable[str]) -> list[Expansion]:
    """The nearest terms, as many as the search allows; equally near ones in their order."""
    prefix, rest = fuzzy.term[: fuzzy.prefix_length], fuzzy.term[fuzzy.prefix_length :]
    letters = _letters(rest)
    found = []
    for term in terms:
        if abs(len(term) - len(fuzzy.term)) > fuzzy.edits or not term.startswith(prefix):
            continue
        candidate = term[len(prefix) :]
        # An edit adds one letter and takes away another at most.
        if (_letters(candidate) ^ letters).bit_count() > 2 * fuzzy.edits:
            continue
        edits = _distance(rest, candidate, fuzzy.edits, transpositions=fuzzy.transpositions)
        if edits <= fuzzy.edits:
            shortest = min(len(term), len(fuzzy.term))
            found.append(Expansion(term, 1.0 if not edits else 1.0 - edits / shortest if shortest else 0.0))
    found.sort(key=lambda expansion: (-expansion.boost, expansion.term))
    return found[: fuzzy.max_expansions]


def edits_allowed(fuzziness: str, term: str) -> int:
    """How many edits `AUTO`, `AUTO:3,6`, 0, 1 or 2 allow for a term."""
    if not fuzziness.startswith("AUTO"):
        return int(fuzziness)
    low, high = (int(part) for part in fuzziness[5:].split(",")) if len(fuzziness) > len("AUTO") else (3, 6)
    return 0 if len(term) < low else 1 if len(term) < high else 2


@lru_cache(maxsize=65_536)
def _letters(text: str) -> int:
    bits = 0
    for character in text:
        bits |= 1 << (ord(character) & 63)
    return bits


def _distance(one: str, other: str, limit: int, *, transpositions: bool) -> int:
    """Insertions, deletions, replacements and swaps of neighbours between two texts; beyond `limit` only that it is."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, right in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if transpositions and i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
        if min(row) > limit and (not transpositions or min(before) > limit):
            return limit + 1
    return row[-1]
