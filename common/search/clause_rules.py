"""What a clause, a sort key or the choice of sources breaks as a whole, of which Elasticsearch would say the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from airlock.search.v1 import query_pb2

from common.search.field_types import SORTABLE
from common.search.not_carried import NOT_FIELDS
from common.search.patterns import pattern_defect
from common.search.time_zones import time_zone_defect
from common.search.violations import did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from common.search.violations import Path
    from common.search.walk import Visited

    Broken = Iterator[tuple[Path, str]]

_NULL: Final = "is null, which no document holds; for documents without a value use exists in the must_not of a bool"
_BOOST: Final = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_WITHOUT_FUZZINESS: Final = frozenset(
    {
        query_pb2.MULTI_MATCH_TYPE_CROSS_FIELDS,
        query_pb2.MULTI_MATCH_TYPE_PHRASE,
        query_pb2.MULTI_MATCH_TYPE_PHRASE_PREFIX,
    }
)


def _exists(visited: Visited) -> Broken:
    if "*" in visited.message.field:
        yield (*visited.path, "field"), "must name a field exactly, without *"


def _multi_match(visited: Visited) -> Broken:
    message = visited.message
    for position, entry in enumerate(message.fields):
        path = (*visited.path, "fields", position)
        name, sign, boost = entry.partition("^")
        # Elasticsearch would expand a `*` into fields that no one named.
        if "*" in name:
            yield path, "must name a field exactly, without *"
        if sign and not _BOOST.fullmatch(boost):
            yield path, f"is {shown(entry)}, whose boost is no number from 0 upwards; write it as title^2.5"
    if message.HasField("fuzziness") and message.type in _WITHOUT_FUZZINESS:
        yield (*visited.path, "fuzziness"), "does not go with this type; use best_fields, most_fields or bool_prefix"
    if message.slop and message.type == query_pb2.MULTI_MATCH_TYPE_BOOL_PREFIX:
        yield (*visited.path, "slop"), "does not go with the type bool_prefix; use phrase or phrase_prefix"
    yield from _some_query(visited)


def _range(visited: Visited) -> Broken:
    message = visited.message
    for one, other in (("gt", "gte"), ("lt", "lte")):
        if message.HasField(one) and message.HasField(other):
            yield visited.path, f"must have either {one} or {other}, not both"
    yield from time_zone(visited)


def _source(visited: Visited) -> Broken:
    message = visited.message
    if message.HasField("enabled") and (message.includes or message.excludes):
        yield visited.path, "must either be enabled or disabled as a whole, or list fields"


def _query(visited: Visited) -> Broken:
    """Where the options of `terms` stand beside the field's name, a field of that name would be taken for one."""
    terms = visited.message.terms
    for name, option in (("boost", "boost"), ("_name", "query_name")):
        if name in terms and terms[name].HasField(option):
            yield (*visited.path, "terms"), f"cannot carry {name} for a field that is itself called {name}"


def _sort(visited: Visited) -> Broken:
    sort = visited.message
    if sort.field in NOT_FIELDS:
        yield visited.path, f"names {shown(sort.field)}, which {NOT_FIELDS[sort.field]}"
    elif sort.field == "_score":
        options = ", ".join(field.json_name for field, _ in visited.fields if field.name not in {"field", "order"})
        if options:
            yield visited.path, f"sorts by _score, which takes an order and nothing else; leave out {options}"
    if sort.unmapped_type and sort.unmapped_type not in SORTABLE:
        near = did_you_mean(sort.unmapped_type, SORTABLE)
        yield (*visited.path, "unmapped_type"), f"is no type that can be sorted; {near}"


def _wildcard(visited: Visited) -> Broken:
    defect = pattern_defect(visited.message.value)
    if defect is not None:
        yield (*visited.path, "value"), defect


def _some_query(visited: Visited) -> Broken:
    if visited.message.query.null_value:
        yield (*visited.path, "query"), _NULL


def _some_value(visited: Visited) -> Broken:
    if visited.message.value.null_value:
        yield (*visited.path, "value"), _NULL


def _some_values(visited: Visited) -> Broken:
    for position, value in enumerate(visited.message.values):
        if value.null_value:
            yield (*visited.path, position), _NULL


def time_zone(visited: Visited) -> Broken:
    """A time zone that no engine knows, in a range or an aggregation."""
    name = visited.message.time_zone
    defect = time_zone_defect(name) if name else None
    if defect is not None:
        yield (*visited.path, "time_zone"), defect


CLAUSE_RULES: Final[Mapping[str, Callable[[Visited], Broken]]] = {
    "ExistsQuery": _exists,
    "FuzzyQuery": _some_value,
    "MatchPhraseQuery": _some_query,
    "MatchQuery": _some_query,
    "MultiMatchQuery": _multi_match,
    "Query": _query,
    "RangeQuery": _range,
    "Sort": _sort,
    "SourceFilter": _source,
    "TermQuery": _some_value,
    "TermsQuery": _some_values,
    "WildcardQuery": _wildcard,
}
"""By message."""
