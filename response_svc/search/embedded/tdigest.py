"""Percentiles as Elasticsearch estimates them: a merging t-digest of the same size, fed in the same order.

Fewer than SORTED_VALUES values are kept and sorted, and the percentiles are exact in both engines. Else a digest keeps
centroids, of which those near the ends are small; percentiles lie between the centroids in proportion.
"""

from __future__ import annotations

import math
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

SORTED_VALUES: Final = 2000
_COMPRESSION: Final = 100.0
# Until the last values are in, the digest is kept twice as fine as what is asked of it.
_WORKING_COMPRESSION: Final = 200.0
_BUFFER: Final = 550

Centroid = tuple[float, float]
"""The mean of some values, and how many they are."""


def quantiles(values: Sequence[float], shares: Iterable[float], *, check: Callable[[], None]) -> list[float]:
    """The values below which these shares (0 to 1) of all lie. `values` is not empty and in the order of documents.

    `check` is called now and then and ends the work by raising.
    """
    if len(values) < SORTED_VALUES:
        ordered = sorted(values)
        return [_between(ordered, share) for share in shares]
    digest = _digest(values, check)
    return [_quantile(digest, share) for share in shares]


def _between(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = min(math.floor(place), len(ordered) - 1)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _digest(values: Sequence[float], check: Callable[[], None]) -> list[Centroid]:
    centroids: list[Centroid] = []
    backwards = False
    taken = 0
    while taken < len(values):
        check()
        buffer = [(value, 1.0) for value in values[taken : taken + _BUFFER - len(centroids) - 1]]
        taken += len(buffer)
        compression = _WORKING_COMPRESSION if taken < len(values) else _COMPRESSION
        centroids = _merge([*buffer, *centroids], compression, backwards=backwards)
        # Each pass runs the other way, so that no side is favoured.
        backwards = not backwards
    return centroids


def _merge(incoming: list[Centroid], compression: float, *, backwards: bool) -> list[Centroid]:
    """Joins neighbours while a centroid stays small enough for its place. The first and the last stay alone."""
    incoming.sort(key=lambda centroid: centroid[0])
    if backwards:
        incoming.reverse()
    total = sum(weight for _, weight in incoming)
    room = (4 * math.log(total / compression) + 24) / compression
    merged: list[Centroid] = []
    mean, weight = incoming[0]
    before = 0.0
    for place, (next_mean, next_weight) in enumerate(islice(incoming, 1, None), 1):
        proposed = weight + next_weight
        low, high = before / total, (before + proposed) / total
        fits = proposed <= total * room * min(low * (1 - low), high * (1 - high))
        if fits and place not in {1, len(incoming) - 1}:
            weight = proposed
            mean += (next_mean - mean) * next_weight / weight
            continue
        before += weight
        merged.append((mean, weight))
        mean, weight = next_mean, next_weight
    merged.append((mean, weight))
    if backwards:
        merged.reverse()
    return merged


def _quantile(digest: Sequence[Centroid], share: float) -> float:
    """Between the two centroids around the place; each stands in the middle of its values."""
    place = share * sum(weight for _, weight in digest)
    middle = digest[0][1] / 2
    if place <= middle:
        return digest[0][0]
    for (mean, weight), (next_mean, next_weight) in pairwise(digest):
        step = (weight + next_weight) / 2
        if middle + step > place:
            return (mean * (middle + step - place) + next_mean * (place - middle)) / step
        middle += step
    return digest[-1][0]
