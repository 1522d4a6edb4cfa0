"""Elasticsearch behind the port: `_search` on one index, the answer's bytes untouched, each fault one of our errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import structlog

from common.search.emit import emit_body
from common.search.indices import check_index_name
from response_svc.search.answer_head import AnswerHead, NotAnAnswerError, read_head, read_object
from response_svc.search.answers import (
    EngineAnswer,
    EngineHealth,
    EngineRefusedError,
    EngineUnavailableError,
    PartialResultError,
    ResultTooLargeError,
)
from response_svc.search.connection import Connection, ElasticsearchAccess
from response_svc.search.field_list import carried, check_one_index, read_field_capabilities
from response_svc.search.standing import look

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlock.search.v1.search_pb2 import Search

log = structlog.get_logger("response.search")

# The server's own timeout comes first, so that it can say which shards were late.
_CLIENT_GRACE_SECONDS: Final = 2.0
_FIELDS_SECONDS: Final = 15.0
_FIELDS_BYTES: Final = 8 * 1024 * 1024


class ElasticsearchEngine:
    """A cluster of version 8 or 9. It is only ever searched."""

    def __init__(self, access: ElasticsearchAccess) -> None:
        self._connection = Connection(access)

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
        body = await self._connection.ask(
            "POST",
            f"/{quote(index, safe='')}/_search",
            parameters=parameters,
            body=emit_body(search),
            seconds=timeout_seconds + _CLIENT_GRACE_SECONDS,
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
            answer = read_object(
                await self._connection.ask(
                    "GET", path, parameters=parameters, seconds=_FIELDS_SECONDS, max_bytes=_FIELDS_BYTES
                )
            )
            check_one_index(index, answer)
            return carried(index, read_field_capabilities(answer))
        except ResultTooLargeError:
            raise EngineRefusedError(f"the list of the fields of {index} is too long; allow one with fewer") from None
        except NotAnAnswerError as error:
            log.warning("engine_answer_unreadable", index=index, reason=str(error))
            raise EngineUnavailableError("the search engine's answer names no fields; try again later") from error

    async def check(self) -> EngineHealth:
        """Which addresses answer, the cluster's state and version, and what the account may do too much."""
        return await look(self._connection)

    async def close(self) -> None:
        """Closes the connections."""
        await self._connection.close()


def _partial(head: AnswerHead) -> PartialResultError:
    cause = "did not finish in time" if head.timed_out else f"lacks {head.shards_failed} shards"
    return PartialResultError(f"the search engine {cause}; accept a partial answer or try again later")
