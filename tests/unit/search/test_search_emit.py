"""The engine's body for each clause against hand-written DSL, and read back as the search that it was made of."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from airlock.search.v1.aggregation_pb2 import Aggregation
from airlock.search.v1.query_pb2 import Query
from airlock.search.v1.scalar_pb2 import Scalar
from airlock.search.v1.search_pb2 import Search
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from common.search.body import read_body
from common.search.emit import emit_body
from common.search.shapes import shape_of

QUERIES = [
    ('{"match":{"f":"text"}}', '{"match":{"f":{"query":"text"}}}'),
    (
        (
            '{"match":{"f":{"query":"a b","operator":"AND","fuzziness":"AUTO","prefix_length":1,"max_expansions":5,'
            '"fuzzy_transpositions":false,"minimum_should_match":"75%","zero_terms_query":"all","lenient":true,"boost":2}}}'
        ),
        (
            '{"match":{"f":{"query":"a b","operator":"and","fuzziness":"AUTO","prefix_length":1,"max_expansions":5,'
            '"fuzzy_transpositions":false,"minimum_should_match":"75%","zero_terms_query":"all","lenient":true,"boost":2.0}}}'
        ),
    ),
    (
        '{"multi_match":{"query":"x","fields":["a^2","b"],"type":"cross_fields","operator":"and","tie_breaker":0.3}}',
        '{"multi_match":{"query":"x","fields":["a^2","b"],"type":"cross_fields","operator":"and","tie_breaker":0.3}}',
    ),
    ('{"match_phrase":{"f":{"query":"a b","slop":2}}}', '{"match_phrase":{"f":{"query":"a b","slop":2}}}'),
    ('{"match_all":{}}', '{"match_all":{}}'),
    ('{"match_all":{"boost":1.5}}', '{"match_all":{"boost":1.5}}'),
    ('{"term":{"f":9007199254740993}}', '{"term":{"f":{"value":9007199254740993}}}'),
    ('{"term":{"f":1.0}}', '{"term":{"f":{"value":1.0}}}'),
    (
        '{"term":{"f":{"value":"A","case_insensitive":true}}}',
        '{"term":{"f":{"value":"A","case_insensitive":true}}}',
    ),
    ('{"terms":{"f":[1,2.0,"x",true,null],"boost":2}}', '{"terms":{"f":[1,2.0,"x",true,null],"boost":2.0}}'),
    ('{"terms":{"f":[]}}', '{"terms":{"f":[]}}'),
    (
        '{"range":{"f":{"gte":"2013-01-01","lt":"2013-02-01","format":"yyyy-MM-dd","time_zone":"+03:30"}}}',
        '{"range":{"f":{"gte":"2013-01-01","lt":"2013-02-01","format":"yyyy-MM-dd","time_zone":"+03:30"}}}',
    ),
    (
        '{"range":{"f":{"gt":1,"lte":18446744073709551615,"relation":"WITHIN"}}}',
        '{"range":{"f":{"gt":1,"lte":18446744073709551615,"relation":"within"}}}',
    ),
    ('{"exists":{"field":"f"}}', '{"exists":{"field":"f"}}'),
    ('{"prefix":{"f":"ab"}}', '{"prefix":{"f":{"value":"ab"}}}'),
    ('{"wildcard":{"f":"a*b?"}}', '{"wildcard":{"f":{"value":"a*b?"}}}'),
    (
        '{"fuzzy":{"f":{"value":"ab","fuzziness":1,"transpositions":false}}}',
        '{"fuzzy":{"f":{"value":"ab","fuzziness":"1","transpositions":false}}}',
    ),
    ('{"ids":{"values":["1","2"]}}', '{"ids":{"values":["1","2"]}}'),
    ('{"bool":{}}', '{"bool":{}}'),
    (
        (
            '{"bool":{"must":{"match_all":{}},"filter":{"term":{"f":1}},"should":[{"exists":{"field":"f"}}],'
            '"must_not":[{"ids":{"values":"1"}}],"minimum_should_match":1,"boost":1}}'
        ),
        (
            '{"bool":{"must":[{"match_all":{}}],"filter":[{"term":{"f":{"value":1}}}],"should":[{"exists":{"field":"f"}}],'
            '"must_not":[{"ids":{"values":["1"]}}],"minimum_should_match":"1","boost":1.0}}'
        ),
    ),
]

AGGREGATIONS = [
    (
        '{"terms":{"field":"f","size":5,"order":{"_count":"asc"},"min_doc_count":0,"missing":"none"}}',
        '{"terms":{"field":"f","size":5,"order":[{"_count":"asc"}],"min_doc_count":0,"missing":"none"}}',
    ),
    *[
        (f'{{"{kind}":{{"field":"f","missing":0}}}}', f'{{"{kind}":{{"field":"f","missing":0}}}}')
        for kind in ("avg", "min", "max", "sum", "stats", "value_count")
    ],
    (
        '{"cardinality":{"field":"f","precision_threshold":100}}',
        '{"cardinality":{"field":"f","precision_threshold":100}}',
    ),
    (
        '{"percentiles":{"field":"f","percents":[50,99.9],"keyed":false}}',
        '{"percentiles":{"field":"f","percents":[50.0,99.9],"keyed":false}}',
    ),
    (
        '{"histogram":{"field":"f","interval":10,"offset":1,"extended_bounds":{"min":0,"max":50}}}',
        '{"histogram":{"field":"f","interval":10.0,"offset":1.0,"extended_bounds":{"min":0,"max":50}}}',
    ),
    (
        '{"date_histogram":{"field":"f","calendar_interval":"month","time_zone":"Asia/Tehran","format":"yyyy-MM"}}',
        '{"date_histogram":{"field":"f","calendar_interval":"month","time_zone":"Asia/Tehran","format":"yyyy-MM"}}',
    ),
    (
        '{"range":{"field":"f","ranges":[{"to":1},{"from":1,"to":2.5,"key":"middle"},{"from":2.5}],"keyed":true}}',
        '{"range":{"field":"f","ranges":[{"to":1},{"key":"middle","from":1,"to":2.5},{"from":2.5}],"keyed":true}}',
    ),
    (
        '{"date_range":{"field":"f","ranges":[{"from":"now-1d/d"}],"format":"yyyy"}}',
        '{"date_range":{"field":"f","ranges":[{"from":"now-1d/d"}],"format":"yyyy"}}',
    ),
    ('{"filter":{"term":{"f":1}}}', '{"filter":{"term":{"f":{"value":1}}}}'),
    (
        '{"filters":{"filters":{"a":{"match_all":{}}},"other_bucket_key":"rest"}}',
        '{"filters":{"filters":{"a":{"match_all":{}}},"other_bucket_key":"rest"}}',
    ),
    ('{"missing":{"field":"f"}}', '{"missing":{"field":"f"}}'),
    (
        '{"terms":{"field":"f"},"aggregations":{"m":{"max":{"field":"g"}}}}',
        '{"terms":{"field":"f"},"aggs":{"m":{"max":{"field":"g"}}}}',
    ),
]

SEARCHES = [
    ("{}", "{}"),
    ('{"size":0,"from":0}', '{"size":0,"from":0}'),
    ('{"sort":"f"}', '{"sort":["f"]}'),
    ('{"sort":["_score",{"f":"desc"}]}', '{"sort":["_score",{"f":{"order":"desc"}}]}'),
    (
        '{"sort":{"f":{"order":"asc","mode":"MIN","missing":"_first","unmapped_type":"long","format":"x"}}}',
        '{"sort":[{"f":{"order":"asc","mode":"min","missing":"_first","format":"x","unmapped_type":"long"}}]}',
    ),
    ('{"_source":false}', '{"_source":false}'),
    ('{"_source":true}', '{"_source":true}'),
    ('{"_source":["a","b.*"]}', '{"_source":{"includes":["a","b.*"]}}'),
    ('{"_source":{"excludes":"a"}}', '{"_source":{"excludes":["a"]}}'),
    ('{"track_total_hits":true}', '{"track_total_hits":true}'),
    ('{"track_total_hits":0}', '{"track_total_hits":0}'),
    (
        '{"highlight":{"fields":[{"f":{"fragment_size":10}},{"e":{}}],"pre_tags":"<b>","require_field_match":false}}',
        '{"highlight":{"fields":{"e":{},"f":{"fragment_size":10}},"pre_tags":["<b>"],"require_field_match":false}}',
    ),
]


@pytest.mark.parametrize(("pasted", "written"), QUERIES, ids=[pasted[:40] for pasted, _ in QUERIES])
def test_a_query_is_written_as_elasticsearch_writes_it(pasted: str, written: str) -> None:
    assert emit_body(read_body(f'{{"query":{pasted}}}'.encode())).decode() == f'{{"query":{written}}}'


@pytest.mark.parametrize(("pasted", "written"), AGGREGATIONS, ids=[pasted[:40] for pasted, _ in AGGREGATIONS])
def test_an_aggregation_is_written_as_elasticsearch_writes_it(pasted: str, written: str) -> None:
    assert emit_body(read_body(f'{{"aggs":{{"a":{pasted}}}}}'.encode())).decode() == f'{{"aggs":{{"a":{written}}}}}'


@pytest.mark.parametrize(("pasted", "written"), SEARCHES)
def test_a_search_is_written_as_elasticsearch_writes_it(pasted: str, written: str) -> None:
    assert emit_body(read_body(pasted.encode())).decode() == written


def test_every_clause_and_aggregation_of_the_language_has_its_row() -> None:
    queries = {next(iter(json.loads(pasted))) for pasted, _ in QUERIES}
    aggregations = {next(iter(json.loads(pasted))) for pasted, _ in AGGREGATIONS}
    assert queries == {field.name for field in Query.DESCRIPTOR.fields}
    assert aggregations == {field.name for field in Aggregation.DESCRIPTOR.fields} - {"aggs"}


def test_text_of_every_script_is_written_in_utf8() -> None:
    body = '{"query":{"match":{"نام":{"query":"می\u200cخواهم 東京"}}}}'
    assert emit_body(read_body(body.encode())) == body.encode()


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
scalars = st.one_of(
    st.just(Scalar(null_value=True)),
    st.booleans().map(lambda value: Scalar(bool_value=value)),
    st.integers(-(2**63), 2**63 - 1).map(lambda value: Scalar(int_value=value)),
    st.integers(2**63, 2**64 - 1).map(lambda value: Scalar(uint_value=value)),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: Scalar(double_value=value)),
    texts.map(lambda value: Scalar(string_value=value)),
)


def value_of(draw: st.DrawFn, field: FieldDescriptor, depth: int) -> Any:
    if field.message_type is not None:
        return message_of(draw, field.message_type, depth - 1)
    if field.enum_type is not None:
        return draw(st.sampled_from([value.number for value in field.enum_type.values if value.number]))
    return draw(
        {
            FieldDescriptor.TYPE_BOOL: st.booleans(),
            FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
            FieldDescriptor.TYPE_UINT32: st.integers(0, 2**32 - 1),
            FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
            FieldDescriptor.TYPE_STRING: texts.filter(lambda text: text != "boost"),
        }[field.type]
    )


def message_of(draw: st.DrawFn, descriptor: Descriptor, depth: int) -> Any:
    if descriptor.name == "Scalar":
        return draw(scalars)
    message = descriptor._concrete_class()
    shape = shape_of(descriptor.name)
    fields = [
        field
        for field in descriptor.fields
        if depth > 0 or not field.message_type or field.name in {"match_all", "missing"}
    ]
    if shape.exactly_one_of:
        one = draw(st.sampled_from([field for field in fields if field.name in shape.exactly_one_of] or [None]))
        fields = [field for field in fields if field is one or field.name not in shape.exactly_one_of]
    elif descriptor.oneofs and descriptor.name == "TrackTotalHits":
        one = draw(st.sampled_from(fields))
        fields = [one]
    else:
        one = None
    chosen = draw(st.integers(0, 2 ** len(fields) - 1))
    for bit, field in enumerate(fields):
        if field is one or field.name == "field" or chosen >> bit & 1:
            fill(draw, message, field, depth)
    if descriptor.name == "SourceFilter" and (message.includes or message.excludes):
        message.ClearField("enabled")
    return message


def fill(draw: st.DrawFn, message: Any, field: FieldDescriptor, depth: int) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        one_key = shape_of(message.DESCRIPTOR.name).by_name[field.name].keyed_by_one_field
        for _ in range(1 if one_key else draw(st.integers(1, 2))):
            key = draw(texts.filter(lambda text: text != "boost"))
            inner = value_of(draw, field.message_type.fields_by_name["value"], depth)
            getattr(message, field.name)[key].CopyFrom(inner)
    elif field.is_repeated:
        values = [value_of(draw, field, depth) for _ in range(draw(st.integers(1, 2)))]
        getattr(message, field.name).extend(values)
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(value_of(draw, field, depth))
    else:
        value = value_of(draw, field, depth)
        setattr(message, field.name, value.upper() if field.name == "fuzziness" else value)


@st.composite
def searches(draw: st.DrawFn) -> Search:
    search = message_of(draw, Search.DESCRIPTOR, 4)
    assert isinstance(search, Search)
    return search


@settings(max_examples=200, deadline=None)
@given(searches())
def test_what_is_written_is_read_back_as_the_same_search(search: Search) -> None:
    assert read_body(emit_body(search)) == search


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_survives_the_engines_json_exactly(value: float) -> None:
    written = emit_body(Search(query=Query(term={"f": {"value": {"double_value": value}}})))
    read = read_body(written).query.term["f"].value.double_value
    assert read == value
    assert math.copysign(1, read) == math.copysign(1, value)
