"""Clauses that do not fit the types of their fields. Elasticsearch answers them, but rarely with what was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common.search.advice.warning import WarningKind, warn
from common.search.field_types import KEYWORD, TEXT
from common.search.field_uses import QUERY, field_uses
from common.search.fields import whole_words
from common.search.violations import shown
from common.search.walk import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlock.search.v1.search_pb2 import Search

    from common.policy.index import AllowedIndex
    from common.search.advice.warning import QueryWarning
    from common.search.field_uses import FieldUse

_TERMS: Final = frozenset({"term", "terms"})
_FULL_TEXT: Final = frozenset({"match", "match_phrase"})
_PATTERNS: Final = frozenset({"PrefixQuery", "WildcardQuery"})
_MATCH: Final = (
    "searches {name}, which is kept whole and not as words: only documents with exactly this value match, capital "
    "letters and blanks included; use term to say so, or a field of the type text"
)


def field_warnings(search: Search, index: AllowedIndex) -> Iterator[QueryWarning]:
    """What is to be said of fields and their types, in the order of the search."""
    if not index.fields:
        yield warn(
            WarningKind.FIELDS_NOT_KNOWN,
            (),
            f"cannot be held against the fields of {index.name}, which have not arrived on this network; a misspelt "
            "name or a wrong type will show on the other network only",
        )
        return
    for use in field_uses(walk(search)):
        type_ = index.fields.get(use.name, "")
        if use.place == QUERY and type_ in TEXT:
            yield from _on_text(use, index)
        elif use.kind in _FULL_TEXT and type_ in KEYWORD:
            yield warn(WarningKind.MATCH_ON_KEYWORD, use.path, _MATCH.format(name=shown(use.name)))
    yield from _capitals(search, index)


def _on_text(use: FieldUse, index: AllowedIndex) -> Iterator[QueryWarning]:
    whole = whole_words(use.name, index.fields)
    instead = f", or {use.kind} on {shown(whole)}" if whole is not None else ""
    if use.kind in _TERMS:
        yield warn(
            WarningKind.TERM_ON_TEXT,
            use.path,
            f"compares with single words of {shown(use.name)}, which are kept in small letters: a value with capital "
            f"letters or blanks matches nothing; use match{instead}",
        )
    elif use.kind == "range":
        other = f"; use {shown(whole)}" if whole is not None else ""
        yield warn(
            WarningKind.RANGE_ON_TEXT,
            use.path,
            f"compares with single words of {shown(use.name)} in the order of their letters, not with the whole{other}",
        )


def _capitals(search: Search, index: AllowedIndex) -> Iterator[QueryWarning]:
    for visited in walk(search):
        if visited.shape.name not in _PATTERNS or index.fields.get(str(visited.path[-1])) not in TEXT:
            continue
        value: str = visited.message.value
        if value != value.lower() and not visited.message.case_insensitive:
            yield warn(
                WarningKind.CAPITALS_IN_PATTERN,
                visited.path,
                "has capital letters, but the words of a text are kept in small ones, so it matches nothing; "
                "write small letters, or set case_insensitive",
            )
