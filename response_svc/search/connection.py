"""Asks a cluster through the official client and its pool of nodes, and turns each fault into one of our errors."""

from __future__ import annotations

import base64
import logging
import ssl
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import structlog
from elastic_transport import ConnectionTimeout, TransportError
from elastic_transport.client_utils import DEFAULT
from elasticsearch import ApiError, AsyncElasticsearch, ElasticsearchWarning, UnsupportedProductError

from response_svc.search.answers import EngineTimeoutError, EngineUnavailableError, ResultTooLargeError
from response_svc.search.bounded_http import (
    AnswerTooLongError,
    BoundedNode,
    LostAnswerError,
    NodeOutError,
    StatusError,
    TimeIsOverError,
    UnreachableNodeError,
    UnreadableAnswerError,
    Untouched,
    UntrustedNodeError,
    bounded,
)
from response_svc.search.refusal import error_of_status
from response_svc.search.trust import distrust

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from response_svc.search.answers import EngineError

log = structlog.get_logger("response.search")

_CONNECTIONS: Final = 32
_JSON: Final = {"accept": "application/json", "content-type": "application/json"}
_COMMON_FAULTS: Final = (ApiError, TransportError, AnswerTooLongError, LostAnswerError, StatusError, TimeIsOverError,
                         UnreadableAnswerError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ElasticsearchAccess:
    """Where the nodes are and how to be let in: by name and password, by API key, or freely."""

    addresses: Sequence[str]
    username: str | None = None
    password: str | None = None
    api_key: str | None = None
    ca_file: Path | None = None


class Connection:
    """A cluster, asked at one of its addresses after the other. No other address is ever learned from it."""

    def __init__(self, access: ElasticsearchAccess) -> None:
        # Deprecation notes of the server would be one line on standard error for each answer.
        warnings.simplefilter("ignore", ElasticsearchWarning)
        # A node that is passed over is named by the pool; the transport would add where in our code that was seen.
        logging.getLogger("elastic_transport.transport").setLevel(logging.ERROR)
        self.addresses = tuple(access.addresses)
        self._access = access
        secure = self.addresses[0].startswith("https:")
        # Without a file of ours the authorities of the system count, to which a site adds its own.
        self._trust = ssl.create_default_context(cafile=access.ca_file) if secure else DEFAULT
        self._client = self._client_of(self.addresses)
        self._single = {self.addresses[0]: self._client} if len(self.addresses) == 1 else {}

    @property
    def tells_secrets(self) -> bool:
        """Whether a password or a key leaves this host in the open."""
        has_secret = self._access.username is not None or self._access.api_key is not None
        return has_secret and any(_leaves_openly(address) for address in self.addresses)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        seconds: float,
        max_bytes: int,
        parameters: dict[str, str] | None = None,
        body: bytes | None = None,
        address: str | None = None,
    ) -> bytes:
        """The answer's JSON, of the node at `address` or of any; raises EngineError. `seconds` are for all of it."""
        client = self._client if address is None else self._client_of_one(address)
        try:
            with bounded(max_bytes, seconds, has_fellows=client is self._client and len(self.addresses) > 1):
                answer = await client.perform_request(method, path, params=parameters or {}, headers=_JSON, body=body)
        except _COMMON_FAULTS as error:
            raise _error_of(error, path, seconds, max_bytes) from None
        assert isinstance(answer.body, bytes), "the node lets nothing but JSON through, which is not read"
        return answer.body

    async def close(self) -> None:
        """Closes the connections."""
        for client in (self._client, *self._single.values()):
            await client.close()

    def _client_of_one(self, address: str) -> AsyncElasticsearch:
        """A client that asks nobody else, to look at one node alone."""
        if address not in self._single:
            self._single[address] = self._client_of([address])
        return self._single[address]

    def _client_of(self, addresses: Sequence[str]) -> AsyncElasticsearch:
        return AsyncElasticsearch(
            hosts=list(addresses),
            basic_auth=_basic_auth(self._access),
            api_key=self._access.api_key,
            ssl_context=self._trust,
            node_class=BoundedNode,
            serializers={Untouched.mimetype: Untouched()},
            connections_per_node=_CONNECTIONS,
            # How often a node is passed over for another. With one, an idle connection that was cut is made anew.
            max_retries=max(len(addresses) - 1, 1),
            retry_on_timeout=False,
            retry_on_status=(),
        )


def _basic_auth(access: ElasticsearchAccess) -> str | None:
    """Name and password encoded here, since the client takes ASCII only; an API key goes before them."""
    if access.api_key is not None or access.username is None:
        return None
    return base64.b64encode(f"{access.username}:{access.password or ''}".encode()).decode()


def _leaves_openly(address: str) -> bool:
    parts = urlsplit(address)
    host = parts.hostname or ""
    return parts.scheme == "http" and host not in {"localhost", "::1"} and not host.startswith("127.")


def _error_of(error: Exception, path: str, seconds: float, max_bytes: int) -> EngineError:
    match error:
        case StatusError() | NodeOutError():
            log.debug("engine_refused", path=path, status=error.status)
            return error_of_status(error.status, error.body)
        case UnsupportedProductError():
            return EngineUnavailableError(
                "what answers there is no Elasticsearch; an operator must correct ELASTICSEARCH_URL"
            )
        case ApiError():
            log.debug("engine_refused", path=path, status=error.status_code)
            return error_of_status(error.status_code, error.body)
        case AnswerTooLongError():
            return ResultTooLargeError(f"the answer is larger than {max_bytes} bytes; ask for fewer hits or fields")
        case ConnectionTimeout() | TimeIsOverError():
            return EngineTimeoutError(f"the search engine did not answer within {seconds:g} s")
        case UnreadableAnswerError():
            log.warning("engine_answer_unreadable", path=path, reason=str(error))
            return EngineUnavailableError("the search engine's answer is not JSON; try again later")
    log.warning("engine_unreachable", path=path, error=type(error).__name__, detail=str(error)[:500])
    if isinstance(error, UntrustedNodeError):
        return distrust(error)
    cause = error.cause if isinstance(error, UnreachableNodeError) else "it broke off while it answered"
    return EngineUnavailableError(f"the search engine cannot be reached: {cause}; try again later")
