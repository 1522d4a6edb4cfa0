"""Elasticsearch behind the port: `_search` on one index, the answer's bytes untouched, each fault one of our errors."""

from __future__ import annotations

import base64
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

import structlog
from elastic_transport import ConnectionTimeout, TransportError
from elastic_transport.client_utils import DEFAULT
from elasticsearch import ApiError, AsyncElasticsearch, ElasticsearchWarning

from common.search.emit import emit_body
from common.search.indices import check_index_name
from response_svc.search.answer_head import AnswerHead, NotAnAnswerError, read_head, read_object
from response_svc.search.answers import (
    EngineAnswer,
    EngineError,
    EngineHealth,
    EngineRefusedError,
    EngineTimeoutError,
    EngineUnavailableError,
    PartialResultError,
    ResultTooLargeError,
)
from response_svc.search.bounded_http import AnswerTooLongError, BoundedNode, Untouched, answer_limit
from response_svc.search.field_list import carried, read_field_capabilities
from response_svc.search.refusal import NotPermittedError, error_of_status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from airlock.search.v1.search_pb2 import Search

log = structlog.get_logger("response.search")

NAME: Final = "elasticsearch"
_CONNECTIONS: Final = 32
# The server's own timeout comes first, so that it can say which shards were late.
_CLIENT_GRACE_SECONDS: Final = 2.0
_CHECK_SECONDS: Final = 3.0
_CHECK_BYTES: Final = 64 * 1024
_FIELDS_SECONDS: Final = 15.0
_FIELDS_BYTES: Final = 8 * 1024 * 1024
_JSON: Final = {"accept": "application/json", "content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class ElasticsearchAccess:
    """Where the cluster is and how to be let in: by name and password, by API key, or freely."""

    url: str
    username: str | None = None
    password: str | None = None
    api_key: str | None = None
    ca_file: Path | None = None


class ElasticsearchEngine:
    """A cluster of version 8 or 9. It is only ever searched."""

    def __init__(self, access: ElasticsearchAccess) -> None:
        # Deprecation notes of the server would be one line on standard error for each answer.
        warnings.simplefilter("ignore", ElasticsearchWarning)
        self._client = AsyncElasticsearch(
            hosts=[_with_port(access.url)],
            basic_auth=_basic_auth(access),
            api_key=access.api_key,
            ca_certs=str(access.ca_file) if access.ca_file is not None else DEFAULT,
            node_class=BoundedNode,
            serializers={Untouched.mimetype: Untouched()},
            connections_per_node=_CONNECTIONS,
            # Whether to try again is decided by whoever holds the request.
            max_retries=0,
            retry_on_timeout=False,
        )

    async def search(
        self, index: str, search: Search, *, timeout_seconds: float, max_bytes: int, accept_partial: bool
    ) -> EngineAnswer:
        """The answer of exactly one index; raises EngineError."""
        check_index_name(index)
        parameters = {
            "allow_partial_search_results": str(accept_partial).lower(),
            "expand_wildcards": "none",
            "timeout": f"{int(timeout_seconds * 1000)}ms",
        }
        body = await self._ask(
            "POST",
            f"/{quote(index, safe='')}/_search",
            parameters=parameters,
            body=emit_body(search),
            timeout_seconds=timeout_seconds + _CLIENT_GRACE_SECONDS,
            max_bytes=max_bytes,
        )
        try:
            head = read_head(body)
        except NotAnAnswerError as error:
            log.warning("engine_answer_unreadable", index=index, reason=str(error), length=len(body))
            raise EngineUnavailableError("the search engine's answer is no search result; try again later") from error
        if head.is_partial and not accept_partial:
            raise _partial(head)
        return EngineAnswer(body=body, took_ms=head.took_ms, hit_count=head.hit_count, partial=head.is_partial)

    async def fields(self, index: str) -> Mapping[str, str]:
        """The type of each field of exactly one index; raises EngineError. The right to read is enough for it."""
        check_index_name(index)
        parameters = {"fields": "*", "expand_wildcards": "none", "ignore_unavailable": "false"}
        path = f"/{quote(index, safe='')}/_field_caps"
        try:
            body = await self._ask(
                "GET",
                path,
                parameters=parameters,
                body=None,
                timeout_seconds=_FIELDS_SECONDS,
                max_bytes=_FIELDS_BYTES,
            )
            return carried(index, read_field_capabilities(read_object(body)))
        except ResultTooLargeError:
            raise EngineRefusedError(f"the list of the fields of {index} is too long; allow one with fewer") from None
        except NotAnAnswerError as error:
            log.warning("engine_answer_unreadable", index=index, reason=str(error))
            raise EngineUnavailableError("the search engine's answer names no fields; try again later") from error

    async def check(self) -> EngineHealth:
        """The cluster's state and version, as far as the account may see them."""
        try:
            health = await self._json("/_cluster/health")
        except NotPermittedError as error:
            # An account that may only search is what we ask for: being known is enough.
            healthy = await self._is_known()
            detail = "reachable" if healthy else error.message
            return EngineHealth(NAME, "unknown", healthy=healthy, detail=detail, reachable=healthy)
        except EngineError as error:
            return EngineHealth(NAME, "unknown", healthy=False, detail=error.message, reachable=False)
        status = str(health.get("status", "unknown"))
        detail = f"status {status}"
        return EngineHealth(NAME, await self._version(), healthy=status != "red", detail=detail)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def _is_known(self) -> bool:
        try:
            await self._json("/_security/_authenticate")
        except EngineError:
            return False
        return True

    async def _version(self) -> str:
        try:
            version = (await self._json("/")).get("version")
        except EngineError:
            return "unknown"
        return str(version.get("number", "unknown")) if isinstance(version, dict) else "unknown"

    async def _json(self, path: str) -> dict[str, object]:
        """A small answer as an object."""
        try:
            body = await self._ask(
                "GET", path, parameters={}, body=None, timeout_seconds=_CHECK_SECONDS, max_bytes=_CHECK_BYTES
            )
            return read_object(body)
        except NotAnAnswerError:
            raise EngineUnavailableError("the search engine's answer is not JSON; try again later") from None

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        parameters: dict[str, str],
        body: bytes | None,
        timeout_seconds: float,
        max_bytes: int,
    ) -> bytes:
        client = self._client.options(request_timeout=timeout_seconds)
        try:
            with answer_limit(max_bytes):
                answer = await client.perform_request(method, path, params=parameters, headers=_JSON, body=body)
        except AnswerTooLongError:
            raise ResultTooLargeError(
                f"the answer is larger than {max_bytes} bytes; ask for fewer hits or fields"
            ) from None
        except ApiError as error:
            log.debug("engine_refused", path=path, status=error.status_code)
            raise error_of_status(error.status_code, error.body) from None
        except ConnectionTimeout:
            raise EngineTimeoutError(f"the search engine did not answer within {timeout_seconds:g} s") from None
        except TransportError as error:
            log.warning("engine_unreachable", path=path, error=type(error).__name__, detail=str(error)[:500])
            raise EngineUnavailableError("the search engine cannot be reached; try again later") from None
        if not isinstance(answer.body, bytes):
            raise EngineUnavailableError("the search engine's answer is not JSON; try again later")
        return answer.body


def _basic_auth(access: ElasticsearchAccess) -> str | None:
    """Name and password encoded here, since the client takes ASCII only; an API key goes before them."""
    if access.api_key is not None or access.username is None:
        return None
    return base64.b64encode(f"{access.username}:{access.password or ''}".encode()).decode()


def _with_port(url: str) -> str:
    """The URL with the port of its scheme where it names none; the client insists on one."""
    parts = urlsplit(url)
    if parts.port is not None:
        return url
    return parts._replace(netloc=f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}").geturl()


def _partial(head: AnswerHead) -> PartialResultError:
    cause = "did not finish in time" if head.timed_out else f"lacks {head.shards_failed} shards"
    return PartialResultError(f"the search engine {cause}; accept a partial answer or try again later")
