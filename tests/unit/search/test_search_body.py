"""What a pasted body may say, in each of Elasticsearch's spellings, and how what it may not say is refused."""

from __future__ import annotations

import json

import pytest
from airlock.search.v1 import query_pb2, search_pb2
from airlock.search.v1.scalar_pb2 import Scalar
from airlock.search.v1.search_pb2 import Search

from common.errors import QueryInvalidError
from common.search.body import MAX_BODY_BYTES, read_body
from common.search.strict_json import MAX_DEPTH


def read(body: object) -> Search:
    return read_body(json.dumps(body).encode())


def violations_of(body: bytes) -> dict[str, str]:
    with pytest.raises(QueryInvalidError) as refused:
        read_body(body)
    return {violation.field: violation.description for violation in refused.value.violations}


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ({"match": {"f": "text"}}, {"match": {"f": {"query": "text"}}}),
        ({"match_phrase": {"f": "two words"}}, {"match_phrase": {"f": {"query": "two words"}}}),
        ({"term": {"f": 1}}, {"term": {"f": {"value": 1}}}),
        ({"term": {"f": True}}, {"term": {"f": {"value": True}}}),
        ({"prefix": {"f": "a"}}, {"prefix": {"f": {"value": "a"}}}),
        ({"wildcard": {"f": "a*"}}, {"wildcard": {"f": {"value": "a*"}}}),
        ({"wildcard": {"f": {"wildcard": "a*"}}}, {"wildcard": {"f": {"value": "a*"}}}),
        ({"fuzzy": {"f": "a"}}, {"fuzzy": {"f": {"value": "a"}}}),
        ({"fuzzy": {"f": {"value": "a", "fuzziness": 1}}}, {"fuzzy": {"f": {"value": "a", "fuzziness": "1"}}}),
        ({"fuzzy": {"f": {"value": "a", "fuzziness": "auto"}}}, {"fuzzy": {"f": {"value": "a", "fuzziness": "AUTO"}}}),
        ({"bool": {"must": {"match_all": {}}}}, {"bool": {"must": [{"match_all": {}}]}}),
        ({"bool": {"minimum_should_match": 2}}, {"bool": {"minimum_should_match": "2"}}),
        ({"multi_match": {"query": "x", "fields": "f"}}, {"multi_match": {"query": "x", "fields": ["f"]}}),
        ({"ids": {"values": 7}}, {"ids": {"values": ["7"]}}),
        ({"match": {"f": {"query": "x", "operator": "AND"}}}, {"match": {"f": {"query": "x", "operator": "and"}}}),
        ({"range": {"f": {"gte": 1, "boost": 2}}}, {"range": {"f": {"gte": 1, "boost": 2.0}}}),
    ],
)
def test_a_short_form_means_the_same_as_the_long_one(short: object, long: object) -> None:
    assert read({"query": short}) == read({"query": long})


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ({"sort": "f"}, {"sort": [{"f": {}}]}),
        ({"sort": {"f": "desc"}}, {"sort": [{"f": {"order": "desc"}}]}),
        ({"sort": [{"a": "asc", "b": "DESC"}]}, {"sort": [{"a": {"order": "asc"}}, {"b": {"order": "desc"}}]}),
        ({"_source": "f"}, {"_source": {"includes": ["f"]}}),
        ({"_source": ["f", "g"]}, {"_source": {"include": ["f", "g"]}}),
        ({"aggregations": {"a": {"avg": {"field": "f"}}}}, {"aggs": {"a": {"avg": {"field": "f"}}}}),
        (
            {"aggs": {"a": {"terms": {"field": "f", "order": {"_key": "asc"}}}}},
            {"aggs": {"a": {"terms": {"field": "f", "order": [{"_key": "asc"}]}}}},
        ),
        (
            {"highlight": {"fields": [{"f": {}}], "pre_tags": "<b>"}},
            {"highlight": {"fields": {"f": {}}, "pre_tags": ["<b>"]}},
        ),
    ],
)
def test_a_short_form_beside_the_query_means_the_same_as_the_long_one(short: object, long: object) -> None:
    assert read(short) == read(long)


