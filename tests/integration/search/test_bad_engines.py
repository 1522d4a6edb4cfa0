"""Engines that are no Elasticsearch, or a hostile one: each is left within the time and the memory, with one error."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from response_svc.search.answers import EngineError, EngineTimeoutError, EngineUnavailableError
from response_svc.search.connection import ElasticsearchAccess
from response_svc.search.elasticsearch import ElasticsearchEngine
from tests.integration.search.fake_cluster import PRODUCT, WHOLE, Cluster, ask, running, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

JSON = PRODUCT | {"content-type": "application/json"}
MEBIBYTE = 1024 * 1024


@asynccontextmanager
async def speaking(talk: Callable[[asyncio.StreamWriter], object]) -> AsyncIterator[ElasticsearchEngine]:
    """An engine at whose address something talks that need not be HTTP."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await talk(writer)  # type: ignore[misc] # Each talk is a coroutine.
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    engine = ElasticsearchEngine(ElasticsearchAccess([f"http://127.0.0.1:{port}"]))
    try:
        yield engine
    finally:
        await engine.close()
        server.close()


async def garbage(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x16\x03\x01\x00\x05SSH-2.0-nonsense\r\n\r\n")


async def nothing(writer: asyncio.StreamWriter) -> None:
    writer.write(b"")


async def false_length(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n{}")


async def endless_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x-more: " + b"x" * 1000 + b"\r\n")
        await writer.drain()


async def endless_line(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nx-more: ")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def dribble_head(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nx-more: ")
    await dribble(writer)


async def dribble_body(writer: asyncio.StreamWriter) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in JSON.items())
    writer.write(f"HTTP/1.1 200 OK\r\n{head}content-length: 100000\r\n\r\n".encode())
    await dribble(writer)


async def dribble(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"1")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("talk", [garbage, nothing, false_length, endless_headers, endless_line])
async def test_what_is_no_http_counts_as_away(talk: Callable[[asyncio.StreamWriter], object]) -> None:
    tracemalloc.start()
    async with speaking(talk) as engine:
        with pytest.raises(EngineUnavailableError) as failed:
            await ask(engine)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert failed.value.engine_away
    assert peak < 4 * MEBIBYTE


@pytest.mark.parametrize("talk", [dribble_head, dribble_body])
async def test_an_answer_that_trickles_is_left_when_the_time_is_over(
    talk: Callable[[asyncio.StreamWriter], object],
) -> None:
    async with speaking(talk) as engine:
        with pytest.raises(EngineTimeoutError):
            await ask(engine, timeout_seconds=-1.7)


async def test_an_answer_is_not_asked_for_packed_and_a_packed_one_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * 16 * MEBIBYTE)

    async def packed(_: web.Request) -> web.StreamResponse:
        return web.Response(body=bomb, headers=JSON | {"content-encoding": "gzip"})

    cluster = Cluster()
    cluster.handler = packed
    async with running(cluster) as address:
        engine = ElasticsearchEngine(ElasticsearchAccess([address]))
        tracemalloc.start()
        with pytest.raises(EngineUnavailableError):
            await ask(engine, max_bytes=32 * MEBIBYTE)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        await engine.close()
    assert peak < 4 * MEBIBYTE
    assert "accept-encoding" not in cluster.asked[0].headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_never_followed(status: int) -> None:
    elsewhere, cluster = Cluster(), Cluster()
    async with running(elsewhere) as trap, running(cluster) as address:

        async def redirect(request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers={"location": f"{trap}{request.path_qs}"})

        cluster.handler = redirect
        engine = ElasticsearchEngine(ElasticsearchAccess([address], username="reader", password="secret"))
        with pytest.raises(EngineUnavailableError, match="ELASTICSEARCH_URL"):
            await ask(engine)
        await engine.close()
    assert not elsewhere.asked
    assert len(cluster.asked) == 1


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/octet-stream", "application/yaml"])
async def test_an_answer_of_another_type_is_none(kind: str) -> None:
    cluster = Cluster()
    cluster.handler = text(200, json.dumps(WHOLE), kind=kind)
    async with running(cluster) as address:
        engine = ElasticsearchEngine(ElasticsearchAccess([address]))
        with pytest.raises(EngineUnavailableError, match="not JSON"):
            await ask(engine)
        await engine.close()


async def test_what_does_not_say_that_it_is_elasticsearch_is_none() -> None:
    async def another(_: web.Request) -> web.StreamResponse:
        return web.json_response(WHOLE)

    cluster = Cluster()
    cluster.handler = another
    async with running(cluster) as address:
        engine = ElasticsearchEngine(ElasticsearchAccess([address]))
        with pytest.raises(EngineUnavailableError, match="no Elasticsearch"):
            await ask(engine)
        await engine.close()


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
async def test_a_refusal_of_any_length_costs_little_memory(status: int) -> None:
    cluster = Cluster()
    cluster.handler = text(status, b'{"error":"' + b"x" * 20 * MEBIBYTE + b'"}')
    async with running(cluster) as address:
        engine = ElasticsearchEngine(ElasticsearchAccess([address]))
        with pytest.raises(EngineError) as failed:
            await ask(engine, max_bytes=32 * MEBIBYTE)
        await engine.close()
    assert len(failed.value.message) < 600


NESTED = b"[" * 100_000 + b"]" * 100_000
HEAD = b'{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0}'


@pytest.mark.parametrize(
    "body",
    [
        b'{"took":NaN,"timed_out":false,"_shards":{"failed":0},"hits":{}}',
        HEAD + b',"hits":{"total":{"value":NaN},"hits":[]}}',
        HEAD + b',"hits":{"total":{"value":1},"hits":' + NESTED + b"}}",
        HEAD + b',"x":' + NESTED + b',"hits":{"total":{"value":1},"hits":[]}}',
        b'{"took":1,"took":1,"timed_out":true,"timed_out":false,"_shards":{"failed":0},"hits":{"hits":[]}} {}',
        HEAD + b',"took":2,"hits":{"total":{"value":1},"hits":["' + b"x" * 300_000 + b'"]}}',
    ],
    ids=["NaN", "NaN in the total", "deep hits", "deep head", "two objects", "the same key twice in a long one"],
)
async def test_json_that_cannot_be_a_result_is_none(body: bytes) -> None:
    cluster = Cluster()
    cluster.handler = text(200, body)
    async with running(cluster) as address:
        engine = ElasticsearchEngine(ElasticsearchAccess([address]))
        with pytest.raises(EngineUnavailableError, match="no search result"):
            await ask(engine, max_bytes=MEBIBYTE)
        await engine.close()
