"""What comes back: how many hits from how far, how much of each, and what goes along with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common.search.advice.warning import WarningKind, warn
from common.search.bucket_count import DEFAULT_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlock.search.v1.search_pb2 import Search

    from common.search.advice.warning import QueryWarning

DEEP: Final = 1000
"""So many hits, those that are skipped included, are collected on every shard."""
MANY_DOCUMENTS: Final = 100
MANY_HIGHLIGHTS: Final = 8


def hit_warnings(search: Search) -> Iterator[QueryWarning]:
    """What is to be said of the hits, whatever the query is."""
    size = search.size if search.HasField("size") else DEFAULT_SIZE
    yield from _paging(search, size)
    if size > MANY_DOCUMENTS and _whole_documents(search):
        yield warn(
            WarningKind.LARGE_DOCUMENTS,
            ("size",),
            f"asks for {size} whole documents; name the fields that you need in _source, or set it to false",
        )
    if search.HasField("highlight"):
        yield from _highlight(search, size)
    if search.HasField("size") and size == 0 and not search.aggs:
        capped = "" if search.HasField("track_total_hits") else ", up to 10,000; set track_total_hits to true for all"
        yield warn(WarningKind.ONLY_A_COUNT, ("size",), f"is 0 without aggregations: only hits are counted{capped}")
    if search.aggs and not search.HasField("size"):
        yield warn(
            WarningKind.HITS_BESIDE_AGGREGATIONS,
            ("size",),
            f"is absent, so the first {DEFAULT_SIZE} hits come beside the aggregations; set it to 0 without them",
        )


def _paging(search: Search, size: int) -> Iterator[QueryWarning]:
    start = search.from_offset
    if not start:
        return
    if start + size > DEEP:
        yield warn(
            WarningKind.DEEP_PAGING,
            ("from",),
            f"makes every shard collect and sort {start + size} hits to give {size}; narrow the query instead, such "
            "as by a range behind the last hit that you have",
        )
    if all(key.field == "_score" for key in search.sort):
        yield warn(
            WarningKind.UNSTABLE_PAGES,
            ("from",),
            "skips hits that nothing puts into one order: hits of equal score may come on two pages or on none; "
            "add a sort key that differs in each document",
        )


def _whole_documents(search: Search) -> bool:
    source = search.source_filter
    is_off = source.HasField("enabled") and not source.enabled
    return not (is_off or source.includes or source.excludes)


def _highlight(search: Search, size: int) -> Iterator[QueryWarning]:
    names = search.highlight.fields
    many = len(names) > MANY_HIGHLIGHTS or any("*" in name for name in names)
    if many or size > MANY_DOCUMENTS:
        yield warn(
            WarningKind.WIDE_HIGHLIGHT,
            ("highlight",),
            f"reads the text of each field again for each of up to {size} hits; name few fields, and ask for few hits",
        )
