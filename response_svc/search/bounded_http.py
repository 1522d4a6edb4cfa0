"""The official client's connection to one node: answers and time are bounded, nothing is unpacked or followed.

For every `ConnectionError` that is raised here the client's pool asks the next node, and puts this one aside a while.
"""

from __future__ import annotations

import asyncio
import io
import os
import ssl
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import aiohttp
import orjson
from elastic_transport import (
    AiohttpHttpNode,
    ApiResponseMeta,
    ConnectionError,  # noqa: A004 - the client's own, which its pool catches.
    ConnectionTimeout,
    HttpHeaders,
    Serializer,
    TlsError,
)
from elastic_transport._node import NodeApiResponse  # It has no public name.
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CONNECT_SECONDS: Final = 3.0
"""A node that does not even take a connection is left after this for another one."""
_REASON_BYTES: Final = 64 * 1024
"""Of an answer that is no result; only the reason in it is shown."""
_OK: Final = 200
_PASSED_ON: Final = frozenset({_OK, 400, 401, 402, 403, 404, 409})
"""Statuses for which the client's pool does not take the node for a dead one."""
_BAD_GATEWAY, _UNAVAILABLE = 502, 503
_ASKED_OF_SHARDS: Final = "search_phase_execution_exception"
_JSON_KINDS: Final = frozenset({"application/json", "application/vnd.elasticsearch+json"})


class AnswerTooLongError(ValueError):
    """The answer is longer than the caller takes; the connection is dropped. A ValueError passes through the client."""


class UnreadableAnswerError(ValueError):
    """The answer is not JSON as it stands: another type, or packed although that was not asked for."""


class TimeIsOverError(ValueError):
    """There is no time left to ask a node."""


class LostAnswerError(ValueError):
    """Two nodes in turn broke off while they worked on the same search; a third is not put at risk."""


class StatusError(ValueError):
    """A status that says something about the search or the cluster, not about the node that told it."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.body = body


class NodeOutError(ConnectionError):
    """The node is there and no part of the cluster, or what stands before it cannot reach it."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.body = body


class UnreachableNodeError(ConnectionError):
    """The node gave no whole answer; `cause` says why in words that name no host."""

    def __init__(self, cause: str, error: Exception) -> None:
        super().__init__(str(error))
        self.cause = cause


class UntrustedNodeError(TlsError):
    """The handshake failed, for the reason that `cause` is: the pool overwrites `errors`."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(slots=True)
class Bounds:
    """How much and how long the nodes that are asked in turn may answer together."""

    max_bytes: int
    deadline: float
    has_fellows: bool
    broken_off: int = 0


_bounds: ContextVar[Bounds] = ContextVar("bounds")


@contextmanager
def bounded(max_bytes: int, seconds: float, *, has_fellows: bool) -> Iterator[None]:
    """Bounds what is asked inside the block; `has_fellows` where there are other nodes to ask."""
    token = _bounds.set(Bounds(max_bytes, asyncio.get_running_loop().time() + seconds, has_fellows))
    try:
        yield
    finally:
        _bounds.reset(token)


class BoundedNode(AiohttpHttpNode):
    """The client's node with answers that are bounded, and with its own errors told apart by what helps."""

    async def perform_request(  # type: ignore[override] # As the original's.
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: object = None,
    ) -> NodeApiResponse:
        """One question to this node. Redirects are not followed: they would carry the password elsewhere."""
        bounds, loop = _bounds.get(), asyncio.get_running_loop()
        started = loop.time()
        if started >= bounds.deadline:
            raise TimeIsOverError
        if self.session is None:
            self._create_aiohttp_session()
        assert self.session is not None
        try:
            async with self.session.request(
                method,
                URL(self.base_url + target, encoded=True),
                data=body,
                headers={**self._headers, **(headers or {})},
                timeout=aiohttp.ClientTimeout(total=bounds.deadline - started, sock_connect=_CONNECT_SECONDS),
                allow_redirects=False,
            ) as response:
                content = await _read(response, bounds.max_bytes)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise _told(error, bounds, loop.time()) from None
        if response.status not in _PASSED_ON:
            raise _status_error(response.status, content, bounds)
        kind, given = HttpHeaders(response.headers), loop.time() - started
        return NodeApiResponse(ApiResponseMeta(response.status, "1.1", kind, given, self.config), content)

    def _create_aiohttp_session(self) -> None:
        """As the original, but that no answer is unpacked: a small one could become a very large one."""
        self._loop = asyncio.get_running_loop()
        self.session = aiohttp.ClientSession(
            headers=self.headers,
            skip_auto_headers=("accept", "accept-encoding", "user-agent"),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit_per_host=self._connections_per_node, ssl=self._ssl_context or False),
        )


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The whole answer, built in one piece of memory. The reason of a refusal is left out where it is too long."""
    is_result = response.status == _OK
    if is_result:
        _check_kind(response.headers)
    limit = max_bytes if is_result else min(max_bytes, _REASON_BYTES)
    content, length = io.BytesIO(), response.content_length or 0
    while length <= limit and (chunk := await response.content.readany()):
        content.write(chunk)
        length = content.tell()
    if length <= limit:
        return content.getvalue()
    response.close()
    if is_result:
        raise AnswerTooLongError
    return b""


def _check_kind(headers: Mapping[str, str]) -> None:
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnreadableAnswerError("it is packed, which was not asked for")
    if headers.get("content-type", "").split(";")[0].strip().lower() not in _JSON_KINDS:
        raise UnreadableAnswerError("it is of another type than JSON")


def _told(error: Exception, bounds: Bounds, now: float) -> Exception:
    """What the client's pool is told: a ConnectionError makes it ask the next node at once."""
    if isinstance(error, TimeoutError) and now >= bounds.deadline:
        return ConnectionTimeout("the time is over", errors=(error,))
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return UntrustedNodeError(error)
    if not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        # It broke off after it was asked. A connection that had been idle may, but so may a node that the search ruins.
        bounds.broken_off += 1
        if bounds.broken_off > 1:
            return LostAnswerError(str(error))
    return UnreachableNodeError(_cause(error), error)


def _cause(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "its name is not known"
        case aiohttp.ConnectionTimeoutError():
            return f"it takes no connection within {_CONNECT_SECONDS:g} s"
        case aiohttp.ClientConnectorError():
            return (
                f"it takes no connection ({os.strerror(error.errno) if error.errno else type(error.os_error).__name__})"
            )
    return "it broke off, or what it speaks is no HTTP"


def _status_error(status: int, body: bytes, bounds: Bounds) -> Exception:
    """502, and 503 unless it tells of shards, come from a node that is out; its fellows may well answer.

    Any other is told as it is: all nodes share the shards, so the next would say the same, and one that is asked too
    much (429), or spent the whole time (504), is not helped by asking its fellows for the same once more.
    """
    is_out = status == _BAD_GATEWAY or (status == _UNAVAILABLE and _kind(body) != _ASKED_OF_SHARDS)
    return NodeOutError(status, body) if is_out and bounds.has_fellows else StatusError(status, body)


def _kind(body: bytes) -> object:
    try:
        error = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return error.get("type") if isinstance(error, dict) else None


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