def test_absent_and_present_fields_are_told_apart() -> None:
    assert not read({}).HasField("size")
    assert read({"size": 0}).HasField("size")
    assert read({"query": {"match_all": {}}}).query.HasField("match_all")


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("1", "int_value", 1),
        ("1.0", "double_value", 1.0),
        ("9007199254740993", "int_value", 9007199254740993),
        ("-9223372036854775808", "int_value", -(2**63)),
        ("9223372036854775808", "uint_value", 2**63),
        ("18446744073709551615", "uint_value", 2**64 - 1),
        ("1e2", "double_value", 100.0),
        ("null", "null_value", True),
        ("false", "bool_value", False),
        ('"1"', "string_value", "1"),
    ],
)
def test_a_value_is_kept_exactly(text: str, kind: str, value: object) -> None:
    scalar = read_body(b'{"query":{"terms":{"f":[%s]}}}' % text.encode()).query.terms["f"].values[0]
    assert scalar.WhichOneof("kind") == kind
    assert getattr(scalar, kind) == value


def test_the_boost_of_terms_stands_beside_the_field_and_a_field_may_be_called_boost() -> None:
    query = read({"query": {"terms": {"f": ["a"], "boost": 2}}}).query
    assert query.terms["f"] == query_pb2.TermsQuery(values=[Scalar(string_value="a")], boost=2.0)
    assert list(read({"query": {"terms": {"boost": [1]}}}).query.terms) == ["boost"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, search_pb2.TrackTotalHits(enabled=True)),
        (False, search_pb2.TrackTotalHits(enabled=False)),
        (7, search_pb2.TrackTotalHits(up_to=7)),
    ],
)
def test_total_hits_are_a_flag_or_a_number(value: object, expected: search_pb2.TrackTotalHits) -> None:
    assert read({"track_total_hits": value}).track_total_hits == expected


