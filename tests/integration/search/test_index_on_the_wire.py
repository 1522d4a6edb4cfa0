"""Whatever is given as the name of an index, what reaches the cluster is a search of exactly one, or nothing."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from urllib.parse import unquote

from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import QueryInvalidError
from response_svc.search.answers import EngineError
from response_svc.search.connection import ElasticsearchAccess
from response_svc.search.elasticsearch import ElasticsearchEngine
from tests.integration.search.fake_cluster import ask

PIECES = (
    "a", "logs", "*", "?", ",", "_all", "<logs-{now/d}>", "..", ".", "/", "\\", "%2f", "%2F", "%00", "%25", ":",
    "remote:", "#", " ", "\t", "\r\n", "\0", "-", "+", "_", "_search", "HTTP/1.1", "é", "کتاب", "\u202e", "\uff0f",
    "\u2024", "\ud800", "A", "&", "=", ";", "@", "[", "]", "|", '"', "'", "~",
)  # fmt: skip
NAMES = st.one_of(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join), st.text(max_size=300))
LINE = re.compile(rb"(POST|GET) /([^/?# ]+)/(_search|_field_caps)\?[^ ]* HTTP/1\.1")


async def lines_of(name: str) -> list[bytes]:
    """The first lines of what is sent for a search, and for the fields, of an index of that name."""
    seen = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readline())
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    engine = ElasticsearchEngine(ElasticsearchAccess([f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"]))
    with suppress(QueryInvalidError, EngineError):
        await ask(engine, index=name)
    with suppress(QueryInvalidError, EngineError):
        await engine.fields(name)
    await engine.close()
    server.close()
    return seen


@settings(max_examples=300, deadline=None)
@given(NAMES)
def test_the_path_has_one_segment_and_the_very_name(name: str) -> None:
    for line in asyncio.run(lines_of(name)):
        found = LINE.fullmatch(line.rstrip(b"\r\n"))
        assert found, line
        segment = unquote(found[2].decode(), errors="strict")
        assert segment == name
        assert not set('*?,/\\<>|:#% "') & set(segment)
        assert segment[:1] not in {"_", "-", "+", "."}
        assert ".." not in segment
