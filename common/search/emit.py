"""Writes the engine's search body from the typed message; nothing else makes one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from google.protobuf.descriptor import FieldDescriptor

from common.search.scalars import scalar_value
from common.search.shapes import FieldShape, shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airlock.search.v1.aggregation_pb2 import BucketOrder, FiltersAggregation
    from airlock.search.v1.query_pb2 import TermsQuery
    from airlock.search.v1.search_pb2 import Search, Sort, SourceFilter, TrackTotalHits
    from google.protobuf.message import Message

Tree: TypeAlias = "dict[str, Tree] | list[Tree] | str | int | float | bool | None"


def emit_body(search: Search) -> bytes:
    """The body in JSON: whole numbers whole, 64-bit integers exact, absent fields absent and present ones present.

    The search has passed `common.search.limits`: its depth is bounded, and its enums and doubles are valid.
    """
    return json.dumps(search_tree(search), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def search_tree(message: Message) -> dict[str, Tree]:
    """The JSON object of a search, a query, an aggregation or any part of them that is an object."""
    by_name = shape_of(message.DESCRIPTOR.name).by_name
    tree: dict[str, Tree] = {}
    for descriptor, value in message.ListFields():
        field = by_name[descriptor.name]
        tree[field.json_name] = _field_tree(field, value)
    return tree


def _field_tree(field: FieldShape, value: Any) -> Tree:  # noqa: ANN401 # Whatever a field can hold.
    if field.is_map:
        return _map_tree(field, value)
    if field.repeated:
        return [_value_tree(field, inner) for inner in value]
    return _value_tree(field, value)


def _map_tree(field: FieldShape, entries: Mapping[str, Any]) -> Tree:
    tree: dict[str, Tree] = {}
    for key in sorted(entries):
        tree[key] = _value_tree(field, entries[key])
        if field.message == "TermsQuery":
            tree |= _beside_terms(entries[key])
    return tree


def _value_tree(field: FieldShape, value: Any) -> Tree:  # noqa: ANN401 # As above.
    if not field.message:
        if field.enum is not None:
            return field.enum.by_number[value]
        plain: str | int | float | bool = float(value) if field.type == FieldDescriptor.TYPE_DOUBLE else value
        return plain
    irregular = _IRREGULAR.get(field.message)
    return irregular(value) if irregular is not None else search_tree(value)


def _sort_tree(sort: Sort) -> Tree:
    """The bare name where nothing else is said: `_score` takes no empty object."""
    options = search_tree(sort)
    del options["field"]
    return {sort.field: options} if options else sort.field


def _source_tree(source: SourceFilter) -> Tree:
    if source.includes or source.excludes or not source.HasField("enabled"):
        options = search_tree(source)
        options.pop("enabled", None)
        return options
    return source.enabled


def _total_tree(total: TrackTotalHits) -> Tree:
    return total.up_to if total.WhichOneof("kind") == "up_to" else total.enabled


def _order_tree(order: BucketOrder) -> Tree:
    return {order.key: "desc" if order.descending else "asc"}


def _terms_tree(terms: TermsQuery) -> Tree:
    """The values alone."""
    return [scalar_value(value) for value in terms.values]


def _beside_terms(terms: Any) -> dict[str, Tree]:  # noqa: ANN401 # A TermsQuery, whose options the tables name.
    """What stands beside the field's name, which is whatever is no value."""
    options = shape_of("TermsQuery").by_key.values()
    return {option.json_name: getattr(terms, option.name) for option in options if terms.HasField(option.name)}


def _filters_tree(filters: FiltersAggregation) -> Tree:
    """Filters without names stand in the place of the named ones."""
    options = search_tree(filters)
    if "anonymous" in options:
        options = {"filters": options.pop("anonymous"), **options}
    return options


_IRREGULAR: Final[dict[str, Callable[[Any], Tree]]] = {
    "BucketOrder": _order_tree,
    "FiltersAggregation": _filters_tree,
    "Scalar": scalar_value,
    "Sort": _sort_tree,
    "SourceFilter": _source_tree,
    "TermsQuery": _terms_tree,
    "TrackTotalHits": _total_tree,
}
