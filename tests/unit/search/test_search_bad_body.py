"""What a pasted body may not say, at every level of the language, and that no body costs more than its length."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from common.errors import AirlockError, QueryInvalidError
from common.policy.index import AllowedIndex
from common.policy.policy import Policy
from common.search import not_carried
from common.search.body import MAX_BODY_BYTES, read_body
from common.search.permitted import check_permitted
from common.search.shapes import shape_of
from tests.bad_searches import nested

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlock.search.v1.search_pb2 import Search

    from common.search.shapes import FieldShape

Json = Any
INDEX = AllowedIndex("cities")
# In JSON these are no objects with keys of their own.
WITHOUT_KEYS = frozenset({"BucketOrder", "Scalar", "TermsQuery", "TrackTotalHits"})


def places() -> dict[str, tuple[Callable[[Json], Json], str]]:
    """For each message, a body that has an object of it, made of that object, and the object's path."""
    found: dict[str, tuple[Callable[[Json], Json], str]] = {"Search": (lambda inner: inner, "")}
    waiting = ["Search"]
    while waiting:
        name = waiting.pop()
        outer, path = found[name]
        for key, field in shape_of(name).by_key.items():
            if not field.message or field.message in WITHOUT_KEYS or field.message in found:
                continue
            wrap, step = wrapped(key, field)
            found[field.message] = (chained(outer, wrap), f"{path}.{key}{step}".lstrip("."))
            waiting.append(field.message)
    return found


def wrapped(key: str, field: FieldShape) -> tuple[Callable[[Json], Json], str]:
    if field.is_map:
        return (lambda inner: {key: {"f": inner}}), ".f"
    if field.message == "Sort":
        return (lambda inner: {key: [{"f": inner}]}), "[0].f"
    if field.repeated:
        return (lambda inner: {key: [inner]}), "[0]"
    return (lambda inner: {key: inner}), ""


def chained(outer: Callable[[Json], Json], inner: Callable[[Json], Json]) -> Callable[[Json], Json]:
    return lambda value: outer(inner(value))


PLACES = places()


def violations_of(body: Json) -> dict[str, str]:
    with pytest.raises(QueryInvalidError) as refused:
        read_body(json.dumps(body).encode())
    return {violation.field: violation.description for violation in refused.value.violations}


def every_key() -> list[tuple[str, str]]:
    return [(name, key) for name in PLACES for key in shape_of(name).by_key]


def test_every_message_with_keys_has_its_place() -> None:
    assert len(PLACES) == 33
    assert PLACES["TDigest"][1] == "aggs.f.percentiles.tdigest"


@pytest.mark.parametrize("name", PLACES)
def test_an_unknown_key_is_refused_at_every_level_with_its_path(name: str) -> None:
    make, path = PLACES[name]
    found = violations_of(make({"zzzzz": 1}))
    assert "is not a key that Airlock carries here" in found[f"{path}.zzzzz".lstrip(".")]


@pytest.mark.parametrize(("name", "key"), every_key(), ids=lambda part: part)
def test_a_misspelt_key_is_answered_with_the_nearest(name: str, key: str) -> None:
    make, path = PLACES[name]
    wrong = f"{key}z"
    reason = violations_of(make({wrong: 1}))[f"{path}.{wrong}".lstrip(".")]
    assert "did you mean" in reason or len(key) < 4
    if len(key) > 5:
        assert key.rstrip("s") in reason


@pytest.mark.parametrize("name", [name for name in PLACES if name != "SourceFilter"])
def test_a_script_is_refused_at_every_level(name: str) -> None:
    make, path = PLACES[name]
    script = {"source": "ctx._source.remove('a')", "lang": "painless"}
    assert "never carried" in violations_of(make({"script": script}))[f"{path}.script".lstrip(".")]


QUERY_PLACES = {
    "query": lambda inner: {"query": inner},
    "query.bool.must[0]": lambda inner: {"query": {"bool": {"must": [inner]}}},
    "query.bool.filter": lambda inner: {"query": {"bool": {"filter": inner}}},
    "query.bool.should[0].bool.must_not[0]": lambda inner: {
        "query": {"bool": {"should": [{"bool": {"must_not": [inner]}}]}}
    },
    "aggs.a.filter": lambda inner: {"aggs": {"a": {"filter": inner}}},
    "aggs.a.filters.filters.x": lambda inner: {"aggs": {"a": {"filters": {"filters": {"x": inner}}}}},
    "aggs.a.filters.filters[0]": lambda inner: {"aggs": {"a": {"filters": {"filters": [inner]}}}},
}


