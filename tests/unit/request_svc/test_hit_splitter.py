"""Hits are cut out of an answer byte for byte, wherever its pieces end; nothing broken passes for a whole answer."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from request_svc.domain.hit_splitter import HitSplitter
from request_svc.domain.nesting import MAX_DEPTH, UnreadableAnswerError

# Spellings that no reader of JSON would give back, and everything that looks like structure without being any.
HITS = [
    b'{"_id":"1","_score":1.0,"_source":{"n":9007199254740993,"f":1e3,"z":-0.0,"z":1.10}}',
    b'{ "_id" : "}]" ,"_source":{"a":["{",{"b":[[],{}]}],"quote":"\\"\\\\","half":"\\ud800","zero":"\\u0000"} }',
    '{"_source":{"شهر":"تهران, \\"پایتخت\\""},"hits":{"hits":[1]}}'.encode(),
    b"{}",
]
ANSWER = (
    b'{"took":3,"_scroll_id":"hits","timed_out":false,"_shards":{"total":1,"hits":[{"a":"]"}]}, "hits" :{"total":'
    b'{"value":4,"relation":"eq"},"max_score":-1.5E+3,"hits":[' + b", \n".join(HITS) + b'],"hits_":null},'
    b'"aggregations":{"hits":{"hits":[{"no":"hit"}]}},"empty":{},"last":true}\n'
)


def split(*pieces: bytes) -> list[bytes]:
    """The hits of an answer that comes in these pieces."""
    splitter = HitSplitter()
    hits, held = [], b""
    for piece in pieces:
        for data, whole in splitter.feed(piece):
            held += data
            if whole:
                hits.append(held)
                held = b""
    splitter.finish()
    assert held == b""
    assert splitter.hits == len(hits)
    return hits


def test_hits_come_out_as_they_stand() -> None:
    assert split(ANSWER) == HITS


def test_it_does_not_matter_where_a_piece_ends() -> None:
    for cut in range(len(ANSWER) + 1):
        assert split(ANSWER[:cut], ANSWER[cut:]) == HITS
    assert split(*(ANSWER[at : at + 1] for at in range(len(ANSWER)))) == HITS


@given(cuts=st.sets(st.integers(1, len(ANSWER) - 1), max_size=12))
def test_it_does_not_matter_into_how_many_pieces_it_is_cut(cuts: set[int]) -> None:
    places = [0, *sorted(cuts), len(ANSWER)]
    assert split(*(ANSWER[start:end] for start, end in pairwise(places))) == HITS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(
    hits=st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=4),
    around=st.dictionaries(st.text().filter(lambda key: key != "hits"), JSON, max_size=3),
    after=st.dictionaries(st.text().filter(lambda key: key != "hits"), JSON, max_size=3),
    spread=st.sampled_from([None, 2]),
    readable=st.booleans(),
    size=st.integers(1, 40),
)
def test_any_answer_gives_its_own_hits(
    hits: list[dict[str, object]],
    around: dict[str, object],
    after: dict[str, object],
    spread: int | None,
    readable: bool,
    size: int,
) -> None:
    answer = {**around, "hits": {**after, "hits": hits, **around}, **after}
    data = json.dumps(answer, indent=spread, ensure_ascii=not readable).encode("utf-8", "surrogatepass")
    got = split(*(data[at : at + size] for at in range(0, len(data), size)))
    assert [json.loads(hit) for hit in got] == hits


def test_every_answer_that_ends_too_early_is_noticed() -> None:
    whole = ANSWER.rstrip()
    for end in range(len(whole)):
        with pytest.raises(UnreadableAnswerError):
            split(whole[:end])


@pytest.mark.parametrize("answer", [b'{"hits":{"hits":[]}}', b' { "hits" : { "hits" : [ \n ] } } '])
def test_an_answer_may_have_no_hits(answer: bytes) -> None:
    assert split(answer) == []


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"{}",
        b"\xef\xbb\xbf{}",
        b'{"hits":{}}',
        b'{"hits":null}',
        b'{"hits":[]}',
        b'{"hits":{"hits":{}}}',
        b'{"hits":{"hits":[1]}}',
        b'{"hits":{"hits":[{},]}}',
        b'{"hits":{"hits":[,{}]}}',
        b'{"hits":{"hits":[{} {}]}}',
        b'{"hits":{"hits":[{}}}',
        b'{"hits":{"hits":[{"a":[}]}]}}',
        b'{"hits":{"hits":[{"a":"line\nbreak"}]}}',
        b'{"hits":{"hits":[{"a":"b\\\n"}]}}',
        b'{"hits":{"hits":[{"a":\0}]}}',
        b'{"hits":{"hits":[]}}}',
        b'{"hits":{"hits":[]}} {"hits":{"hits":[]}}',
        b'{"hits":{"hits":[]},"hits":{"hits":[{}]}}',
        b'{"hits":{"hits":[],"hits":[{}]}}',
        b'{"hits":{"hits":[]},}',
        b'{"took" 1,"hits":{"hits":[]}}',
        b'{"took":,"hits":{"hits":[]}}',
        b'{"took":1 2,"hits":{"hits":[]}}',
        b'{took:1,"hits":{"hits":[]}}',
        b'{"hits":{"hits":[' + b'{"a":' * MAX_DEPTH + b"{" + b"}" * MAX_DEPTH + b"}]}}",
        b'{"hits":{"hits":[{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}]}}",
    ],
)
def test_what_no_engine_writes_is_refused(answer: bytes) -> None:
    with pytest.raises(UnreadableAnswerError):
        split(answer)
    with pytest.raises(UnreadableAnswerError):
        split(*(answer[at : at + 1] for at in range(len(answer))))
