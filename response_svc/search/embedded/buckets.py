"""Buckets by value, by query and by absence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from common.search.bucket_count import DEFAULT_SIZE
from response_svc.search.embedded import matching
from response_svc.search.embedded.bucket_order import sorted_buckets
from response_svc.search.embedded.dates import format_millis
from response_svc.search.embedded.grouping import Bucket, Inner, grouped_by
from response_svc.search.embedded.mapping import Field, Kind, Value
from response_svc.search.embedded.metrics import field_to_aggregate, keys_reader
from response_svc.search.embedded.refusals import unsupported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airlock.search.v1.aggregation_pb2 import (
        FiltersAggregation,
        MissingAggregation,
        TermsAggregation,
    )
    from airlock.search.v1.query_pb2 import Query

    from response_svc.search.embedded.context import Context


def terms(context: Context, definition: TermsAggregation, documents: Sequence[int], inner: Inner) -> dict[str, Any]:
    """A bucket for each value."""
    field = field_to_aggregate(context, definition.field)
    if field is None:
        if definition.HasField("missing"):
            raise unsupported(f"a missing value for the unmapped field {definition.field}")
        return {"doc_count_error_upper_bound": 0, "sum_other_doc_count": 0, "buckets": []}
    column = context.index.column(field)
    grouped = grouped_by(context, documents, keys_reader(context, field, definition))
    least = definition.min_doc_count if definition.HasField("min_doc_count") else 1
    if not least:
        for key in column.distinct:
            grouped.setdefault(key, [])
    size = definition.size if definition.HasField("size") else DEFAULT_SIZE
    by_figure = any(not order.key.startswith("_") for order in definition.order)
    made = [Bucket(value, inner(own) if by_figure else {"doc_count": len(own)}, own) for value, own in grouped.items()]
    ordered = sorted_buckets(made, definition.order, inner.empty_figure, by_default="_count")
    # Elasticsearch looks at so many terms only, and drops those that are too rare from among them.
    looked_at = max(size, definition.shard_size if definition.HasField("shard_size") else _looked_at(definition, size))
    kept = [bucket for bucket in ordered[:looked_at] if len(bucket.documents) >= least]
    rest = sum(len(bucket.documents) for bucket in (*kept[size:], *ordered[looked_at:]))
    exact = len(ordered) < looked_at or _is_exact(definition)
    return {
        "doc_count_error_upper_bound": 0 if exact else -1,
        "sum_other_doc_count": rest,
        "buckets": [
            _term_bucket(field, column.value_of(bucket.key), bucket.content if by_figure else inner(bucket.documents))
            for bucket in kept[:size]
        ],
    }


def _looked_at(definition: TermsAggregation, size: int) -> int:
    """How many terms Elasticsearch looks at where nothing is said: more than are shown, unless they come by key."""
    by_key = bool(definition.order) and definition.order[0].key == "_key"
    return size if by_key else size * 3 // 2 + 10


def _is_exact(definition: TermsAggregation) -> bool:
    """Whether the counts are vouched for whatever was not looked at: the most frequent, or the first by key."""
    order = definition.order[0] if definition.order else None
    return order is None or order.key == "_key" or (order.key == "_count" and order.descending)


def _term_bucket(field: Field, value: Value, content: dict[str, Any]) -> dict[str, Any]:
    if field.kind is Kind.BOOLEAN:
        return {"key": value, "key_as_string": "true" if value else "false", **content}
    if field.kind is Kind.DATE:
        return {"key": value, "key_as_string": format_millis(int(value)), **content}
    return {"key": value, **content}


def filtered(context: Context, definition: Query, documents: Sequence[int], inner: Inner) -> dict[str, Any]:
    """The documents that a query matches."""
    matched = matching.match_once(context, definition)
    return inner([ordinal for ordinal in documents if ordinal in matched])


def filters(context: Context, definition: FiltersAggregation, documents: Sequence[int], inner: Inner) -> dict[str, Any]:
    """A bucket for each of several queries, and one for what none of them matches if that is asked for."""
    matched = {name: matching.match_once(context, definition.filters[name]) for name in sorted(definition.filters)}
    made = {name: inner([ordinal for ordinal in documents if ordinal in scores]) for name, scores in matched.items()}
    named = definition.HasField("other_bucket_key")
    if definition.other_bucket if definition.HasField("other_bucket") else named:
        name = definition.other_bucket_key or "_other_"
        made[name] = inner([o for o in documents if not any(o in scores for scores in matched.values())])
    return {"buckets": made}


def missing(context: Context, definition: MissingAggregation, documents: Sequence[int], inner: Inner) -> dict[str, Any]:
    """The documents without a value."""
    field = field_to_aggregate(context, definition.field)
    if field is None:
        return inner(documents)
    values = context.index.column(field).values
    return inner([ordinal for ordinal in documents if not values[ordinal]])
