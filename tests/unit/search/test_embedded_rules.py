"""The built-in engine's small rules: minimum_should_match, patterns, distances, dates, numbers as Java writes them."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from airlock.search.v1.aggregation_pb2 import DateHistogramAggregation
from hypothesis import given
from hypothesis import strategies as st

from response_svc.search.answer_head import AnswerHead, NotAnAnswerError, read_head
from response_svc.search.answers import EngineRefusedError, UnsupportedQueryError
from response_svc.search.embedded.calendar import Rounding
from response_svc.search.embedded.dates import DEFAULT_FORMAT, DateParser, find_zone, format_millis, from_millis
from response_svc.search.embedded.patterns import Expansion, Fuzzy, edits_allowed, expand, wildcard
from response_svc.search.embedded.should_match import required_matches
from response_svc.search.embedded.values import java_double, single_precision


@pytest.mark.parametrize(
    ("spec", "clauses", "required"),
    [
        ("2", 3, 2), ("-1", 3, 2), ("75%", 4, 3), ("75%", 3, 2), ("-25%", 4, 3), ("-25%", 3, 3), ("0", 3, 0),
        ("-9", 3, 0), ("2<-25%", 2, 2), ("2<-25%", 4, 3), ("2<-25% 9<-3", 12, 9), (" 3 < 90% ", 10, 9), ("5", 3, 5),
    ],
)  # fmt: skip
def test_minimum_should_match_counts_as_documented(spec: str, clauses: int, required: int) -> None:
    assert required_matches(spec, clauses) == required


@pytest.mark.parametrize("spec", ["x", "2<x", "x<2", "1.5", "%"])
def test_a_malformed_minimum_is_refused(spec: str) -> None:
    with pytest.raises(EngineRefusedError):
        required_matches(spec, 3)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("a*c", ["ac", "abc", "abcbc"], ["ab", "cab"]),
        ("a?c", ["abc", "aبc"], ["ac", "abbc"]),
        ("*a*b*", ["ab", "xaybz"], ["ba", "b"]),
        ("a*a", ["aa", "aba"], ["a"]),
        (r"a\*c", ["a*c"], ["abc"]),
        ("a.c", ["a.c"], ["abc"]),
        ("*", ["", "x"], []),
        ("", [""], ["x"]),
    ],
)
def test_a_wildcard_matches_whole_terms(pattern: str, matching: list[str], other: list[str]) -> None:
    matches = wildcard(pattern, ignore_case=False)
    assert all(map(matches, matching))
    assert not any(map(matches, other))


def test_many_stars_cost_no_more_than_one_pass() -> None:
    assert not wildcard("*a" * 120 + "b", ignore_case=False)("a" * 5_000)


def test_near_terms_come_nearest_first_and_no_more_than_allowed() -> None:
    terms = ["aplha", "alpha", "alph", "alpine", "beta"]
    assert expand(Fuzzy("alpha", 1), terms) == [
        Expansion("alpha", 1.0),
        Expansion("aplha", 0.8),
        Expansion("alph", 0.75),
    ]
    assert [found.term for found in expand(Fuzzy("alpha", 1, max_expansions=2), terms)] == ["alpha", "aplha"]
    assert [found.term for found in expand(Fuzzy("alpha", 1, transpositions=False), terms)] == ["alpha", "alph"]
    assert [found.term for found in expand(Fuzzy("alpha", 2, prefix_length=3), terms)] == ["alpha", "alph"]


words = st.text("abc", max_size=5)


@given(words, words)
def test_distances_are_those_of_the_plain_definition(one: str, other: str) -> None:
    table = {(i, 0): i for i in range(len(one) + 1)} | {(0, j): j for j in range(len(other) + 1)}
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            cost = one[i - 1] != other[j - 1]
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + cost)
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
    near = expand(Fuzzy(one, 2), [other])
    assert bool(near) == (table[len(one), len(other)] <= 2)


@pytest.mark.parametrize(
    ("fuzziness", "term", "edits"),
    [
        ("AUTO", "ab", 0),
        ("AUTO", "abc", 1),
        ("AUTO", "abcde", 1),
        ("AUTO", "abcdef", 2),
        ("AUTO:1,2", "a", 1),
        ("2", "a", 2),
    ],
)
def test_fuzziness_allows_edits_by_length(fuzziness: str, term: str, edits: int) -> None:
    assert edits_allowed(fuzziness, term) == edits


NOW = int(datetime(2013, 6, 15, 12, 30, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "down", "up"),
    [
        ("2013-01-31", "2013-01-31T00:00:00.000Z", "2013-01-31T23:59:59.999Z"),
        ("2013-01", "2013-01-01T00:00:00.000Z", "2013-01-01T23:59:59.999Z"),
        ("2013-01-01T10", "2013-01-01T10:00:00.000Z", "2013-01-01T10:59:59.999Z"),
        ("2013-01-01T10:15:00.123456789+03:30", "2013-01-01T06:45:00.123Z", "2013-01-01T06:45:00.123Z"),
        ("1357035300000", "2013-01-01T10:15:00.000Z", "2013-01-01T10:15:00.000Z"),
        ("now", "2013-06-15T12:30:00.000Z", "2013-06-15T12:30:00.000Z"),
        ("now-1d/d", "2013-06-14T00:00:00.000Z", "2013-06-14T23:59:59.999Z"),
        ("now/M", "2013-06-01T00:00:00.000Z", "2013-06-30T23:59:59.999Z"),
        ("now/w", "2013-06-10T00:00:00.000Z", "2013-06-16T23:59:59.999Z"),
        ("2013-01-31||+1M", "2013-02-28T00:00:00.000Z", "2013-02-28T00:00:00.000Z"),
        ("2013-01-31||+1M/M", "2013-02-01T00:00:00.000Z", "2013-02-28T23:59:59.999Z"),
        ("2012-02-29||-1y", "2011-02-28T00:00:00.000Z", "2011-02-28T00:00:00.000Z"),
    ],
)
def test_a_date_in_a_query_is_a_span(text: str, down: str, up: str) -> None:
    parser = DateParser(DEFAULT_FORMAT, UTC, NOW)
    assert format_millis(parser.bound(text, round_up=False)) == down
    assert format_millis(parser.bound(text, round_up=True)) == up


@pytest.mark.parametrize("text", ["2013/01/01", "2013-1-1", "2013-02-30", "yesterday", "now+1x", "2013-01-01||/x", ""])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(EngineRefusedError):
        DateParser(DEFAULT_FORMAT, UTC, NOW).bound(text, round_up=False)


@pytest.mark.parametrize("text", ["now+9999y", "now-9999y", "2013-01-01||+999999999d"])
def test_a_date_that_python_cannot_hold_is_refused_by_name(text: str) -> None:
    with pytest.raises(UnsupportedQueryError):
        DateParser(DEFAULT_FORMAT, UTC, NOW).bound(text, round_up=False)


def test_a_time_zone_is_an_offset_or_a_name() -> None:
    assert format_millis(NOW, zone=find_zone("+03:30")) == "2013-06-15T16:00:00.000+03:30"
    assert format_millis(NOW, zone=find_zone("Asia/Tehran")) == "2013-06-15T17:00:00.000+04:30"
    with pytest.raises(EngineRefusedError):
        find_zone("Mars/Olympus")
    with pytest.raises(EngineRefusedError):
        find_zone("../etc/passwd")


@pytest.mark.parametrize(
    ("interval", "keys"),
    [
        # Clocks go forward on 10 March 2013 and back on 3 November, so these days have 23 and 25 hours.
        ({"calendar_interval": "day"}, ["2013-03-10T00:00:00.000-05:00", "2013-03-11T00:00:00.000-04:00"]),
        ({"calendar_interval": "month"}, ["2013-03-01T00:00:00.000-05:00", "2013-04-01T00:00:00.000-04:00"]),
        ({"calendar_interval": "quarter"}, ["2013-01-01T00:00:00.000-05:00", "2013-04-01T00:00:00.000-04:00"]),
    ],
)
def test_calendar_buckets_follow_the_clocks_of_their_zone(interval: dict[str, Any], keys: list[str]) -> None:
    rounding = Rounding.of(DateHistogramAggregation(field="f", time_zone="America/New_York", **interval))
    first = rounding.floor(int(datetime(2013, 3, 10, 18, tzinfo=UTC).timestamp() * 1000))
    assert [format_millis(key, zone=rounding.zone) for key in (first, rounding.next(first))] == keys


def test_an_hour_that_occurs_twice_makes_two_buckets() -> None:
    definition = DateHistogramAggregation(field="f", time_zone="America/New_York", calendar_interval="hour")
    rounding = Rounding.of(definition)
    key = rounding.floor(int(datetime(2013, 11, 3, 4, 30, tzinfo=UTC).timestamp() * 1000))
    keys = [key]
    for _ in range(3):
        keys.append(rounding.next(keys[-1]))
    assert [from_millis(key).hour for key in keys] == [4, 5, 6, 7]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.0"), (0.0, "0.0"), (-0.5, "-0.5"), (0.001, "0.001"), (0.0001, "1.0E-4"), (0.00012345, "1.2345E-4"),
        (9999999.0, "9999999.0"), (1e7, "1.0E7"), (12345678.0, "1.2345678E7"), (1e22, "1.0E22"), (1.5e-10, "1.5E-10"),
        (123456789.125, "1.23456789125E8"), (-1e7, "-1.0E7"),
    ],
)  # fmt: skip
def test_doubles_are_written_as_java_writes_them(value: float, text: str) -> None:
    assert java_double(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_that_java_would_write_reads_back_as_itself(value: float) -> None:
    assert float(java_double(value)) == value


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_score_is_the_same_32_bits_in_short(value: float) -> None:
    assert struct.pack("f", single_precision(value)) == struct.pack("f", value)


HEAD = b'{"took":3,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},'


def test_a_long_answer_is_read_up_to_its_hits_only() -> None:
    body = (
        HEAD + b'"hits":{"total":{"value":9,"relation":"eq"},"max_score":null,"hits":[' + b"not json" * 100_000 + b"]}}"
    )
    assert read_head(body) == AnswerHead(took_ms=3, timed_out=False, shards_failed=0, hit_count=9)


@pytest.mark.parametrize(
    "odd", [b'"\\ud800"', b'"\\u0000"', b"1e999", b"-" + b"9" * 5000, b'{"a":1,"a":2}'], ids=lambda odd: str(odd[:8])
)
def test_what_machine_numbers_and_unicode_do_not_hold_is_an_answer_all_the_same(odd: bytes) -> None:
    body = HEAD + b'"hits":{"total":{"value":9},"hits":[{"_source":' + odd + b"}]}}"
    assert read_head(body).hit_count == 9


@pytest.mark.parametrize(
    "body",
    [
        HEAD + b'"hits":{"total":{"value":9},"hits":[NaN]}}', HEAD + b'"hits":{"total":{"value":9},"hits":["\xff"]}}',
        HEAD + b'"hits":{"total":{"value":' + b"9" * 30 + b'},"hits":["\\ud800"]}}',
        b"", b"{}", b"[]", b"{", HEAD[:-1], HEAD + b'"hits":[]}', HEAD + b'"hits":{"total":{"value":"x"},"hits":[]}}',
        b"[" * 300_000 + b"}", b'{"a":' * 100_000 + b"}", b" " * 300_000 + b"}", b'{"took"' + b" " * 300_000 + b"}",
    ],
)  # fmt: skip
def test_what_is_no_answer_is_told_from_one(body: bytes) -> None:
    with pytest.raises(NotAnAnswerError):
        read_head(body)
