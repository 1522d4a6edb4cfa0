"""Building and opening an index of the built-in engine."""

from __future__ import annotations

import json
import multiprocessing
from typing import TYPE_CHECKING, Any

import pytest

from common.errors import QueryInvalidError
from common.search.body import read_body
from response_svc.search.answers import EngineRefusedError, EngineUnavailableError
from response_svc.search.embedded import EmbeddedEngine, load_index
from response_svc.search.embedded.mapping import parse_mapping

if TYPE_CHECKING:
    from pathlib import Path

MAPPING: dict[str, Any] = {
    "properties": {"name": {"type": "text", "fields": {"keyword": {"type": "keyword"}}}, "size": {"type": "long"}}
}
DOCUMENTS = [
    {"_id": "a", "name": "one two", "size": 1},
    {"_id": "b", "name": ["two", "three"]},
    {"_id": "c", "size": 3},
]


async def found(engine: EmbeddedEngine, body: object) -> list[str]:
    answer = await engine.search(
        "things",
        read_body(json.dumps(body).encode()),
        timeout_seconds=10,
        max_bytes=100_000,
        accept_partial=False,
    )
    return [hit["_id"] for hit in json.loads(answer.body)["hits"]["hits"]]


async def test_a_loaded_index_is_found_by_an_engine_that_was_open_before(tmp_path: Path) -> None:
    engine = EmbeddedEngine(tmp_path)
    with pytest.raises(EngineRefusedError, match="no such index"):
        await found(engine, {})
    assert load_index(tmp_path, "things", MAPPING, DOCUMENTS) == 3
    assert await found(engine, {"query": {"match": {"name": "two"}}}) == ["a", "b"]
    health = await engine.check()
    assert health.healthy
    assert "things" in health.detail


async def test_documents_come_back_as_they_were_given(tmp_path: Path) -> None:
    load_index(tmp_path, "things", MAPPING, DOCUMENTS)
    engine = EmbeddedEngine(tmp_path)
    search = read_body(b'{"sort":"_doc"}')
    answer = await engine.search("things", search, timeout_seconds=10, max_bytes=9999, accept_partial=False)
    hits = json.loads(answer.body)["hits"]["hits"]
    assert [hit["_source"] | {"_id": hit["_id"]} for hit in hits] == DOCUMENTS


def search_in_another_process(folder: str, sender: Any) -> None:
    import asyncio

    async def ask() -> list[str]:
        return await found(EmbeddedEngine(folder), {"query": {"match": {"name": "three"}}})

    sender.send(asyncio.run(ask()))


async def test_several_processes_read_one_index_at_once(tmp_path: Path) -> None:
    load_index(tmp_path, "things", MAPPING, DOCUMENTS)
    here = EmbeddedEngine(tmp_path)
    assert await found(here, {"query": {"match": {"name": "three"}}}) == ["b"]
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    other = context.Process(target=search_in_another_process, args=(str(tmp_path), sender))
    other.start()
    assert receiver.recv() == ["b"]
    other.join(10)


def test_an_index_that_is_there_is_not_built_again(tmp_path: Path) -> None:
    load_index(tmp_path, "things", MAPPING, DOCUMENTS)
    with pytest.raises(FileExistsError, match="remove it"):
        load_index(tmp_path, "things", MAPPING, DOCUMENTS)


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        load_index(tmp_path, "things", MAPPING, [*DOCUMENTS, {"size": [[{}]]}])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("documents", "reason"),
    [
        ([{"size": "many"}], "the field size of the type long cannot hold 'many'"),
        ([{"size": 2**63}], "cannot hold"),
        ([{"size": 1.5}], "cannot hold"),
        ([{"size": True}], "cannot hold"),
        ([{"name": {"a": 1}}], "cannot hold"),
        ([{"_id": "a"}, {"_id": "a"}], "same _id"),
    ],
)
def test_a_document_that_does_not_fit_its_mapping_is_refused(
    tmp_path: Path, documents: list[dict[str, Any]], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        load_index(tmp_path, "things", MAPPING, documents)


@pytest.mark.parametrize(
    "mapping",
    [
        {"properties": {"f": {"type": "geo_point"}}},
        {"properties": {"f": {"type": "text", "analyzer": "english"}}},
        {"properties": {"f": {"type": "date", "format": "yyyy"}}},
        {"properties": {"f": {}}},
        {"runtime": {}},
    ],
)
def test_a_mapping_that_would_change_answers_unseen_is_refused(mapping: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"built-in search engine|known are"):
        parse_mapping(mapping)


@pytest.mark.parametrize("name", ["../things", "a/b", "..", "A", "*"])
def test_a_name_that_is_no_index_leads_to_no_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(QueryInvalidError):
        load_index(tmp_path / "inner", name, MAPPING, DOCUMENTS)
    assert not (tmp_path / "things").exists()


async def test_a_name_with_a_path_in_it_opens_nothing(tmp_path: Path) -> None:
    load_index(tmp_path, "things", MAPPING, DOCUMENTS)
    (tmp_path / "inner").mkdir()
    engine = EmbeddedEngine(tmp_path / "inner")
    for name in ("../things", "..", ".", ""):
        with pytest.raises(EngineRefusedError):
            await engine.search(name, read_body(b"{}"), timeout_seconds=1, max_bytes=9999, accept_partial=False)


async def test_a_damaged_index_is_an_engine_that_cannot_answer(tmp_path: Path) -> None:
    load_index(tmp_path, "things", MAPPING, DOCUMENTS)
    (tmp_path / "things" / "ids.json").write_bytes(b"{")
    with pytest.raises(EngineUnavailableError, match="build it again"):
        await found(EmbeddedEngine(tmp_path), {})


async def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    health = await EmbeddedEngine(tmp_path / "nowhere").check()
    assert not health.healthy
    assert "EMBEDDED_SEARCH_DIR" in health.detail


async def test_an_empty_index_answers(tmp_path: Path) -> None:
    load_index(tmp_path, "things", MAPPING, [])
    engine = EmbeddedEngine(tmp_path)
    assert await found(engine, {"query": {"match": {"name": "two"}}}) == []
    assert await found(engine, {"sort": "size"}) == []
