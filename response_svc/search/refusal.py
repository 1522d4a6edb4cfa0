"""What a status other than 200 from Elasticsearch means, with the engine's own reason where it concerns the query."""

from __future__ import annotations

from typing import Any, Final

import orjson

from response_svc.search.answers import (
    EngineError,
    EngineOverloadedError,
    EngineRefusedError,
    EngineTimeoutError,
    EngineUnavailableError,
    NoSuchIndexError,
    PartialResultError,
    SearchUnavailableError,
)

_UNAUTHENTICATED: Final = 401
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_TOO_MANY: Final = 429
_TIMEOUTS: Final = frozenset({408, 504})
_OVERLOADED: Final = frozenset({429, 502, 503})
_SERVER_ERRORS: Final = 500
_ALL_SHARDS_FAILED: Final = "search_phase_execution_exception"
"""What Elasticsearch calls it when no shard of the searched index can answer; other indices may be whole."""
_MAX_REASON: Final = 500


class NotPermittedError(EngineUnavailableError):
    """The engine does not let the service in: a matter for an operator, not for the asker."""


class IndexNotPermittedError(SearchUnavailableError, NotPermittedError):
    """The service may not search this index, or not do this."""


def error_of_status(status: int, body: object) -> EngineError:
    """The error for a status. Reasons are shown for refused queries only; whatever else the engine says stays here."""
    if status == _UNAUTHENTICATED:
        return NotPermittedError(
            f"the search engine does not let the service in ({status}); an operator must check ELASTICSEARCH_* settings"
        )
    if status == _FORBIDDEN:
        return IndexNotPermittedError(
            f"the search engine does not let the service search there ({status}); an operator must check its role"
        )
    kind, reason = _kind_and_reason(body)
    if status in _TIMEOUTS or "Time exceeded" in reason:
        return EngineTimeoutError("the search engine did not finish in time; ask for less or try again later")
    if "Partial shards failure" in reason:
        return PartialResultError("part of the index did not answer; accept a partial answer or try again later")
    if status >= _SERVER_ERRORS and (status not in _OVERLOADED or kind == _ALL_SHARDS_FAILED):
        return SearchUnavailableError(f"the search engine cannot answer this search (status {status}); try again later")
    if status in _OVERLOADED:
        unavailable = EngineOverloadedError if status == _TOO_MANY else EngineUnavailableError
        return unavailable(f"the search engine cannot answer now (status {status}); try again later")
    if status == _NOT_FOUND:
        return NoSuchIndexError(f"the search engine refuses the search: {reason or 'no such index'}")
    return EngineRefusedError(f"the search engine refuses the search: {reason or f'status {status}'}")


def _kind_and_reason(body: object) -> tuple[str, str]:
    """The engine's outermost error type, and the innermost reason that it gives, printable and short."""
    try:
        parsed = orjson.loads(body) if isinstance(body, bytes) else None
    except orjson.JSONDecodeError:
        return "", ""
    error = parsed.get("error") if isinstance(parsed, dict) else None
    kind = error.get("type") if isinstance(error, dict) else None
    found = error if isinstance(error, str) else _innermost(error) if isinstance(error, dict) else ""
    printable = "".join(character if character.isprintable() else " " for character in found[:_MAX_REASON])
    return kind if isinstance(kind, str) else "", printable + ("…" if len(found) > _MAX_REASON else "")


def _innermost(error: dict[str, Any]) -> str:
    causes = error.get("root_cause")
    if isinstance(causes, list) and causes and isinstance(causes[0], dict):
        error = causes[0]
    reason = error.get("reason")
    return reason if isinstance(reason, str) else ""
