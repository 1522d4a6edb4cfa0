"""A server that answers every search as Elasticsearch would, from memory, so that only the asker's cost is measured.

`python -m bench.canned_engine` prints its port and serves until its standard input ends. The index `large` has an
answer of 30 MiB, every other one of ten hits.
"""

from __future__ import annotations

import asyncio
import sys
from functools import cache
from typing import Final

import orjson

LARGE_INDEX: Final = "large"
LARGE_BYTES: Final = 30 * 1024 * 1024
_HIT_BYTES: Final = 32 * 1024
_HEADERS: Final = "content-type: application/json\r\nx-elastic-product: Elasticsearch\r\n"


@cache
def answer(index: str) -> bytes:
    """The one answer of an index."""
    large = index == LARGE_INDEX
    texts = ["x" * _HIT_BYTES] * (LARGE_BYTES // _HIT_BYTES) if large else ["Tehran"] * 10
    hits = [
        {"_index": index, "_id": str(place), "_score": 1.0, "_source": {"name": text, "country": "IR", "people": place}}
        for place, text in enumerate(texts)
    ]
    return orjson.dumps(
        {
            "took": 1,
            "timed_out": False,
            "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
            "hits": {"total": {"value": len(hits), "relation": "eq"}, "max_score": 1.0, "hits": hits},
        }
    )


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: a request, its answer, and so on until the client goes."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            line, *fields = head.decode().split("\r\n")
            named = dict(field.lower().split(": ", 1) for field in fields if field)
            await reader.readexactly(int(named.get("content-length", "0")))
            body = answer(line.split(" ")[1].split("/")[1])
            writer.write(f"HTTP/1.1 200 OK\r\n{_HEADERS}content-length: {len(body)}\r\n\r\n".encode())
            writer.write(body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def serve() -> None:
    """Until standard input ends."""
    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
