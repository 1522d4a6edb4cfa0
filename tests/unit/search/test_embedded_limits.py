"""What strangers may ask of the built-in engine has a bounded cost, and a fault of its own is not one that passes."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from airlock.search.v1.search_pb2 import SourceFilter

from common.search.body import read_body
from response_svc.search.answers import EngineRefusedError, EngineTimeoutError, UnsupportedQueryError
from response_svc.search.embedded import EmbeddedEngine, answering, load_index
from response_svc.search.embedded.analysis import analyze
from response_svc.search.embedded.context import MAX_BUCKETS, Context
from response_svc.search.embedded.dates import find_zone, format_millis
from response_svc.search.embedded.opened import OpenIndex
from response_svc.search.embedded.patterns import starred
from response_svc.search.embedded.sources import source_filter

if TYPE_CHECKING:
    from pathlib import Path

MAPPING: dict[str, Any] = {"properties": {"name": {"type": "text"}, "size": {"type": "long"}}}
# Far above what any of it takes; each took minutes, or forever, when its cost was not linear.
PATIENCE_SECONDS = 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    load_index(tmp_path, "things", MAPPING, [{"_id": str(n), "name": f"word{n}", "size": n} for n in range(300)])
    return tmp_path


async def ask(folder: Path, body: object, *, seconds: float = 10) -> dict[str, Any]:
    engine = EmbeddedEngine(folder)
    search = read_body(json.dumps(body).encode())
    found = await engine.search("things", search, timeout_seconds=seconds, max_bytes=10**7, accept_partial=False)
    answer: dict[str, Any] = json.loads(found.body)
    return answer


@pytest.mark.timeout(PATIENCE_SECONDS)
@pytest.mark.parametrize("name", ["*" * 30 + "z", "a*" * 100 + "z"])
def test_a_name_of_many_stars_costs_no_more_than_one_pass(name: str) -> None:
    assert not starred(name)("a" * 5_000)
    shown = source_filter(SourceFilter(includes=[name]))
    assert shown(b'{"' + b"a" * 5_000 + b'": 1}') == b"{}"


@pytest.mark.timeout(PATIENCE_SECONDS)
@pytest.mark.parametrize("text", ["_" * 200_000, "a" + "_" * 200_000, "_\u200d" * 100_000 + "." + "_" * 100_000])
def test_connectors_without_end_cost_one_pass(text: str) -> None:
    assert len(analyze([text])) <= 800


def test_connectors_belong_to_the_word_that_they_lead_to() -> None:
    assert [token.text for token in analyze(["__a _ b__ .__. 1_2"])] == ["__a", "b__", "1_2"]


async def test_many_fuzzy_words_end_with_the_time(folder: Path) -> None:
    words = " ".join(f"wrod{n}" for n in range(1_000))
    with pytest.raises(EngineTimeoutError):
        await ask(folder, {"query": {"match": {"name": {"query": words, "fuzziness": 2}}}}, seconds=0.05)


async def test_buckets_are_counted_over_the_whole_search(folder: Path) -> None:
    steps = {"histogram": {"field": "size", "interval": 1, "extended_bounds": {"min": 0, "max": 300}}}
    body = {"size": 0, "aggs": {"a": {"terms": {"field": "size", "size": 300}, "aggs": {"b": steps}}}}
    with pytest.raises(EngineRefusedError, match=str(MAX_BUCKETS)):
        await ask(folder, body)


async def test_a_step_too_small_for_any_bucket_is_refused(folder: Path) -> None:
    with pytest.raises(UnsupportedQueryError, match="steps too small"):
        await ask(folder, {"aggs": {"a": {"histogram": {"field": "size", "interval": 5e-324}}}})


async def test_a_fault_of_the_engine_is_final_and_logged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise TypeError("a fault of ours")

    monkeypatch.setattr(answering, "match", fail)
    with pytest.raises(UnsupportedQueryError) as failed:
        await ask(folder, {})
    assert not failed.value.may_pass
    assert "a fault of ours" not in failed.value.message


@pytest.mark.parametrize("name", ["+18:01", "+24:00", "+99:99", "-19"])
def test_an_offset_that_no_place_has_is_refused(name: str) -> None:
    with pytest.raises(EngineRefusedError):
        find_zone(name)


@pytest.mark.parametrize("pattern", ["yyyy-yyyy", "yyyy'", "yyyy''MM", "yyyy 'o''clock'"])
def test_a_format_with_a_meaning_of_its_own_in_java_is_refused(pattern: str) -> None:
    with pytest.raises(UnsupportedQueryError):
        format_millis(0, pattern)


def test_counting_buckets_looks_at_the_time(folder: Path) -> None:
    context = Context(OpenIndex("things", folder / "things"), now_millis=0, deadline=time.monotonic() - 1)
    with pytest.raises(EngineTimeoutError):
        context.count_buckets(1)


def test_a_search_that_nobody_waits_for_ends_wherever_it_looks_at_the_time(folder: Path) -> None:
    later = time.monotonic() + 1000
    context = Context(OpenIndex("things", folder / "things"), now_millis=0, deadline=later, is_given_up=lambda: True)
    with pytest.raises(EngineTimeoutError):
        context.check_running()
