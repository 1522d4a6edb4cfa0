"""Loading an index of the built-in engine from files: what is read, what is refused and where, and what stays whole."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from typer.testing import CliRunner

from common.search.body import read_body
from response_svc.cli import cli
from response_svc.search.answers import EngineTimeoutError
from response_svc.search.embedded import EmbeddedEngine, answering, load_index
from response_svc.search.embedded.documents import MAX_DOCUMENT_BYTES
from response_svc.search.embedded.guessing import guess_mapping
from response_svc.search.embedded.loading import LoadError, load_files

if TYPE_CHECKING:
    from pathlib import Path

    from response_svc.search.embedded.context import Context

MAPPING = {"properties": {"name": {"type": "keyword"}, "size": {"type": "long"}}}
DOCUMENTS = [{"_id": "a", "name": "one", "size": 1}, {"_id": "b", "name": "two", "size": 2}]
LINES = "".join(f"{json.dumps(document)}\n" for document in DOCUMENTS).encode()


async def ids(engine: EmbeddedEngine, body: object = None) -> list[str]:
    search = read_body(json.dumps(body or {"sort": "_doc"}).encode())
    found = await engine.search("things", search, timeout_seconds=10, max_bytes=10**6, accept_partial=False)
    return [hit["_id"] for hit in json.loads(found.body)["hits"]["hits"]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.jsonl", LINES),
        ("x.ndjson", b"\n" + LINES.rstrip()),
        ("x.jsonl.gz", gzip.compress(LINES)),
        ("x.jsonl.zst", zstandard.compress(LINES)),
        ("x.ndjson.zst", zstandard.compress(LINES[:40]) + zstandard.compress(LINES[40:])),
    ],
    ids=["plain", "blank first line", "gzip", "zstd", "two zstd frames"],
)
async def test_lines_are_read_plain_and_packed(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert load_files(tmp_path / "indices", "things", tmp_path / name).documents == 2
    assert await ids(EmbeddedEngine(tmp_path / "indices")) == ["a", "b"]


async def test_a_folder_gives_its_files_in_order(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "below").mkdir(parents=True)
    (source / "2.jsonl").write_bytes(b'{"_id": "second", "size": 1}\n')
    (source / "1.json").write_bytes(b'{\n "_id": "first",\n "size": 2\n}\n')
    (source / "below" / "3.json.gz").write_bytes(gzip.compress(b'{"_id": "third"}'))
    (source / "readme.txt").write_text("not a document")
    assert load_files(tmp_path, "things", source).documents == 3
    assert await ids(EmbeddedEngine(tmp_path)) == ["first", "second", "third"]


async def test_hits_as_elasticsearch_exports_them_are_documents(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b'{"_index": "old", "_id": "7", "_score": 1, "_source": {"size": 1}}\n')
    assert load_files(tmp_path, "things", tmp_path / "x.jsonl").mapping == {"properties": {"size": {"type": "long"}}}
    assert await ids(EmbeddedEngine(tmp_path), {"query": {"term": {"size": 1}}}) == ["7"]


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        (b'{"size": 1}\n{"size": \n', "x.jsonl:2: it is not JSON"),
        (b'{"size": 1}\n\n[1]\n', "x.jsonl:3: it is not an object"),
        (b'{"size": 1}\n{"size": "many"}\n', "x.jsonl:2: the field size of the type long cannot hold 'many'"),
        (b'{"name": {"a": "' + b"x" * 9999 + b'"}}\n', "x.jsonl:1: the field name of the type keyword cannot hold"),
        (b'{"_id": "a"}\n{"_id": "b"}\n{"_id": "a"}\n', "x.jsonl:3: another document has the same _id"),
        (b'{"size": 1}\n{"name": "' + b"x" * MAX_DOCUMENT_BYTES + b'"}', "x.jsonl:2: it is longer than 16 MiB"),
        (b'{"size": 1}\n{"size": 9223372036854775808}', "x.jsonl:2: "),
        (b'{"size": 1}\n{"name": "\xff"}\n', "x.jsonl:2: it is not JSON"),
    ],
    ids=["cut", "list", "wrong type", "object", "same id", "too long", "too large a number", "no UTF-8"],
)
async def test_a_bad_line_is_named_and_the_index_stays_as_it_was(tmp_path: Path, lines: bytes, where: str) -> None:
    load_index(tmp_path, "things", MAPPING, DOCUMENTS)
    (tmp_path / "x.jsonl").write_bytes(lines)
    with pytest.raises(LoadError) as refused:
        load_files(tmp_path, "things", tmp_path / "x.jsonl")
    assert where in str(refused.value)
    assert len(str(refused.value)) < 1000
    assert await ids(EmbeddedEngine(tmp_path)) == ["a", "b"]


def test_a_file_that_ends_too_early_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(LINES * 1000)[:-20])
    with pytest.raises(LoadError, match=r"x\.jsonl\.gz.*(damaged|another)"):
        load_files(tmp_path, "things", tmp_path / "x.jsonl.gz")


@pytest.mark.parametrize("name", ["nowhere.jsonl", "x.csv", "empty"])
def test_a_source_without_documents_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.csv").write_text("a,b")
    (tmp_path / "empty").mkdir()
    with pytest.raises(LoadError, match=name):
        load_files(tmp_path, "things", tmp_path / name)
    assert not (tmp_path / "things").exists()


@pytest.mark.parametrize("wrapped", [MAPPING, {"mappings": MAPPING}, {"things": {"mappings": MAPPING}}])
def test_a_mapping_is_read_as_elasticsearch_shows_it(tmp_path: Path, wrapped: dict[str, Any]) -> None:
    (tmp_path / "x.jsonl").write_bytes(LINES)
    (tmp_path / "mapping.json").write_text(json.dumps(wrapped))
    loaded = load_files(tmp_path, "things", tmp_path / "x.jsonl", tmp_path / "mapping.json")
    assert loaded.mapping == MAPPING
    assert load_files(tmp_path, "things", tmp_path / "x.jsonl").mapping_from == "of the index before"


@pytest.mark.parametrize(
    "mapping", ["{", "[]", '{"properties": {"name": {"type": "geo_point"}}}', '{"properties": {"a": 1}}']
)
def test_a_mapping_that_cannot_be_used_is_refused(tmp_path: Path, mapping: str) -> None:
    (tmp_path / "x.jsonl").write_bytes(LINES)
    (tmp_path / "mapping.json").write_text(mapping)
    with pytest.raises(LoadError, match=r"mapping\.json"):
        load_files(tmp_path, "things", tmp_path / "x.jsonl", tmp_path / "mapping.json")


def test_a_mapping_is_guessed_from_all_documents() -> None:
    documents = [
        {"_id": "1", "n": 1, "when": "2013-01-31", "said": "2013-01-31", "in": {"deep": [True, None]}, "none": None},
        {"n": [2, 2.5], "when": "2013-01-31T10:00:00Z", "said": "yesterday", "in": [{"other": "x"}], "big": 2**63},
    ]
    text = {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}
    assert guess_mapping(documents) == {
        "properties": {
            "n": {"type": "double"},
            "when": {"type": "date"},
            "said": text,
            "in": {"properties": {"deep": {"type": "boolean"}, "other": text}},
            "big": {"type": "double"},
        }
    }


@pytest.mark.parametrize("second", [{"a": "x"}, {"a": {"b": 1}}, {"a": True}])
def test_values_without_a_common_type_are_refused_with_their_field(second: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the field a holds"):
        guess_mapping([{"a": 1}, second])


async def test_a_running_engine_answers_from_the_index_that_was_loaded_last(tmp_path: Path) -> None:
    load_index(tmp_path, "things", MAPPING, DOCUMENTS)
    engine = EmbeddedEngine(tmp_path)
    assert await ids(engine) == ["a", "b"]
    for number in range(3):
        load_index(tmp_path, "things", MAPPING, [{"_id": f"new{number}", "name": "x"}], replace=True)
        assert await ids(engine, {"query": {"term": {"name": "x"}}}) == [f"new{number}"]
    # The link, what it leads to, and the generation in which searches may still be under way.
    assert len(list(tmp_path.iterdir())) == 3


async def test_a_search_under_way_ends_in_the_index_in_which_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_index(tmp_path, "things", MAPPING, DOCUMENTS)
    engine = EmbeddedEngine(tmp_path)
    began, loaded = threading.Event(), threading.Event()
    whole = answering.match

    def slowly(context: Context, query: Any) -> Any:
        began.set()
        assert loaded.wait(10)
        return whole(context, query)

    monkeypatch.setattr(answering, "match", slowly)
    asked = asyncio.create_task(ids(engine, {"query": {"term": {"name": "one"}}, "sort": "size"}))
    await asyncio.to_thread(began.wait, 10)
    await asyncio.to_thread(load_index, tmp_path, "things", MAPPING, [], replace=True)
    loaded.set()
    assert await asked == ["a"]
    assert await ids(engine, {"query": {"term": {"name": "one"}}}) == []


async def test_a_search_that_is_cancelled_stops_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_index(tmp_path, "things", MAPPING, DOCUMENTS)
    began, stopped = threading.Event(), threading.Event()

    def without_end(context: Context, _query: Any) -> Any:
        began.set()
        try:
            while True:
                context.check_running()
        except EngineTimeoutError:
            stopped.set()
            raise

    monkeypatch.setattr(answering, "match", without_end)
    asked = asyncio.create_task(ids(EmbeddedEngine(tmp_path)))
    await asyncio.to_thread(began.wait, 10)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await asyncio.to_thread(stopped.wait, 5)


async def test_a_folder_may_be_named_from_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        load_index("in", "things", MAPPING, DOCUMENTS, replace=True)
    assert await ids(EmbeddedEngine("in")) == ["a", "b"]


def test_what_a_killed_load_left_behind_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".things#left").mkdir(parents=True)
    (tmp_path / ".things.more@other").mkdir()
    load_index(tmp_path, "things", MAPPING, DOCUMENTS)
    assert not (tmp_path / ".things#left").exists()
    assert (tmp_path / ".things.more@other").exists()


async def test_an_index_of_an_earlier_release_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "index.json").write_text('{"format": 1}')
    load_index(tmp_path, "things", MAPPING, DOCUMENTS, replace=True)
    assert await ids(EmbeddedEngine(tmp_path)) == ["a", "b"]


def test_the_command_loads_and_tells_the_mapping(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(LINES)
    run = CliRunner().invoke(
        cli, ["load-index", "things", str(tmp_path / "x.jsonl"), "--directory", str(tmp_path / "in")]
    )
    assert run.exit_code == 0, run.output
    assert "2 documents are in the index things" in run.output
    assert '"type": "long"' in run.output


@pytest.mark.parametrize(("name", "said"), [("things", "x.jsonl:1: it is not JSON"), ("Things*", "index name")])
def test_the_command_says_why_nothing_was_loaded(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "x.jsonl").write_bytes(b"{")
    run = CliRunner().invoke(cli, ["load-index", name, str(tmp_path / "x.jsonl"), "--directory", str(tmp_path / "in")])
    assert run.exit_code == 1
    assert said in run.output
