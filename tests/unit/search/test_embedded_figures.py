"""Estimates of the built-in engine against those of Elasticsearch 8.19.21 for the same values in the same order."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from airlock.search.v1.search_pb2 import SourceFilter

from common.search.body import read_body
from response_svc.search.answers import UnsupportedQueryError
from response_svc.search.embedded import EmbeddedEngine, load_index
from response_svc.search.embedded.dates import find_zone, floor_to, format_millis, from_millis, to_millis
from response_svc.search.embedded.distinct import DEFAULT_THRESHOLD, count_distinct
from response_svc.search.embedded.doubles import from_sortable, to_sortable
from response_svc.search.embedded.sources import source_filter
from response_svc.search.embedded.tdigest import quantiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NUMBERS = [number * 7919 % 10_007 for number in range(5_000)]
SQUARES = [number * number / 100 for number in NUMBERS]
WORDS = [f"کلید {number}" for number in NUMBERS]


def count(values: Sequence[Any], threshold: int = DEFAULT_THRESHOLD) -> int:
    return count_distinct(values, threshold, check=lambda: None)


def test_percentiles_of_many_values_are_those_of_elasticsearchs_digest() -> None:
    found = quantiles(SQUARES, [0, 0.01, 0.25, 0.5, 0.75, 0.999, 1], check=lambda: None)
    theirs = [0.0, 104.45846349745331, 63498.3348784247, 252133.77220418505, 564340.6156016095, 999300.1250000002]
    assert found == pytest.approx([*theirs, 1001200.36], rel=1e-12)


def test_percentiles_of_few_values_are_exact() -> None:
    few = [square for number, square in zip(NUMBERS, SQUARES, strict=True) if number < 3_000]
    assert len(few) == 1_497
    found = quantiles(few, [0, 0.01, 0.25, 0.5, 0.75, 0.999, 1], check=lambda: None)
    theirs = [0.0, 11.411200000000004, 5625.0, 22500.0, 50580.01, 89701.77760000004, 89940.01]
    assert found == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize(
    ("values", "threshold", "theirs"),
    [
        (SQUARES, 3000, 5019),
        (NUMBERS, 3000, 4965),
        (WORDS, 3000, 5016),
        (WORDS, 40_000, 4999),
        (NUMBERS, 1500, 4937),
        (NUMBERS[:1497], 3000, 1497),
        ([], 3000, 0),
    ],
    ids=["doubles", "longs", "keywords", "two hashes that meet", "a low threshold", "few", "none"],
)
def test_different_values_are_counted_as_elasticsearch_counts_them(
    values: Sequence[Any], threshold: int, theirs: int
) -> None:
    assert count(values, threshold) == theirs


def test_more_different_values_than_can_be_counted_alike_are_refused() -> None:
    with pytest.raises(UnsupportedQueryError, match="precision_threshold"):
        count(range(20_000))
    assert count(range(20_000), 40_000) == pytest.approx(20_000, rel=0.001)


@pytest.mark.parametrize(
    ("values", "total"), [([1.0, 1e100, 1.0, -1e100], 0.0), ([1e16, 1.0, -1e16], 0.0), ([0.1] * 10, 1.0), ([], 0.0)]
)
async def test_sums_lose_what_they_lose_in_elasticsearch(tmp_path: Path, values: list[float], total: float) -> None:
    load_index(tmp_path, "things", {"properties": {"n": {"type": "double"}}}, [{"n": value} for value in values])
    search = read_body(b'{"size": 0, "aggs": {"a": {"sum": {"field": "n"}}}}')
    engine = EmbeddedEngine(tmp_path)
    found = await engine.search("things", search, timeout_seconds=9, max_bytes=9999, accept_partial=False)
    assert json.loads(found.body)["aggregations"]["a"]["value"] == total


def test_doubles_are_ordered_with_minus_zero_before_zero() -> None:
    ordered = [-math.inf, -1e308, -1.0, -5e-324, -0.0, 0.0, 5e-324, 1.0, 1e308, math.inf]
    shuffled = [ordered[place] for place in (3, 9, 0, 5, 4, 8, 1, 7, 2, 6)]
    assert sorted(shuffled, key=to_sortable) == ordered
    assert [str(from_sortable(to_sortable(value))) for value in ordered] == [str(value) for value in ordered]
    assert to_sortable(-0.0) < to_sortable(0.0)


@pytest.mark.parametrize(
    ("zone", "moment", "hour"),
    [
        # The second 01:30 of the day on which New York's clocks go back is in the second hour of one o'clock.
        ("America/New_York", "2013-11-03T06:30:00.000Z", "2013-11-03T01:00:00.000-05:00"),
        ("America/New_York", "2013-11-03T05:30:00.000Z", "2013-11-03T01:00:00.000-04:00"),
        # Lord Howe moves its clocks by half an hour: the hour in which they move is longer.
        ("Australia/Lord_Howe", "2013-10-05T15:45:00.000Z", "2013-10-06T01:00:00.000+10:30"),
    ],
)
def test_hours_begin_where_they_do_in_elasticsearch_when_clocks_change(zone: str, moment: str, hour: str) -> None:
    millis = to_millis(from_millis(0).fromisoformat(moment))
    floor = floor_to(from_millis(millis, find_zone(zone)), "hour")
    assert format_millis(to_millis(floor), "strict_date_optional_time", find_zone(zone)) == hour


@pytest.mark.parametrize(
    ("includes", "excludes", "shown"),
    [
        ([], ["a.b"], {"c": [{"b": 1}, {"d": 2}]}),
        ([], ["a.*"], {"a": {}, "c": [{"b": 1}, {"d": 2}]}),
        ([], ["c.b", "a.b"], {"c": [{"d": 2}]}),
        (["*.b"], [], {"a": {"b": 1}, "c": [{"b": 1}]}),
        (["*b"], [], {}),
        (["*b"], ["x*"], {"a": {"b": 1}, "c": [{"b": 1}]}),
        (["c"], ["c"], {}),
    ],
)
def test_a_source_is_cut_as_elasticsearch_cuts_it(includes: list[str], excludes: list[str], shown: object) -> None:
    document = {"a": {"b": 1}, "c": [{"b": 1}, {"d": 2}]}
    cut = source_filter(SourceFilter(includes=includes, excludes=excludes))(json.dumps(document).encode())
    assert cut is not None
    assert json.loads(cut) == shown
