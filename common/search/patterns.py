"""Which wildcard patterns the engine can hold: some make it build a state for every way a text could still match."""

from __future__ import annotations

from typing import Final

MOST_LOOSE: Final = 8
"""How often `?` may stand behind a `*` and a letter. Each doubles the states; Elasticsearch gives up at 14."""


def wildcards_in(pattern: str) -> int:
    r"""How many `*` and `?` it has that are not written as themselves with a `\` before them."""
    return sum(character in "*?" for character, escaped in _characters(pattern) if not escaped)


def pattern_defect(pattern: str) -> str | None:
    """Why it cannot be asked, as the rest of a sentence; None where it can."""
    any_text = letter = False
    loose = 0
    for character, escaped in _characters(pattern):
        if character == "*" and not escaped:
            any_text = True
        elif character == "?" and not escaped:
            loose += letter
        else:
            letter = any_text
    if loose <= MOST_LOOSE:
        return None
    return (
        f"has {loose} times ? behind a * and a letter; more than {MOST_LOOSE} take the engine too long, "
        "so begin the pattern with letters, or write * for the last of them"
    )


def _characters(pattern: str) -> list[tuple[str, bool]]:
    if "\\" not in pattern:
        return [(character, False) for character in pattern]
    found: list[tuple[str, bool]] = []
    characters = iter(pattern)
    for character in characters:
        escaped = next(characters, None) if character == "\\" else None
        found.append((character, False) if escaped is None else (escaped, True))
    return found