@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        (b'{"qeury": {}}', "qeury", "did you mean query?"),
        (b'{"query": {"mach": {"f": 1}}}', "query.mach", "did you mean match?"),
        (b'{"query": {"match": {"f": {"query": 1, "fuzzines": 1}}}}', "query.match.f.fuzzines", "fuzziness"),
        (b'{"query": {"bool": {"must": [{"tern": 1}]}}}', "query.bool.must[0].tern", "did you mean term?"),
        (b'{"query": {"script": {}}}', "query.script", "not a key that Airlock carries"),
        (b'{"script_fields": {}}', "script_fields", "not a key that Airlock carries"),
        (b'{"query": {"term": {"a": 1, "b": 2}}}', "query.term", "not 2; combine one clause for each in a bool"),
        (b'{"query": {"term": {"a": 1, "boost": 2}}}', "query.term", 'inside the field: {"a": {"value": …, "boost"'),
        (b'{"query": {"term": {}}}', "query.term", "exactly one field, not 0"),
        (b'{"query": {"term": {"a": [1]}}}', "query.term.a", "must be a single value or an object, not a list"),
        (b'{"query": {"terms": {"a": {"index": "x", "id": 1}}}}', "query.terms.a", "must be a list of values"),
        (b'{"query": {"term": {"a": 1}, "range": {"a": {}}}}', "query", "it holds range, term"),
        (b'{"query": {}}', "query", "it holds none"),
        (b'{"query": null}', "query", "must be an object, not null"),
        (b'{"size": "10"}', "size", "must be a whole number"),
        (b'{"size": 1.0}', "size", "must be a whole number"),
        (b'{"size": -1}', "size", "must be a whole number from 0 upwards, not -1"),
        (b'{"size": 4294967296}', "size", "must be a whole number up to 4294967295"),
        (b'{"size": true}', "size", "must be a whole number"),
        (b'{"sort": [{"f": "up"}]}', "sort[0].f", "asc, desc"),
        (b'{"sort": [{"f": {"field": "g"}}]}', "sort[0].f.field", "the key of the object is the field"),
        (b'{"_source": {"enabled": true}}', "_source.enabled", "write true or false"),
        (b'{"aggs": {"a": {"avg": {"field": "f"}, "max": {"field": "f"}}}}', "aggs.a", "it holds avg, max"),
        (b'{"aggs": {"a": {"terms": {"field": "f", "order": {"_count": 1}}}}}', "aggs.a.terms.order._count", "asc or"),
        (b'{"aggs": {}, "aggregations": {}}', "aggregations", "a second time"),
        (b'{"aggs": {"a": {"terms": {"field": "f", "order": {}}}}}', "aggs.a.terms.order", "one with 0 keys"),
        (b'{"aggs": {"a": {"terms": {"field": "f", "order": "asc"}}}}', "aggs.a.terms.order", "a string"),
        (b'{"aggs": []}', "aggs", "must be an object keyed by name, not a list"),
        (b'{"query": {"terms": ["a"]}}', "query.terms", "must be an object keyed by the field"),
        (b'{"query": {"terms": {"a": 1}}}', "query.terms.a", "must be a list of values, not a number"),
        (b'{"query": {"terms": {"a": [[1]]}}}', "query.terms.a[0]", "must be a single value, not a list"),
        (b'{"query": {"ids": {"values": [1, true]}}}', "query.ids.values[1]", "must be a string"),
        (b'{"sort": [1]}', "sort[0]", "a field's name or an object, not a number"),
        (b'{"_source": 1}', "_source", "must be true, false, the names of fields or an object, not a number"),
        (b'{"highlight": {"fields": [{"f": {}}, {"f": {}}]}}', "highlight.fields[1].f", "stands twice"),
        (b'{"highlight": {"fields": "f"}}', "highlight.fields", "must be an object keyed by"),
        (b'{"highlight": {"require_field_match": 1}}', "highlight.require_field_match", "true or false, not a number"),
        (b'{"query": {"match": {"f": {"query": 1, "boost": "2"}}}}', "query.match.f.boost", "must be a number"),
        (b'{"query": {"match": {"f": {"query": 1, "operator": 2}}}}', "query.match.f.operator", "one of or, and"),
        (b'{"track_total_hits": "yes"}', "track_total_hits", "true, false or a whole number"),
        (b'{"query": {"range": {"f": {"gte": {"a": 1}}}}}', "query.range.f.gte", "must be a single value"),
        (
            b'{"query": {"match": {"f": {"query": "x", "operator": "xor"}}}}',
            "query.match.f.operator",
            "did you mean or?",
        ),
        (b'{"query": {"term": {"f": NaN}}}', "query.term.f", "not a number that 64 bits hold"),
        (b'{"query": {"term": {"f": -Infinity}}}', "query.term.f", "not a number that 64 bits hold"),
        (b'{"query": {"term": {"f": 1e999}}}', "query.term.f", "not a number that 64 bits hold"),
        (b'{"query": {"term": {"f": 18446744073709551616}}}', "query.term.f", "not a number that 64 bits hold"),
        (b'{"query": {"term": {"f": %s}}}' % (b"9" * 9000), "query.term.f", "not a number that 64 bits hold"),
        (b'{"query": {"term": {"f": "\\ud800"}}}', "query.term.f", "half of a surrogate pair"),
        (b'{"query": {"term": {"\\udfff": 1}}}', "query.term", "half of a surrogate pair"),
        (b'{"size": 1, "size": 2}', "size", "stands twice"),
        (b'{"query": {"bool": {"must": [{"term": {"a": 1, "a": 2}}]}}}', "query.bool.must[0].term.a", "stands twice"),
        (b"[]", "body", "must be an object, not a list"),
        (b"", "body", "is empty"),
        (b" \n", "body", "is empty"),
        (b'{"size": 1', "body", "is not JSON"),
        (b'{"size": 1} {}', "body", "is not JSON"),
        (b'{"size": 01}', "body", "is not JSON"),
        (b"\xef\xbb\xbf{}", "body", "is not JSON"),
        (b'{"query": {"term": {"f": "\xff"}}}', "body", "is not UTF-8"),
        (b'{"query": {"term": {"f": "\xed\xa0\x80"}}}', "body", "is not UTF-8"),
    ],
)
def test_what_is_not_in_the_language_is_refused_with_path_and_reason(body: bytes, path: str, reason: str) -> None:
    found = violations_of(body)
    assert path in found
    assert reason in found[path]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"query": {"terms": {"f": [1] * 130_000}}}, "query.terms.f"),
        ({"query": {"ids": {"values": ["1"] * 50_000}}}, "query.ids.values"),
        ({"query": {"bool": {"must": [{}] * 80_000}}}, "query.bool.must"),
        ({"sort": ["f"] * 65_000}, "sort"),
        ({"sort": {str(number): "asc" for number in range(17)}}, "sort"),
        ({"aggs": {str(number): {} for number in range(65)}}, "aggs"),
        ({"_source": ["f"] * 129}, "_source"),
    ],
)
def test_a_list_beyond_its_bound_is_refused_before_it_is_read(body: object, path: str) -> None:
    assert "at most" in violations_of(json.dumps(body, separators=(",", ":")).encode())[path]


