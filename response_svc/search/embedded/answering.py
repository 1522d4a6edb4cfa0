"""One search from beginning to end: match, order, cut out the page, aggregate, and write the answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import orjson

from common.search.bucket_count import DEFAULT_SIZE
from response_svc.search.answers import ResultTooLargeError
from response_svc.search.embedded.aggregating import aggregate
from response_svc.search.embedded.known import check_known
from response_svc.search.embedded.matching import match
from response_svc.search.embedded.sorting import Ordered, order
from response_svc.search.embedded.sources import source_filter
from response_svc.search.embedded.values import single_precision

if TYPE_CHECKING:
    from airlock.search.v1.search_pb2 import Search

    from response_svc.search.embedded.context import Context
    from response_svc.search.embedded.texts import Scores

_COUNTED_BY_DEFAULT: Final = 10_000


def answer(context: Context, search: Search, started: float, max_bytes: int) -> tuple[bytes, int]:
    """The answer's JSON, and how many hits it counts."""
    check_known(search)
    scores = match(context, search.query)
    total = _total(search, len(scores))
    hits = _hits(context, search, scores, max_bytes)
    body: dict[str, Any] = {
        "took": 0,
        "timed_out": False,
        "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
        "hits": ({"total": total} if total is not None else {}) | hits,
    }
    if search.aggs:
        body["aggregations"] = aggregate(context, search.aggs, sorted(scores))
    body["took"] = int((time.monotonic() - started) * 1000)
    return orjson.dumps(body), total["value"] if total is not None else 0


def _total(search: Search, found: int) -> dict[str, Any] | None:
    up_to = _COUNTED_BY_DEFAULT
    if search.HasField("track_total_hits"):
        kind = search.track_total_hits.WhichOneof("kind")
        if kind == "up_to":
            up_to = search.track_total_hits.up_to
        elif search.track_total_hits.enabled:
            up_to = found
        else:
            return None
    return {"value": found, "relation": "eq"} if found <= up_to else {"value": up_to, "relation": "gte"}


def _hits(context: Context, search: Search, scores: Scores, max_bytes: int) -> dict[str, Any]:
    size = search.size if search.HasField("size") else DEFAULT_SIZE
    ordered = order(context, search.sort, scores)
    page = ordered.ordinals[search.from_offset : search.from_offset + size]
    shown = source_filter(search.source_filter if search.HasField("source_filter") else None)
    hits, length = [], 0
    for ordinal in page:
        source = shown(context.index.source(ordinal))
        length += len(source or b"")
        if length > max_bytes:
            raise ResultTooLargeError(f"the answer is larger than {max_bytes} bytes; ask for fewer hits or fields")
        hits.append(_hit(context, ordered, ordinal, scores, source))
    best = ordered.values is None and size and ordered.ordinals
    return {"max_score": single_precision(scores[ordered.ordinals[0]]) if best else None, "hits": hits}


def _hit(context: Context, ordered: Ordered, ordinal: int, scores: Scores, source: bytes | None) -> dict[str, Any]:
    hit: dict[str, Any] = {
        "_index": context.index.name,
        "_id": context.index.ids[ordinal],
        "_score": single_precision(scores[ordinal]) if ordered.scored else None,
    }
    ignored = context.index.ignored.get(str(ordinal))
    if ignored:
        hit["_ignored"] = ignored
    if source is not None:
        hit["_source"] = orjson.Fragment(source)
    if ordered.values is not None:
        hit["sort"] = ordered.values(ordinal)
    return hit
