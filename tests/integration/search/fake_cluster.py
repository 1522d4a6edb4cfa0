"""A small server that plays a node of Elasticsearch and every way in which one can fail; the real client meets it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.test_utils import TestServer

from common.search.body import read_body

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from response_svc.search.answers import EngineAnswer
    from response_svc.search.elasticsearch import ElasticsearchEngine

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PRODUCT = {"x-elastic-product": "Elasticsearch"}
SHARDS = {"total": 2, "successful": 2, "skipped": 0, "failed": 0}
WHOLE = {
    "took": 7,
    "timed_out": False,
    "_shards": SHARDS,
    "hits": {"total": {"value": 3, "relation": "eq"}, "max_score": None, "hits": []},
}


class Cluster:
    """A server that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.handler: Handler = text(200, json.dumps(WHOLE))
        self.asked: list[web.Request] = []
        self.bodies: list[bytes] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.bodies.append(await request.read())
        return await self.handler(request)


def text(status: int, body: str | bytes, *, kind: str = "application/json") -> Handler:
    content = body if isinstance(body, bytes) else body.encode()

    async def handle(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=content, content_type=kind, headers=PRODUCT)

    return handle


def fault(status: int, kind: str, reason: str) -> Handler:
    cause = {"type": kind, "reason": reason}
    return text(status, json.dumps({"error": {"root_cause": [cause], **cause}, "status": status}))


@asynccontextmanager
async def running(cluster: Cluster, *, trust: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The address of a cluster that listens; over https where it has a certificate."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", cluster.answer)
    server = TestServer(application)
    await server.start_server(ssl=trust)
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


async def ask(
    engine: ElasticsearchEngine,
    body: str = "{}",
    *,
    index: str = "cities",
    accept_partial: bool = False,
    max_bytes: int = 100_000,
    timeout_seconds: float = 5,
) -> EngineAnswer:
    return await engine.search(
        index,
        read_body(body.encode()),
        timeout_seconds=timeout_seconds,
        max_bytes=max_bytes,
        accept_partial=accept_partial,
    )
