"""The official client's connection, except that an answer is counted while it is read and its bytes are left alone."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Final

import aiohttp
from elastic_transport import AiohttpHttpNode, Serializer

if TYPE_CHECKING:
    from collections.abc import Iterator

_READ_BYTES: Final = 256 * 1024

_limit: ContextVar[int] = ContextVar("answer_limit")


class AnswerTooLongError(ValueError):
    """The answer is longer than the caller takes; the connection is dropped. A ValueError passes through the client."""


@contextmanager
def answer_limit(max_bytes: int) -> Iterator[None]:
    """Bounds the answers that are read inside the block."""
    token = _limit.set(max_bytes)
    try:
        yield
    finally:
        _limit.reset(token)


class BoundedResponse(aiohttp.ClientResponse):
    """An answer that is given up once it is too long."""

    async def read(self) -> bytes:
        """The whole answer; raises AnswerTooLongError as soon as it is known to be too long."""
        limit = _limit.get()
        chunks, length = [], self.content_length or 0
        if length <= limit:
            length = 0
            async for chunk in self.content.iter_chunked(_READ_BYTES):
                length += len(chunk)
                if length > limit:
                    break
                chunks.append(chunk)
        if length > limit:
            self.close()
            raise AnswerTooLongError
        return b"".join(chunks)


class BoundedNode(AiohttpHttpNode):
    """The client's node with bounded answers."""

    def _create_aiohttp_session(self) -> None:
        """As the original, which leaves no way to name the class of the answers."""
        self._loop = asyncio.get_running_loop()
        self.session = aiohttp.ClientSession(
            headers=self.headers,
            skip_auto_headers=("accept", "accept-encoding", "user-agent"),
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=BoundedResponse,
            connector=aiohttp.TCPConnector(limit_per_host=self._connections_per_node, ssl=self._ssl_context or False),
        )


class Untouched(Serializer):
    """JSON that is neither read nor written by the client."""

    mimetype: ClassVar[str] = "application/json"

    def loads(self, data: bytes) -> bytes:
        """The bytes as they came."""
        return data

    def dumps(self, data: Any) -> bytes:  # noqa: ANN401 # The client's own signature.
        """The bytes as they are to be sent."""
        assert isinstance(data, bytes), "bodies are written before they get here"
        return data