@pytest.mark.parametrize(
    ("body", "advice"),
    [
        (b'{"aggs": {"a": {"percentiles": {"field": "f", "percents": []}}}}', "leave it out"),
        (b'{"query": {"range": {"f": {"from": 1}}}}', "write gte"),
        (b'{"aggs": {"a": {"date_histogram": {"field": "f", "interval": "day"}}}}', "write fixed_interval"),
        (b'{"aggregation": {}}', "did you mean aggregations?"),
        (b"\xef\xbb\xbf{}", "without one"),
    ],
)
def test_what_was_meant_is_said(body: bytes, advice: str) -> None:
    assert any(advice in description for description in violations_of(body).values())


def test_every_violation_is_named_in_one_answer() -> None:
    found = violations_of(b'{"szie": 1, "query": {"bool": {"must": [{"term": {}}, {"mach": 1}]}}, "from": "x"}')
    assert set(found) == {"szie", "query.bool.must[0].term", "query.bool.must[1].mach", "from"}


def test_violations_without_end_are_counted_and_not_described() -> None:
    body = json.dumps({f"k{number}": 1 for number in range(20_000)}).encode()
    with pytest.raises(QueryInvalidError) as refused:
        read_body(body)
    assert len(refused.value.violations) == 16
    assert "and 19999 more" in refused.value.message


def test_a_body_beyond_its_size_is_refused_before_it_is_parsed() -> None:
    assert "at most 262144" in violations_of(b" " * MAX_BODY_BYTES + b"{}")["body"]


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_nesting_without_end_is_refused_before_it_is_parsed(opening: bytes) -> None:
    assert "nested deeper" in violations_of(opening * 40_000)["body"]


def test_brackets_inside_strings_do_not_count_as_nesting() -> None:
    assert read({"query": {"term": {"f": '"[{' * 1000}}}).query.term["f"].value.string_value == '"[{' * 1000


def test_the_deepest_json_that_is_read_can_still_be_written_as_a_message() -> None:
    levels = (MAX_DEPTH - 2) // 2
    body = b'{"aggs":{"a":{"avg":{"field":"f"}}}}'
    for _ in range(levels - 1):
        body = b'{"aggs":{"a":{"missing":{"field":"f"},%s}}}' % body[1:-1]
    search = read_body(body)
    assert Search.FromString(search.SerializeToString()) == search


def test_a_string_without_an_end_costs_one_pass() -> None:
    assert "is not JSON" in violations_of(b'{"a": "' + b'\\"' * 120_000)["body"]
