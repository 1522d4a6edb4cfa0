"""Terms that are a few edits away: the clause fuzzy, and match with fuzziness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common.search.scalars import scalar_value
from response_svc.search.embedded import patterns
from response_svc.search.embedded.mapping import Field, Kind
from response_svc.search.embedded.refusals import unsupported
from response_svc.search.embedded.term_level import term_scores, terms_of, textual_field
from response_svc.search.embedded.values import plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airlock.search.v1.query_pb2 import FuzzyQuery

    from response_svc.search.embedded.context import Context
    from response_svc.search.embedded.texts import Scores

_DEFAULT_EXPANSIONS: Final = 50


def fuzzy(context: Context, name: str, query: FuzzyQuery) -> Scores:
    """Documents with a term that is a few edits away."""
    field = textual_field(context, name, "fuzzy")
    value = plain_text(scalar_value(query.value))
    fuzziness = query.fuzziness if query.HasField("fuzziness") else "AUTO"
    search = patterns.Fuzzy(
        term=value,
        edits=patterns.edits_allowed(fuzziness, value),
        prefix_length=query.prefix_length,
        max_expansions=query.max_expansions if query.HasField("max_expansions") else _DEFAULT_EXPANSIONS,
        transpositions=query.transpositions if query.HasField("transpositions") else True,
    )
    return {} if field is None else fuzzy_scores(context, field, [search])


def fuzzy_scores(context: Context, field: Field, searches: Sequence[patterns.Fuzzy]) -> Scores:
    """Documents with a term that is near to any of some.

    All terms near to one count as rare as the most frequent of them, as in Lucene; one that is near to several counts
    as rare as for the first of these.
    """
    index = context.index.text(field) if field.kind is Kind.TEXT else context.index.column(field)
    boosts: dict[str, float] = {}
    rarities: dict[str, float] = {}
    found: dict[str, Scores] = {}
    for search in searches:
        context.check_running()
        near = _near(context, field, search)
        found |= {expansion.term: term_scores(context, field, expansion.term) for expansion in near}
        most = max((len(found[expansion.term]) for expansion in near), default=0)
        for term, boost in near:
            boosts[term] = boosts.get(term, 0.0) + boost
            rarities.setdefault(term, index.inverse_document_frequency(most))
    total: Scores = {}
    for term, scores in found.items():
        weight = boosts[term] * rarities[term] / index.inverse_document_frequency(len(scores))
        for ordinal, score in scores.items():
            total[ordinal] = total.get(ordinal, 0.0) + score * weight
    return total


def _near(context: Context, field: Field, search: patterns.Fuzzy) -> Sequence[patterns.Expansion]:
    if not search.edits:
        return [patterns.Expansion(search.term, 1.0)]
    near = patterns.expand(search, terms_of(context, field))
    if any(expansion.boost <= 0 for expansion in near):
        raise unsupported(f"a fuzzy search for {search.term}, which is as short as its edits")
    return near
