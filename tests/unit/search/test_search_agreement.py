"""Typed and pasted agree: whatever a search says, however it is spelled, has one normal form and one engine body.

The order of keys survives in what was pasted, which is kept byte for byte, and in the answer. Maps have none in the
normal form; the engine's body has them sorted, and answers come back under their names. Order that means something is
part of the messages: that of sort keys and of lists.
"""

from __future__ import annotations

import json
from random import Random

import pytest
from airlock.search.v1.scalar_pb2 import Scalar
from airlock.search.v1.search_pb2 import Search
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.search.body import read_body
from common.search.emit import emit_body
from common.search.limits import QueryLimits, check_search
from common.search.normal import normal_form
from common.search.shapes import shape_of
from tests.generated_searches import FIELDS_OF_LANGUAGE, SearchMaker, messages_below
from tests.respelling import respelled

SEEDS = st.integers(0, 2**48)


def made(seed: int) -> Search:
    """A search of all sizes: few options of many clauses, or many options of few."""
    random = Random(seed)
    return SearchMaker(random, depth=random.randint(1, 4), density=random.choice((0.05, 0.3, 0.9))).search()


@settings(max_examples=300, deadline=None)
@given(SEEDS)
@example(0)
def test_what_is_typed_and_what_is_pasted_are_the_same_question(seed: int) -> None:
    typed = made(seed)
    pasted = emit_body(typed)
    assert normal_form(read_body(pasted)) == normal_form(typed)
    assert emit_body(read_body(pasted)) == pasted
    assert emit_body(Search.FromString(normal_form(typed))) == pasted


@settings(max_examples=200, deadline=None)
@given(SEEDS)
def test_no_spelling_changes_the_question(seed: int) -> None:
    typed = made(seed)
    other = respelled(emit_body(typed), Random(seed))
    assert normal_form(read_body(other)) == normal_form(typed), other.decode()
    assert emit_body(read_body(other)) == emit_body(typed)


@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_what_is_generated_is_what_the_rules_and_limits_take(seed: int) -> None:
    widest = QueryLimits(
        max_clauses=4096, max_aggregations=256, max_buckets=2**63, max_depth=50, max_aggregation_depth=10
    )
    check_search(made(seed), widest)


def test_every_field_and_every_kind_of_value_is_generated() -> None:
    waiting = set(FIELDS_OF_LANGUAGE)
    for seed in range(1500):
        for message in messages_below(made(seed)):
            waiting -= {(message.DESCRIPTOR.name, field.name) for field, _ in message.ListFields()}
    assert waiting == set()


@given(st.lists(st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False), max_size=5))
@example([2**53, 2**53 + 1, -(2**63), 2**63 - 1, 2**63, 2**64 - 1, 1.0, -0.0, 1e16, 1e22, 5e-324])
def test_numbers_reach_the_engine_as_they_were_written(numbers: list[int | float]) -> None:
    values = [
        Scalar(double_value=number)
        if isinstance(number, float)
        else Scalar(int_value=number)
        if number < 2**63
        else Scalar(uint_value=number)
        for number in numbers
    ]
    typed = Search()
    typed.query.terms["f"].values.extend(values)
    for search in (typed, read_body(json.dumps({"query": {"terms": {"f": numbers}}}).encode())):
        written = json.loads(emit_body(search))["query"]["terms"]["f"]
        # 1 and 1.0 are equal to Python, and different to the engine.
        assert [repr(one) for one in written] == [repr(one) for one in numbers]


@given(st.text(st.characters(codec="utf-8"), max_size=20))
@example("")
@example("می\u200cخواهم \U0001f642 \u2028")
def test_texts_reach_the_engine_as_they_were_written(text: str) -> None:
    typed = Search()
    typed.query.term["f"].value.string_value = text
    body = emit_body(typed)
    assert json.loads(body)["query"]["term"]["f"]["value"] == text
    for pasted in (body, json.dumps(json.loads(body)).encode()):
        assert normal_form(read_body(pasted)) == normal_form(typed)


@pytest.mark.parametrize(
    "body",
    [
        b'{"size":0}',
        b'{"size":0,"from":0}',
        b'{"query":{"term":{"f":{"value":""}}}}',
        b'{"query":{"terms":{"f":[]}}}',
        b'{"query":{"bool":{}}}',
        b'{"track_total_hits":false}',
        b'{"track_total_hits":0}',
        b'{"_source":false}',
        b'{"sort":[{"b":{"order":"asc"}},{"a":{"order":"desc"}}]}',
        b'{"aggs":{"a":{"terms":{"field":"f","order":[{"_count":"asc"},{"_key":"desc"}],"min_doc_count":0}}}}',
        b'{"aggs":{"a":{"filters":{"filters":[{"match_all":{}},{"exists":{"field":"f"}}],"keyed":false}}}}',
    ],
)
def test_what_is_nothing_elsewhere_and_what_has_an_order_is_kept(body: bytes) -> None:
    search = read_body(body)
    assert emit_body(search) == body
    assert emit_body(Search.FromString(normal_form(search))) == body


def test_maps_are_sorted_wherever_they_come_from() -> None:
    backward = read_body(b'{"aggs":{"b":{"avg":{"field":"f"}},"a":{"max":{"field":"f"}}},"size":1}')
    assert emit_body(backward) == b'{"aggs":{"a":{"max":{"field":"f"}},"b":{"avg":{"field":"f"}}},"size":1}'


def test_each_field_that_json_knows_has_a_key_of_its_own() -> None:
    for message, _ in FIELDS_OF_LANGUAGE:
        shape = shape_of(message)
        names = [field.json_name for field in shape.by_name.values()]
        assert len(set(names)) == len(names)
