"""What a status other than 200 from Elasticsearch means, with the engine's own reason where it concerns the query."""

from __future__ import annotations

from typing import Any, Final

import orjson

from response_svc.search.answers import (
    EngineError,
    EngineRefusedError,
    EngineTimeoutError,
    EngineUnavailableError,
    PartialResultError,
)

_UNAUTHENTICATED: Final = 401
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_TIMEOUTS: Final = frozenset({408, 504})
_OVERLOADED: Final = frozenset({429, 502, 503})
_SERVER_ERRORS: Final = 500
_MAX_REASON: Final = 500


class NotPermittedError(EngineUnavailableError):
    """The engine does not let the service in, or not there: a matter for an operator, not for the asker."""


def error_of_status(status: int, body: object) -> EngineError:
    """The error for a status. Reasons are shown for refused queries only; whatever else the engine says stays here."""
    if status in {_UNAUTHENTICATED, _FORBIDDEN}:
        return NotPermittedError(
            f"the search engine does not let the service in ({status}); an operator must check ELASTICSEARCH_* settings"
        )
    reason = _reason(body)
    if status in _TIMEOUTS or "Time exceeded" in reason:
        return EngineTimeoutError("the search engine did not finish in time; ask for less or try again later")
    if "Partial shards failure" in reason:
        return PartialResultError("part of the index did not answer; accept a partial answer or try again later")
    if status in _OVERLOADED or status >= _SERVER_ERRORS:
        return EngineUnavailableError(f"the search engine cannot answer now (status {status}); try again later")
    if status == _NOT_FOUND and not reason:
        reason = "no such index"
    return EngineRefusedError(f"the search engine refuses the search: {reason or f'status {status}'}")


def _reason(body: object) -> str:
    """The innermost reason that the engine gives, printable and short."""
    try:
        parsed = orjson.loads(body) if isinstance(body, bytes) else None
    except orjson.JSONDecodeError:
        return ""
    error = parsed.get("error") if isinstance(parsed, dict) else None
    found = error if isinstance(error, str) else _innermost(error) if isinstance(error, dict) else ""
    printable = "".join(character if character.isprintable() else " " for character in found[:_MAX_REASON])
    return printable + ("…" if len(found) > _MAX_REASON else "")


def _innermost(error: dict[str, Any]) -> str:
    causes = error.get("root_cause")
    if isinstance(causes, list) and causes and isinstance(causes[0], dict):
        error = causes[0]
    reason = error.get("reason")
    return reason if isinstance(reason, str) else ""