@pytest.mark.parametrize("path", QUERY_PLACES)
def test_every_clause_without_a_message_is_refused_wherever_it_stands(path: str) -> None:
    for clause, told in not_carried.QUERIES.items():
        found = violations_of(QUERY_PLACES[path]({clause: {"query": "x", "field": "f"}}))
        assert told in found[f"{path}.{clause}"]


@pytest.mark.parametrize("inside", [False, True])
def test_every_aggregation_without_a_message_is_refused(*, inside: bool) -> None:
    for kind, told in not_carried.AGGREGATIONS.items():
        aggs = {"a": {kind: {"field": "f"}}}
        body = {"aggs": {"o": {"missing": {"field": "f"}, "aggs": aggs}}} if inside else {"aggs": aggs}
        assert told in violations_of(body)[f"aggs.o.aggs.a.{kind}" if inside else f"aggs.a.{kind}"]


@pytest.mark.parametrize("key", not_carried.SEARCH)
def test_every_other_part_of_a_search_is_refused_with_what_to_do(key: str) -> None:
    assert not_carried.SEARCH[key] in violations_of({key: {"field": "f"}})[key]


@pytest.mark.parametrize("name", sorted(not_carried.BY_MESSAGE))
def test_advice_is_given_only_for_what_is_not_carried(name: str) -> None:
    assert not set(not_carried.BY_MESSAGE[name]) & set(shape_of(name).by_key)


@pytest.mark.parametrize(
    ("body", "path", "told"),
    [
        ({"sort": [{"_script": {"script": "1", "type": "number"}}]}, "sort[0]._script", "never carried"),
        ({"sort": {"_geo_distance": {"f": [0, 0]}}}, "sort._geo_distance", "by distance"),
        ({"aggs": {"a": {"terms": {"field": "f", "include": ".*a"}}}}, "aggs.a.terms.include", "is a pattern"),
        (
            {"aggs": {"a": {"terms": {"field": "f", "include": {"partition": 0, "num_partitions": 9}}}}},
            "aggs.a.terms.include",
            "a part of all values",
        ),
        ({"aggs": {"a": {"terms": {"field": "f", "exclude": []}}}}, "aggs.a.terms.exclude", "is empty"),
        ({"query": {"terms": {"f": {"index": "i", "id": 1, "path": "p"}}}}, "query.terms.f", "not looked up"),
        ({"query": {"terms": {"f": "x"}}}, "query.terms.f", "for a single one, term"),
        ({"query": {"terms": {"f": [1], "boots": 2}}}, "query.terms", "exactly one field, not 2"),
        ({"size": "10"}, "size", "write 10 without quotes"),
        ({"track_scores": "true"}, "track_scores", "write true without quotes"),
        ({"min_score": "7"}, "min_score", "write 7 without quotes"),
        ({"aggs": {"a": {"filters": {"anonymous": []}}}}, "aggs.a.filters.anonymous", "in the place of filters"),
    ],
)
def test_what_elasticsearch_takes_and_airlock_does_not_is_told(body: Json, path: str, told: str) -> None:
    assert told in violations_of(body)[path]


@pytest.mark.parametrize("size", [1000, 1001, 2**31, 2**32, 2**64])
def test_size_is_bounded(size: int) -> None:
    assert (refusal(json.dumps({"size": size}).encode()) is None) == (size <= 1000)


@pytest.mark.parametrize(
    ("start", "size"), [(9_990, 10), (9_991, 10), (9_000, 1000), (9_001, 1000), (10_000, 0), (10_001, 0)]
)
def test_from_and_size_are_bounded_together(start: int, size: int) -> None:
    body = json.dumps({"from": start, "size": size}).encode()
    assert (refusal(body) is None) == (start + size <= 10_000)


