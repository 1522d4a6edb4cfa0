"""What kind of question a search is, as the request's `query_type` column and the profiles' limits name it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlock.search.v1.query_pb2 import Query

if TYPE_CHECKING:
    from airlock.search.v1.search_pb2 import Search

AGGREGATION = "aggregation"
MATCH_ALL = "match_all"

QUERY_KINDS = frozenset(field.name for field in Query.DESCRIPTOR.fields)
"""Every clause of the language by its name in Elasticsearch."""

ALL_KINDS = QUERY_KINDS | {AGGREGATION}


def clause_kind(query: Query) -> str | None:
    """The name of the query's clause, or None where none is set. A map without an entry counts as unset."""
    present = query.ListFields()
    return present[0][0].name if present else None


def query_type(search: Search) -> str:
    """`aggregation` when the search aggregates, else the name of its outermost clause; no query is `match_all`."""
    if search.aggs:
        return AGGREGATION
    return (clause_kind(search.query) if search.HasField("query") else None) or MATCH_ALL
