"""Which documents a query matches, and how well: each clause gives documents with scores, and `bool` combines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from common.search.kind import clause_kind
from response_svc.search.embedded import full_text, near_terms, term_level
from response_svc.search.embedded.refusals import unsupported
from response_svc.search.embedded.should_match import required_matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from airlock.search.v1.query_pb2 import BoolQuery, Query

    from response_svc.search.embedded.context import Context
    from response_svc.search.embedded.loose import Message
    from response_svc.search.embedded.texts import Scores


def match(context: Context, query: Query) -> Scores:
    """The documents that match, with their scores. Raises UnsupportedQueryError or EngineRefusedError."""
    context.check_running()
    kind = clause_kind(query)
    if kind == "bool":
        return boosted(_bool(context, query.bool), query.bool)
    if kind is None or kind == "match_all":
        return boosted(dict.fromkeys(range(context.index.count), 1.0), query.match_all)
    clause = getattr(query, kind)
    if kind in _KEYED:
        ((name, keyed),) = clause.items()
        if name.startswith("_"):
            raise unsupported(f"a query on the field {name}")
        return boosted(_KEYED[kind](context, name, keyed), keyed)
    return boosted(_WHOLE[kind](context, clause), clause)


def match_once(context: Context, query: Query) -> Scores:
    """As `match`, for a query that is asked again and again in one search."""
    key = query.SerializeToString(deterministic=True)
    if key not in context.matched:
        context.matched[key] = match(context, query)
    return context.matched[key]


def boosted(scores: Scores, clause: Message) -> Scores:
    """The scores times the clause's boost."""
    if not clause.HasField("boost") or clause.boost == 1:
        return scores
    return {ordinal: score * clause.boost for ordinal, score in scores.items()}


_KEYED: Final[Mapping[str, Callable[[Context, str, Any], Scores]]] = {
    "fuzzy": near_terms.fuzzy,
    "match": full_text.match,
    "match_phrase": full_text.match_phrase,
    "prefix": term_level.prefix,
    "range": term_level.in_range,
    "term": term_level.term,
    "terms": term_level.terms,
    "wildcard": term_level.wildcard,
}
_WHOLE: Final[Mapping[str, Callable[[Context, Any], Scores]]] = {
    "exists": term_level.exists,
    "ids": term_level.ids,
    "multi_match": full_text.multi_match,
}


@dataclass(slots=True)
class _Matched:
    """What has matched so far; None means every document."""

    scores: Scores | None = None

    def require(self, scores: Scores, *, scoring: bool) -> None:
        if self.scores is None:
            self.scores = dict(scores) if scoring else dict.fromkeys(scores, 0.0)
        elif scoring:
            self.scores = {
                ordinal: score + scores[ordinal] for ordinal, score in self.scores.items() if ordinal in scores
            }
        else:
            self.scores = {ordinal: score for ordinal, score in self.scores.items() if ordinal in scores}


def _bool(context: Context, query: BoolQuery) -> Scores:
    if not (query.must or query.filter or query.should or query.must_not):
        return dict.fromkeys(range(context.index.count), 1.0)
    matched = _Matched()
    for clause in query.must:
        matched.require(match(context, clause), scoring=True)
    for clause in query.filter:
        matched.require(match(context, clause), scoring=False)
    optional = [match(context, clause) for clause in query.should]
    only_excludes = not (query.must or query.filter or optional)
    required = 1 if optional and not (query.must or query.filter) else 0
    # Elasticsearch forgets the minimum of a query that only excludes.
    if query.HasField("minimum_should_match") and not only_excludes:
        required = max(required, required_matches(query.minimum_should_match, len(optional)))
    scores = combine(matched.scores, optional, required, context.index.count)
    for clause in query.must_not:
        for ordinal in match(context, clause):
            scores.pop(ordinal, None)
    return scores


def combine(base: Scores | None, optional: Sequence[Scores], required: int, count: int) -> Scores:
    """The base's documents, or every one, of which so many optional clauses match; scores add up."""
    if required > len(optional):
        return {}
    if base is None and required:
        base = dict.fromkeys(_in_any(optional), 0.0)
    scores = dict.fromkeys(range(count), 0.0) if base is None else dict(base)
    matches = Counter[int]()
    for clause in optional:
        for ordinal, score in clause.items():
            if ordinal in scores:
                scores[ordinal] += score
                matches[ordinal] += 1
    return {ordinal: score for ordinal, score in scores.items() if matches[ordinal] >= required} if required else scores


def _in_any(clauses: Iterable[Scores]) -> set[int]:
    return set().union(*clauses)