def refusal(body: bytes) -> str | None:
    """Why a body is refused, if it is."""
    try:
        return refusal_of(read_body(body))
    except AirlockError as error:
        return error.message


def refusal_of(search: Search) -> str | None:
    try:
        check_permitted(search, INDEX, Policy(), None)
    except AirlockError as error:
        return error.message
    return None


def compact(body: Json) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def boolean(clauses: list[Json]) -> bytes:
    """As many clauses as there are, in lists that are each within their bound."""
    parts = [{"bool": {"must": clauses[start : start + 1000]}} for start in range(0, len(clauses), 1000)]
    return compact({"query": {"bool": {"must": parts}}})


GROWING: dict[str, Callable[[int], bytes]] = {
    "clauses": lambda n: boolean([{"match_all": {}}] * n),
    "clauses with faults": lambda n: boolean([{"term": {}}] * n),
    "clauses with unknown names": lambda n: boolean([{f"mach{i}": 1} for i in range(n)]),
    "unknown keys": lambda n: compact({f"kee{i}": 1 for i in range(n)}),
    "repeated keys": lambda n: b"{" + b",".join([b'"size":1'] * n) + b"}",
    "values": lambda n: boolean([{"terms": {"f": list(range(900))}}] * (n // 100)),
    "lists in lists": lambda n: b"[" * n,
    "objects in objects": lambda n: b'{"query":{"bool":{"must":' * n,
    "backslashes": lambda n: b'{"a":"' + b'\\"' * n,
    "halves of pairs": lambda n: b'{"query":{"term":{"f":"' + b"\\ud800" * n + b'"}}}',
    "digits": lambda n: b'{"size":' + b"9" * n + b"}",
    "exponents": lambda n: b'{"min_score":1e' + b"9" * n + b"}",
    "sort keys": lambda n: compact({"sort": {f"f{i}": "asc" for i in range(n)}}),
    "aggregations": lambda n: compact({"aggs": {f"a{i}": {"missing": {"field": "f"}} for i in range(n)}}),
    "stars": lambda n: compact({"query": {"wildcard": {"f": "*a" * n}}}),
    "a long text": lambda n: compact({"query": {"match": {"f": "ب" * n}}}),
    "a long name": lambda n: compact({"query": {"match": {"f" * n: "x"}}}),
    "an order by a long path": lambda n: compact(
        {"aggs": {"a": {"terms": {"field": "f", "order": {"a>" * (n // 2) + "b.c[d": "asc"}}}}}
    ),
    "a minimum of many parts": lambda n: compact({"query": {"bool": {"minimum_should_match": "1<2 " * n}}}),
}


def steps(work: Callable[[], object]) -> int:
    """How many functions are called, Python's own included: a measure that no busy machine changes."""
    count = 0

    def counted(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("kind", GROWING)
def test_refusing_a_body_costs_no_more_than_its_length(kind: str) -> None:
    make = GROWING[kind]
    some, many = make(1_250), make(10_000)
    assert refusal(many) is not None
    few, more = steps(lambda: refusal(some)), steps(lambda: refusal(many))
    assert more <= 10 * few + 5_000, (few, more)


@pytest.mark.parametrize("levels", [100, 1_000, 20_000])
def test_a_typed_search_nested_without_end_costs_no_more_than_the_limit(levels: int) -> None:
    search = nested(levels)
    reason = refusal_of(search)
    assert reason is not None
    assert "max_depth" in reason
    assert steps(lambda: refusal_of(search)) < 3_000


@pytest.mark.parametrize("depth", [64, 65, 100, 10_000])
def test_json_nested_beyond_the_bound_is_refused_before_it_is_parsed(depth: int) -> None:
    inner = b"1"
    for _ in range(depth - 1):
        inner = b"[" + inner + b"]"
    reason = refusal(b'{"size":' + inner + b"}")
    assert reason is not None
    assert ("nested deeper" in reason) == (depth > 64)


def test_a_text_of_a_megabyte_is_refused_before_it_is_parsed() -> None:
    body = compact({"query": {"match": {"f": "x" * 2**20}}})
    assert len(body) > MAX_BODY_BYTES
    assert steps(lambda: refusal(body)) < 200
    assert "bytes long" in (refusal(body) or "")
