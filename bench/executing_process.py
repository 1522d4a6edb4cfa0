"""What a worker's process spends on all that waits, and what the bare client spends on the same searches.

`python -m bench.executing_process SEARCHES` takes the Response Network's settings from the environment and prints one
line of JSON: milliseconds of processor time for each query.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Final

import uvloop
from elasticsearch import AsyncElasticsearch

from bench.executing_mix import INDEX, bodies
from common import logging
from common.settings import load_settings
from response_svc.app import build_app
from response_svc.settings import ResponseSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

AT_ONCE: Final = 8


async def executed(settings: ResponseSettings) -> dict[str, float]:
    """Milliseconds for each request of the queue, by this service's own parts."""
    app = await build_app(settings)
    try:
        before = time.process_time()
        outcomes = await app.executors.run()
        spent = time.process_time() - before
    finally:
        await app.close()
    if outcomes.keys() != {"completed"}:
        raise SystemExit(f"not everything was completed, so the figures mean nothing: {outcomes}")
    return {"queries": outcomes["completed"], "milliseconds": spent / outcomes["completed"] * 1000}


async def asked(url: str, searches: Sequence[bytes]) -> float:
    """Milliseconds for each search by the official client alone, as many at once as the executor asks."""
    client = AsyncElasticsearch(url)
    left = iter(searches)

    async def caller() -> None:
        for body in left:
            await client.search(index=INDEX, body=json.loads(body))

    try:
        await client.search(index=INDEX)
        before = time.process_time()
        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
        return (time.process_time() - before) / len(searches) * 1000
    finally:
        await client.close()


async def main(searches: int) -> None:
    """Both, one after the other."""
    settings = load_settings(ResponseSettings)
    logging.configure(settings, "worker")
    figures = await executed(settings)
    assert settings.elasticsearch_url is not None, "the searches need a server"
    figures["bare"] = await asked(settings.elasticsearch_url, bodies(searches))
    print(json.dumps(figures))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
