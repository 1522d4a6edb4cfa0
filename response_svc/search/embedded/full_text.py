"""Clauses that analyse their text first: match, match_phrase, multi_match."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from airlock.search.v1 import query_pb2

from common.search.scalars import scalar_value
from response_svc.search.answers import EngineRefusedError
from response_svc.search.embedded import patterns
from response_svc.search.embedded.analysis import analyze
from response_svc.search.embedded.mapping import Field, Kind
from response_svc.search.embedded.near_terms import fuzzy_scores
from response_svc.search.embedded.refusals import refused, unsupported
from response_svc.search.embedded.should_match import required_matches
from response_svc.search.embedded.term_level import term_scores
from response_svc.search.embedded.values import is_textual, plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airlock.search.v1.query_pb2 import MatchPhraseQuery, MatchQuery, MultiMatchQuery

    from response_svc.search.embedded.context import Context
    from response_svc.search.embedded.texts import Scores
    from response_svc.search.embedded.values import Plain

_DEFAULT_EXPANSIONS: Final = 50
_BOOST: Final = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?", re.ASCII)
_BEST_FIELDS: Final = query_pb2.MULTI_MATCH_TYPE_BEST_FIELDS
_MOST_FIELDS: Final = query_pb2.MULTI_MATCH_TYPE_MOST_FIELDS
_PHRASE: Final = query_pb2.MULTI_MATCH_TYPE_PHRASE


@dataclass(frozen=True, slots=True)
class _Matching:
    """How the words of a text are looked for in one field."""

    value: Plain
    every_word: bool
    minimum_should_match: str | None
    fuzziness: str | None
    prefix_length: int
    max_expansions: int
    transpositions: bool
    lenient: bool
    all_without_words: bool

    @classmethod
    def of(cls, query: MatchQuery | MultiMatchQuery) -> _Matching:
        """What a match or multi_match query says."""
        single = query if isinstance(query, query_pb2.MatchQuery) else query_pb2.MatchQuery()
        return cls(
            value=scalar_value(query.query),
            every_word=query.operator == query_pb2.OPERATOR_AND,
            minimum_should_match=query.minimum_should_match if query.HasField("minimum_should_match") else None,
            fuzziness=query.fuzziness if query.HasField("fuzziness") else None,
            prefix_length=query.prefix_length,
            max_expansions=query.max_expansions if query.HasField("max_expansions") else _DEFAULT_EXPANSIONS,
            transpositions=single.fuzzy_transpositions if single.HasField("fuzzy_transpositions") else True,
            lenient=query.lenient,
            all_without_words=single.zero_terms_query == query_pb2.ZERO_TERMS_QUERY_ALL,
        )


def match(context: Context, name: str, query: MatchQuery) -> Scores:
    """Documents with the words of the text in one field."""
    return _match_field(context, name, _Matching.of(query))


def match_phrase(context: Context, name: str, query: MatchPhraseQuery) -> Scores:
    """Documents with the words of the text in a row."""
    if query.slop:
        raise unsupported("match_phrase with slop")
    return _phrase_field(context, name, scalar_value(query.query))


def multi_match(context: Context, query: MultiMatchQuery) -> Scores:
    """Documents with the words of the text in any of several fields."""
    kind = query.type or _BEST_FIELDS
    if kind not in {_BEST_FIELDS, _MOST_FIELDS, _PHRASE}:
        name = query_pb2.MultiMatchType.Name(kind).removeprefix("MULTI_MATCH_TYPE_").lower()
        raise unsupported(f"multi_match of the type {name}")
    if kind == _PHRASE and query.HasField("fuzziness"):
        raise refused("Fuzziness not allowed for type [phrase]")
    if query.slop:
        raise unsupported("multi_match with slop")
    matching = _Matching.of(query)
    found = []
    for name, factor in _boosts(query.fields).items():
        scores = (
            _phrase_field(context, name, matching.value, lenient=matching.lenient)
            if kind == _PHRASE
            else _match_field(context, name, matching)
        )
        found.append({ordinal: score * factor for ordinal, score in scores.items()})
    default = 1.0 if kind == _MOST_FIELDS else 0.0
    return _best(found, query.tie_breaker if query.HasField("tie_breaker") else default)


def _boosts(fields: Sequence[str]) -> dict[str, float]:
    """The boost of each field; one that is named twice counts once, with its last boost."""
    boosts = {}
    for entry in fields:
        name, sign, boost = entry.partition("^")
        if sign and not _BOOST.fullmatch(boost):
            raise refused(f"the boost of the field {entry} is no number from 0 upwards")
        boosts[name] = float(boost) if sign else 1.0
    return boosts


def _best(found: Sequence[Scores], tie_breaker: float) -> Scores:
    """The best field's score, and the share `tie_breaker` of the others'."""
    scores: Scores = {}
    for ordinal in set().union(*found):
        each = [clause[ordinal] for clause in found if ordinal in clause]
        best = max(each)
        scores[ordinal] = best + tie_breaker * (sum(each) - best)
    return scores


def _match_field(context: Context, name: str, matching: _Matching) -> Scores:
    field = context.field(name)
    if name.startswith("_"):
        raise unsupported(f"a query on the field {name}")
    if field is None:
        return {}
    text = plain_text(matching.value)
    if field.kind is not Kind.TEXT:
        return _match_value(context, field, matching)
    words = [token.text for token in analyze([text])]
    if not words:
        return dict.fromkeys(range(context.index.count), 1.0) if matching.all_without_words else {}
    required = _required(matching, len(words))
    if matching.fuzziness is not None and required <= 1:
        return fuzzy_scores(context, field, [_near(matching, matching.fuzziness, word) for word in words])
    found = []
    for word in words:
        context.check_running()
        found.append(_word(context, field, word, matching))
    return _at_least(found, required)


def _required(matching: _Matching, words: int) -> int:
    """How many of so many words must be there."""
    if matching.every_word:
        required = words
        # None of the words is optional then, so a minimum of optional ones is never reached.
        if matching.minimum_should_match is not None and words > 1:
            required += required_matches(matching.minimum_should_match, 0)
        return required
    if matching.minimum_should_match is None or words == 1:
        return 1
    return max(1, required_matches(matching.minimum_should_match, words))


def _at_least(found: Sequence[Scores], required: int) -> Scores:
    """Documents that so many words match; the scores add up."""
    scores: Scores = {}
    counts: dict[int, int] = {}
    for clause in found:
        for ordinal, score in clause.items():
            scores[ordinal] = scores.get(ordinal, 0.0) + score
            counts[ordinal] = counts.get(ordinal, 0) + 1
    return {ordinal: score for ordinal, score in scores.items() if counts[ordinal] >= required}


def _word(context: Context, field: Field, word: str, matching: _Matching) -> Scores:
    if matching.fuzziness is None:
        return term_scores(context, field, word)
    return fuzzy_scores(context, field, [_near(matching, matching.fuzziness, word)])


def _near(matching: _Matching, fuzziness: str, word: str) -> patterns.Fuzzy:
    return patterns.Fuzzy(
        term=word,
        edits=patterns.edits_allowed(fuzziness, word),
        prefix_length=matching.prefix_length,
        max_expansions=matching.max_expansions,
        transpositions=matching.transpositions,
    )


def _match_value(context: Context, field: Field, matching: _Matching) -> Scores:
    """A field that is not analysed takes the whole text as one value."""
    if matching.fuzziness is not None:
        if not is_textual(field):
            raise unsupported(f"fuzziness on the field {field.name} of type {field.kind.value}")
        return _word(context, field, plain_text(matching.value), matching)
    return _lenient(context, field, matching.value, lenient=matching.lenient)


def _lenient(context: Context, field: Field, value: Plain, *, lenient: bool) -> Scores:
    try:
        return term_scores(context, field, value)
    except EngineRefusedError:
        if lenient:
            return {}
        raise


def _phrase_field(context: Context, name: str, value: Plain, *, lenient: bool = False) -> Scores:
    if name.startswith("_"):
        raise unsupported(f"a query on the field {name}")
    field = context.field(name)
    if field is None:
        return {}
    if field.kind is not Kind.TEXT:
        return _lenient(context, field, value, lenient=lenient)
    tokens = analyze([plain_text(value)])
    if not tokens:
        return {}
    index = context.index.text(field)
    return index.phrase(tokens) if len(tokens) > 1 else index.term(tokens[0].text)
