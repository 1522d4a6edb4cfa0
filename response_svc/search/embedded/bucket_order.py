"""The order of buckets: by count, by key, or by a figure inside them; equal ones by key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from response_svc.search.embedded.refusals import refused, unsupported

if TYPE_CHECKING:
    from airlock.search.v1.aggregation_pb2 import BucketOrder

    from response_svc.search.embedded.grouping import Bucket
    from response_svc.search.embedded.loose import JsonValue


EmptyFigure: TypeAlias = Callable[[Sequence[str], str], float]
"""As what a figure without a value is compared: the path to its aggregation, and the name of the figure in `stats`."""


def sorted_buckets(
    buckets: Sequence[Bucket], orders: Sequence[BucketOrder], empty: EmptyFigure, *, by_default: str
) -> list[Bucket]:
    """The buckets in order; without one, by key or by count, the largest first."""
    ordered = sorted(buckets, key=lambda bucket: bucket.key)
    if not orders:
        if by_default == "_count":
            ordered.sort(key=lambda bucket: -int(bucket.content["doc_count"]))
        return ordered
    # Sorting is stable: the last order first, and the first order decides.
    for order in reversed(orders):
        path = order.key
        # A reversed sort is stable too: equal buckets stay in the order of their keys.
        ordered.sort(key=lambda bucket: _compared(bucket, path, empty), reverse=order.descending)
    return ordered


def _compared(bucket: Bucket, path: str, empty: EmptyFigure) -> JsonValue:
    if path == "_key":
        return bucket.key
    if path == "_count":
        return bucket.content["doc_count"]
    *outer, last = path.split(">")
    name, _, figure = last.partition(".")
    inside: JsonValue = bucket.content
    for step in (*outer, name):
        inside = inside.get(step) if isinstance(inside, dict) and "buckets" not in inside else None
    found = inside
    if not isinstance(found, dict):
        raise refused(f"Invalid aggregation order path [{path}]")
    wanted = figure or ("value" if "value" in found else "doc_count")
    if wanted not in found:
        raise unsupported(f"an order by {path}")
    value = found[wanted]
    if value is not None and not isinstance(value, int | float):
        raise refused(f"Invalid aggregation order path [{path}], which names no single figure")
    return empty([*outer, name], figure) if value is None else value
