"""A cluster of several nodes: which fault of one makes the next be asked, within the same time, and which does not."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from response_svc.search.answers import (
    EngineError,
    EngineTimeoutError,
    EngineUnavailableError,
    SearchUnavailableError,
)
from response_svc.search.connection import ElasticsearchAccess
from response_svc.search.elasticsearch import ElasticsearchEngine
from tests.integration.search.fake_cluster import PRODUCT, Cluster, ask, fault, running, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.search.fake_cluster import Handler

NOBODY = "http://127.0.0.1:9"
OUT = fault(503, "cluster_block_exception", "no master")


@asynccontextmanager
async def nodes(*handlers: Handler | None) -> AsyncIterator[tuple[list[Cluster], ElasticsearchEngine]]:
    """As many nodes; None is one that answers."""
    clusters = [Cluster() for _ in handlers]
    async with AsyncExitStack() as stack:
        addresses = [await stack.enter_async_context(running(cluster)) for cluster in clusters]
        for cluster, handler in zip(clusters, handlers, strict=True):
            cluster.handler = handler or cluster.handler
        engine = ElasticsearchEngine(ElasticsearchAccess(addresses))
        stack.push_async_callback(engine.close)
        yield clusters, engine


async def cut(request: web.Request) -> web.StreamResponse:
    """The connection breaks before anything is answered."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def break_off(request: web.Request) -> web.StreamResponse:
    """The connection breaks in the middle of the answer."""
    response = web.StreamResponse(headers=PRODUCT | {"content-type": "application/json", "content-length": "1000"})
    await response.prepare(request)
    await response.write(b'{"took": 1')
    return await cut(request)


async def hang(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


async def test_a_node_that_is_not_there_is_passed_over_and_hardly_asked_again() -> None:
    async with running(Cluster()) as address:
        engine = ElasticsearchEngine(ElasticsearchAccess([NOBODY, address]))
        answers = [await ask(engine) for _ in range(10)]
        assert [answer.hit_count for answer in answers] == [3] * 10
        await engine.close()


@pytest.mark.parametrize(
    "handler", [cut, break_off, OUT, text(502, "<html>", kind="text/html"), text(503, "busy", kind="text/plain")]
)
async def test_a_node_that_fails_by_itself_is_passed_over_within_the_same_search(handler: Handler) -> None:
    async with nodes(handler, None) as (clusters, engine):
        answers = [await ask(engine) for _ in range(6)]
        assert [answer.hit_count for answer in answers] == [3] * 6
        # Put aside after its fault, it is not asked for each of them.
        assert 1 <= len(clusters[0].asked) <= 2
        assert len(clusters[1].asked) == 6


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (fault(429, "es_rejected_execution_exception", "queue is full"), EngineUnavailableError),
        (fault(500, "null_pointer", "x"), SearchUnavailableError),
        (fault(503, "search_phase_execution_exception", "all shards failed"), SearchUnavailableError),
        (fault(504, "search_phase_execution_exception", "Time exceeded"), EngineTimeoutError),
    ],
)
async def test_what_the_next_node_would_say_too_is_asked_once_and_puts_no_node_aside(
    handler: Handler, expected: type[EngineError]
) -> None:
    async with nodes(handler, handler) as (clusters, engine):
        for _ in range(4):
            with pytest.raises(expected):
                await ask(engine)
        assert [len(cluster.asked) for cluster in clusters] == [2, 2]


async def test_a_node_that_never_answers_costs_one_search_its_time_and_is_then_put_aside() -> None:
    async with nodes(hang, None) as (clusters, engine):
        for _ in range(4):
            with suppress(EngineTimeoutError):
                await ask(engine, timeout_seconds=-1.8)
        assert len(clusters[0].asked) <= 1


async def test_all_nodes_together_take_no_longer_than_the_time() -> None:
    async def late(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.15)
        return await OUT(request)

    async with nodes(*[late] * 8) as (clusters, engine):
        with pytest.raises(EngineError):
            await ask(engine, timeout_seconds=-1.6)
        # Of eight nodes with 0.15 s each, so many fit into 0.4 s.
        assert sum(len(cluster.asked) for cluster in clusters) <= 3


async def test_a_search_that_breaks_two_nodes_is_not_given_to_a_third() -> None:
    async with nodes(*[break_off] * 4) as (clusters, engine):
        with pytest.raises(EngineUnavailableError):
            await ask(engine)
        assert sum(len(cluster.asked) for cluster in clusters) == 2


async def test_a_cluster_of_which_no_node_answers_is_away_and_says_so() -> None:
    engine = ElasticsearchEngine(ElasticsearchAccess([NOBODY, "http://127.0.0.1:10"]))
    with pytest.raises(EngineUnavailableError) as failed:
        await ask(engine)
    assert failed.value.engine_away
    assert "it takes no connection (Connection refused)" in failed.value.message
    health = await engine.check()
    assert not health.healthy
    await engine.close()


async def test_when_all_nodes_are_out_the_last_ones_status_is_told() -> None:
    async with nodes(OUT, OUT) as (clusters, engine):
        with pytest.raises(EngineUnavailableError) as failed:
            await ask(engine)
        assert "503" in failed.value.message
        assert [len(cluster.asked) for cluster in clusters] == [1, 1]


async def test_the_only_node_is_asked_once_when_it_is_out() -> None:
    async with nodes(OUT) as (clusters, engine):
        with pytest.raises(EngineUnavailableError):
            await ask(engine)
        assert len(clusters[0].asked) == 1


async def test_the_only_nodes_idle_connection_that_was_cut_is_made_anew() -> None:
    async with nodes(None) as (clusters, engine):
        answering = clusters[0].handler

        async def cut_once(request: web.Request) -> web.StreamResponse:
            clusters[0].handler = answering
            return await cut(request)

        clusters[0].handler = cut_once
        assert (await ask(engine)).hit_count == 3


async def test_a_node_that_comes_back_is_asked_again() -> None:
    async with nodes(OUT, None) as (clusters, engine):
        while not clusters[0].asked:
            await ask(engine)
        clusters[0].handler = clusters[1].handler
        before = len(clusters[0].asked)
        async with asyncio.timeout(20):
            while len(clusters[0].asked) == before:
                await ask(engine)
                await asyncio.sleep(0.02)


async def test_the_load_is_spread_and_no_other_address_is_learned() -> None:
    async with nodes(None, None, None) as (clusters, engine):
        for _ in range(9):
            await ask(engine)
        assert [len(cluster.asked) for cluster in clusters] == [3, 3, 3]
        assert {request.path for cluster in clusters for request in cluster.asked} == {"/cities/_search"}


async def test_a_node_that_takes_no_connection_is_left_for_the_next() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        async with running(Cluster()) as address:
            engine = ElasticsearchEngine(ElasticsearchAccess([f"http://127.0.0.1:{full.getsockname()[1]}", address]))
            answers = [await ask(engine, timeout_seconds=10) for _ in range(2)]
            assert [answer.hit_count for answer in answers] == [3, 3]
            await engine.close()
        for one in waiting:
            one.close()


async def test_each_address_that_does_not_answer_is_named_to_the_operator() -> None:
    async with running(Cluster()) as address:
        engine = ElasticsearchEngine(ElasticsearchAccess([NOBODY, address]))
        health = await engine.check()
        assert health.healthy
        assert f"warning: {NOBODY}: the search engine cannot be reached" in health.detail
        await engine.close()
