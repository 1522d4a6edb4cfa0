"""Clauses that are dear, or that find something else than they seem to, whatever the fields are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from common.search.advice.warning import WarningKind, warn
from common.search.scalars import scalar_value
from common.search.walk import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airlock.search.v1.search_pb2 import Search

    from common.policy.index import AllowedIndex
    from common.search.advice.warning import QueryWarning
    from common.search.walk import Visited

FEW_LETTERS: Final = 3
"""With fewer letters at its beginning a pattern fits very many terms."""
MANY_EXPANSIONS: Final = 50
"""How many terms Elasticsearch itself tries for a fuzzy one."""
_BEGINNING: Final = re.compile(r"(?:[^*?\\]|\\.)*", re.DOTALL)
_BOUNDS: Final = ("gt", "gte", "lt", "lte")
_LATER: Final = (
    "means the moment at which the other network executes the question, which can be days after it was asked; "
    "write the date itself where the moment of asking is meant"
)


def clause_warnings(search: Search, index: AllowedIndex) -> Iterator[QueryWarning]:
    """What is to be said of each clause by itself, from the outside in."""
    for visited in walk(search):
        judge = _JUDGES.get(visited.shape.name)
        if judge is not None:
            yield from judge(visited, index)


def _of_wildcard(visited: Visited, index: AllowedIndex) -> Iterator[QueryWarning]:
    value: str = visited.message.value
    beginning = _BEGINNING.match(value)
    assert beginning is not None, "the pattern matches an empty text too"
    # Fields of this type are made for patterns.
    if beginning[0] == value or index.fields.get(str(visited.path[-1])) == "wildcard":
        return
    letters = len(re.sub(r"\\(.)", r"\1", beginning[0]))
    if letters == 0:
        yield warn(
            WarningKind.LEADING_WILDCARD,
            visited.path,
            "begins with a wildcard, so every term of the field is read; begin with letters, or use match",
        )
    elif letters < FEW_LETTERS:
        yield _few_letters(visited, letters)


def _of_prefix(visited: Visited, _index: AllowedIndex) -> Iterator[QueryWarning]:
    letters = len(visited.message.value)
    if letters < FEW_LETTERS:
        yield _few_letters(visited, letters)


def _few_letters(visited: Visited, letters: int) -> QueryWarning:
    return warn(
        WarningKind.FEW_LETTERS,
        visited.path,
        f"begins with {letters} fixed character{'s' if letters > 1 else ''}, which very many terms do; "
        f"give at least {FEW_LETTERS}",
    )


def _of_fuzziness(visited: Visited, _index: AllowedIndex) -> Iterator[QueryWarning]:
    message = visited.message
    is_fuzzy = visited.shape.name == "FuzzyQuery" or (message.HasField("fuzziness") and message.fuzziness != "0")
    if is_fuzzy and not message.prefix_length and message.max_expansions > MANY_EXPANSIONS:
        yield warn(
            WarningKind.FUZZY_WITHOUT_PREFIX,
            visited.path,
            f"tries up to {message.max_expansions} terms with any beginning; set prefix_length to 1 or more, "
            f"or max_expansions to {MANY_EXPANSIONS} at most",
        )


def _of_bool(visited: Visited, _index: AllowedIndex) -> Iterator[QueryWarning]:
    message = visited.message
    if message.should and (message.must or message.filter) and not message.HasField("minimum_should_match"):
        yield warn(
            WarningKind.SHOULD_IS_OPTIONAL,
            (*visited.path, "should"),
            "only raises scores beside must or filter; set minimum_should_match to 1 if one of these has to match",
        )


def _of_terms(visited: Visited, _index: AllowedIndex) -> Iterator[QueryWarning]:
    if not visited.message.values:
        yield warn(WarningKind.MATCHES_NOTHING, visited.path, "lists no values, so it matches no document")


def _of_range(visited: Visited, _index: AllowedIndex) -> Iterator[QueryWarning]:
    for bound in _BOUNDS:
        if visited.message.HasField(bound):
            yield from _of_time(visited, bound, scalar_value(getattr(visited.message, bound)))


def _of_range_bucket(visited: Visited, _index: AllowedIndex) -> Iterator[QueryWarning]:
    for field, bound in (("from_value", "from"), ("to_value", "to")):
        if visited.message.HasField(field):
            yield from _of_time(visited, bound, scalar_value(getattr(visited.message, field)))


def _of_time(visited: Visited, bound: str, value: object) -> Iterator[QueryWarning]:
    if not isinstance(value, str) or not re.match(r"now($|[-+/])", value):
        return
    exactly = "" if "/" in value else ". Without rounding, as in now/d, it is another question each millisecond"
    yield warn(WarningKind.NOW_IS_LATER, (*visited.path, bound), _LATER + exactly)


_JUDGES: Final[dict[str, Callable[[Visited, AllowedIndex], Iterator[QueryWarning]]]] = {
    "BoolQuery": _of_bool,
    "FuzzyQuery": _of_fuzziness,
    "MatchQuery": _of_fuzziness,
    "MultiMatchQuery": _of_fuzziness,
    "PrefixQuery": _of_prefix,
    "RangeBucket": _of_range_bucket,
    "RangeQuery": _of_range,
    "TermsQuery": _of_terms,
    "WildcardQuery": _of_wildcard,
}
