"""The engine's body for each clause against hand-written DSL, and read back as the search that it was made of."""

from __future__ import annotations

import json
import math

import pytest
from airlock.search.v1.aggregation_pb2 import Aggregation
from airlock.search.v1.query_pb2 import Query
from airlock.search.v1.search_pb2 import Search
from hypothesis import given
from hypothesis import strategies as st

from common.search.body import read_body
from common.search.emit import emit_body
from tests.generated_searches import FIELDS_OF_LANGUAGE, messages_below

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
        (
            '{"multi_match":{"query":"x","fields":"a","type":"BEST_FIELDS","fuzziness":1,"prefix_length":1,'
            '"max_expansions":9,"minimum_should_match":-1,"slop":0,"lenient":false,"boost":1,"zero_terms_query":"NONE",'
            '"fuzzy_transpositions":true,"auto_generate_synonyms_phrase_query":true,"_name":"mm"}}'
        ),
        (
            '{"multi_match":{"query":"x","fields":["a"],"type":"best_fields","fuzziness":"1","prefix_length":1,'
            '"max_expansions":9,"minimum_should_match":"-1","slop":0,"lenient":false,"boost":1.0,'
            '"zero_terms_query":"none","fuzzy_transpositions":true,"auto_generate_synonyms_phrase_query":true,'
            '"_name":"mm"}}'
        ),
    ),
    (
        '{"match":{"f":{"query":"a","auto_generate_synonyms_phrase_query":false,"_name":"m"}}}',
        '{"match":{"f":{"query":"a","auto_generate_synonyms_phrase_query":false,"_name":"m"}}}',
    ),
    (
        '{"match_phrase":{"f":{"query":"a","boost":2,"zero_terms_query":"all","_name":"p"}}}',
        '{"match_phrase":{"f":{"query":"a","boost":2.0,"zero_terms_query":"all","_name":"p"}}}',
    ),
    ('{"match_all":{"_name":"all"}}', '{"match_all":{"_name":"all"}}'),
    ('{"term":{"f":{"value":1,"boost":2,"_name":"t"}}}', '{"term":{"f":{"value":1,"boost":2.0,"_name":"t"}}}'),
    ('{"terms":{"_name":"ts","f":["a"]}}', '{"terms":{"f":["a"],"_name":"ts"}}'),
    ('{"terms":{"boost":["a"],"_name":"b"}}', '{"terms":{"boost":["a"],"_name":"b"}}'),
    (
        '{"range":{"f":{"gte":1,"lt":null,"boost":2,"_name":"r"}}}',
        '{"range":{"f":{"gte":1,"lt":null,"boost":2.0,"_name":"r"}}}',
    ),
    ('{"exists":{"field":"f","boost":2,"_name":"e"}}', '{"exists":{"field":"f","boost":2.0,"_name":"e"}}'),
    *[
        (
            f'{{"{kind}":{{"f":{{"value":"a","case_insensitive":true,"boost":2,"_name":"x"}}}}}}',
            f'{{"{kind}":{{"f":{{"value":"a","case_insensitive":true,"boost":2.0,"_name":"x"}}}}}}',
        )
        for kind in ("prefix", "wildcard")
    ],
    (
        '{"fuzzy":{"f":{"value":"a","fuzziness":"auto:2,5","prefix_length":1,"max_expansions":2,"boost":2,"_name":"x"}}}',
        (
            '{"fuzzy":{"f":{"value":"a","fuzziness":"AUTO:2,5","prefix_length":1,"max_expansions":2,"boost":2.0,'
            '"_name":"x"}}}'
        ),
    ),
    ('{"ids":{"values":["1"],"boost":2,"_name":"i"}}', '{"ids":{"values":["1"],"boost":2.0,"_name":"i"}}'),
    ('{"bool":{"adjust_pure_negative":false,"_name":"b"}}', '{"bool":{"adjust_pure_negative":false,"_name":"b"}}'),
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
    (
        (
            '{"terms":{"field":"f","shard_size":9,"shard_min_doc_count":1,"show_term_doc_count_error":true,'
            '"include":["a",2],"exclude":["b"],"format":"0.0","collect_mode":"BREADTH_FIRST","execution_hint":"map"}}'
        ),
        (
            '{"terms":{"field":"f","shard_size":9,"shard_min_doc_count":1,"show_term_doc_count_error":true,'
            '"include":["a",2],"exclude":["b"],"format":"0.0","collect_mode":"breadth_first","execution_hint":"map"}}'
        ),
    ),
    ('{"avg":{"field":"f","format":"0.0"}}', '{"avg":{"field":"f","format":"0.0"}}'),
    ('{"cardinality":{"field":"f","missing":"x"}}', '{"cardinality":{"field":"f","missing":"x"}}'),
    (
        (
            '{"percentiles":{"field":"f","percents":50,"missing":0,"format":"0",'
            '"tdigest":{"compression":200,"execution_hint":"high_accuracy"}}}'
        ),
        (
            '{"percentiles":{"field":"f","percents":[50.0],"missing":0,"format":"0",'
            '"tdigest":{"compression":200.0,"execution_hint":"high_accuracy"}}}'
        ),
    ),
    (
        '{"percentiles":{"field":"f","hdr":{"number_of_significant_value_digits":3}}}',
        '{"percentiles":{"field":"f","hdr":{"number_of_significant_value_digits":3}}}',
    ),
    (
        (
            '{"histogram":{"field":"f","interval":1,"min_doc_count":0,"hard_bounds":{"min":0,"max":9},'
            '"order":{"_key":"desc"},"keyed":true,"missing":1,"format":"0"}}'
        ),
        (
            '{"histogram":{"field":"f","interval":1.0,"min_doc_count":0,"hard_bounds":{"min":0,"max":9},'
            '"order":[{"_key":"desc"}],"keyed":true,"missing":1,"format":"0"}}'
        ),
    ),
    (
        (
            '{"date_histogram":{"field":"f","fixed_interval":"90m","offset":"+6h","min_doc_count":1,'
            '"extended_bounds":{"min":"2013","max":"2014"},"hard_bounds":{"min":0},"order":[{"_count":"asc"}],'
            '"keyed":false,"missing":"2013"}}'
        ),
        (
            '{"date_histogram":{"field":"f","fixed_interval":"90m","offset":"+6h","min_doc_count":1,'
            '"extended_bounds":{"min":"2013","max":"2014"},"hard_bounds":{"min":0},"order":[{"_count":"asc"}],'
            '"keyed":false,"missing":"2013"}}'
        ),
    ),
    (
        '{"date_histogram":{"field":"f","calendar_interval":"1s","offset":5000}}',
        '{"date_histogram":{"field":"f","calendar_interval":"1s","offset":"5000ms"}}',
    ),
    (
        '{"range":{"field":"f","ranges":{"from":null},"missing":1,"format":"0"}}',
        '{"range":{"field":"f","ranges":[{"from":null}],"missing":1,"format":"0"}}',
    ),
    (
        '{"date_range":{"field":"f","ranges":[{"to":"now"}],"time_zone":"UTC","keyed":true,"missing":"now"}}',
        '{"date_range":{"field":"f","ranges":[{"to":"now"}],"time_zone":"UTC","keyed":true,"missing":"now"}}',
    ),
    (
        '{"filters":{"other_bucket":true,"keyed":false,"filters":[{"match_all":{}},{"term":{"f":1}}]}}',
        '{"filters":{"filters":[{"match_all":{}},{"term":{"f":{"value":1}}}],"other_bucket":true,"keyed":false}}',
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
    ('{"sort":{"f":{"numeric_type":"date"}}}', '{"sort":[{"f":{"numeric_type":"date"}}]}'),
    ('{"track_scores":true,"min_score":1}', '{"track_scores":true,"min_score":1.0}'),
    ('{"track_total_hits":false}', '{"track_total_hits":false}'),
    (
        (
            '{"highlight":{"fields":{"f":{"fragment_size":9,"number_of_fragments":1,"type":"fvh","order":"score",'
            '"no_match_size":5,"boundary_scanner":"chars","boundary_scanner_locale":"fa","boundary_chars":".,",'
            '"boundary_max_scan":20,"fragmenter":"span","phrase_limit":256,"max_analyzed_offset":1000,"pre_tags":"<b>",'
            '"post_tags":"</b>","require_field_match":true,"matched_fields":"g"}},"pre_tags":["<i>"],'
            '"post_tags":["</i>"],"fragment_size":9,"number_of_fragments":1,"require_field_match":false,'
            '"type":"plain","order":"none","no_match_size":5,"boundary_scanner":"word","boundary_scanner_locale":"en",'
            '"boundary_chars":".","boundary_max_scan":2,"fragmenter":"simple","phrase_limit":1,'
            '"max_analyzed_offset":9,"encoder":"html","tags_schema":"styled"}}'
        ),
        (
            '{"highlight":{"fields":{"f":{"fragment_size":9,"number_of_fragments":1,"type":"fvh","order":"score",'
            '"no_match_size":5,"boundary_scanner":"chars","boundary_scanner_locale":"fa","boundary_chars":".,",'
            '"boundary_max_scan":20,"fragmenter":"span","phrase_limit":256,"max_analyzed_offset":1000,'
            '"pre_tags":["<b>"],"post_tags":["</b>"],"require_field_match":true,"matched_fields":["g"]}},'
            '"pre_tags":["<i>"],"post_tags":["</i>"],"fragment_size":9,"number_of_fragments":1,'
            '"require_field_match":false,"type":"plain","order":"none","no_match_size":5,"boundary_scanner":"word",'
            '"boundary_scanner_locale":"en","boundary_chars":".","boundary_max_scan":2,"fragmenter":"simple",'
            '"phrase_limit":1,"max_analyzed_offset":9,"encoder":"html","tags_schema":"styled"}}'
        ),
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


def test_every_field_of_every_message_has_its_row() -> None:
    bodies = [f'{{"query":{pasted}}}' for pasted, _ in QUERIES]
    bodies += [f'{{"aggs":{{"a":{pasted}}}}}' for pasted, _ in AGGREGATIONS]
    bodies += [pasted for pasted, _ in SEARCHES]
    written = {
        (message.DESCRIPTOR.name, field.name)
        for body in bodies
        for message in messages_below(read_body(body.encode()))
        for field, _ in message.ListFields()
    }
    assert written == FIELDS_OF_LANGUAGE


def test_text_of_every_script_is_written_in_utf8() -> None:
    body = '{"query":{"match":{"نام":{"query":"می\u200cخواهم 東京"}}}}'
    assert emit_body(read_body(body.encode())) == body.encode()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_survives_the_engines_json_exactly(value: float) -> None:
    written = emit_body(Search(query=Query(term={"f": {"value": {"double_value": value}}})))
    read = read_body(written).query.term["f"].value.double_value
    assert read == value
    assert math.copysign(1, read) == math.copysign(1, value)
