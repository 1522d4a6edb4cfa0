"""What a status other than 200 from Elasticsearch means, with the engine's own reason where it concerns the query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

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

if TYPE_CHECKING:
    from collections.abc import Iterator

_REDIRECTS: Final = range(300, 400)
_UNAUTHENTICATED: Final = 401
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_TOO_MANY: Final = 429
_TIMEOUTS: Final = frozenset({408, 504})
_OVERLOADED: Final = frozenset({_TOO_MANY, 502, 503})
_SERVER_ERRORS: Final = 500
_ALL_SHARDS_FAILED: Final = "search_phase_execution_exception"
"""What Elasticsearch calls it when no shard of the searched index can answer; other indices may be whole."""
_MAX_REASON: Final = 500
_MAX_DEPTH: Final = 10
_ADVICE: Final = {
    "too_many_buckets_exception": "ask for fewer or coarser buckets",
    "maxClauseCount": "ask with fewer clauses, or with longer prefixes and wildcards",
    "too many clauses": "ask with fewer clauses, or with longer prefixes and wildcards",
    "allow_expensive_queries": "ask with other kinds of clauses, or have an operator allow these",
}
"""What to do instead, where the reason alone does not say it; by the type of the fault or by what it names."""


class NotPermittedError(EngineUnavailableError):
    """The engine does not let the service in: a matter for an operator, not for the asker."""


class IndexNotPermittedError(SearchUnavailableError, NotPermittedError):
    """The service may not search this index, or not do this."""


def error_of_status(status: int, body: bytes) -> EngineError:
    """The error for a status. Reasons are shown for refused queries only; whatever else the engine says stays here."""
    fault = _read(body)
    return _of_account(status, fault) or _of_shards(status, fault) or _of_engine(status, fault) or _of_query(
        status, fault
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Fault:
    """The outermost type of a fault, all the types inside it, and the innermost reason, printable and short."""

    kind: str
    kinds: frozenset[str]
    reason: str


def _of_account(status: int, fault: _Fault) -> EngineError | None:
    """Who asks is not let in, or not there."""
    if status == _UNAUTHENTICATED:
        return NotPermittedError(
            f"the search engine does not let the service in ({status}); an operator must check ELASTICSEARCH_* settings"
        )
    if status == _FORBIDDEN and "cluster_block_exception" in fault.kinds:
        return SearchUnavailableError("the index is blocked for reading; an operator must lift the block")
    if status == _FORBIDDEN:
        return IndexNotPermittedError(
            f"the search engine does not let the service search there ({status}); an operator must check that there is "
            "such an index and that the service's role names it"
        )
    return None


def _of_shards(status: int, fault: _Fault) -> EngineError | None:
    """The index, or a part of it, cannot answer now."""
    if "index_closed_exception" in fault.kinds:
        return SearchUnavailableError("the index is closed; an operator must open it")
    if status in _TIMEOUTS or "Time exceeded" in fault.reason:
        return EngineTimeoutError("the search engine did not finish in time; ask for less or try again later")
    if "Partial shards failure" in fault.reason or "due to missing shards" in fault.reason:
        return PartialResultError("part of the index did not answer; accept a partial answer or try again later")
    if status == _TOO_MANY and fault.kind == _ALL_SHARDS_FAILED and "circuit_breaking_exception" in fault.kinds:
        return SearchUnavailableError(
            f"the search takes more memory than the search engine can give now (status {status}); "
            "ask for fewer buckets or hits, or try again later"
        )
    return None


def _of_engine(status: int, fault: _Fault) -> EngineError | None:
    """The engine cannot answer this, or anything, now."""
    if status in _REDIRECTS:
        return EngineUnavailableError(
            f"what answers points elsewhere (status {status}); an operator must name the address itself in "
            "ELASTICSEARCH_URL"
        )
    if "media_type_header_exception" in fault.kinds:
        return EngineUnavailableError("the search engine's version is not supported; an operator must run 8 or 9")
    if status >= _SERVER_ERRORS and (status not in _OVERLOADED or fault.kind == _ALL_SHARDS_FAILED):
        return SearchUnavailableError(f"the search engine cannot answer this search (status {status}); try again later")
    if status in _OVERLOADED:
        unavailable = EngineOverloadedError if status == _TOO_MANY else EngineUnavailableError
        return unavailable(f"the search engine cannot answer now (status {status}); try again later")
    return None


def _of_query(status: int, fault: _Fault) -> EngineError:
    """The engine understood, and says no for good."""
    if status == _NOT_FOUND:
        return NoSuchIndexError(f"the search engine refuses the search: {fault.reason or 'no such index'}")
    advice = next((text for sign, text in _ADVICE.items() if sign in fault.kinds or sign in fault.reason), None)
    reason = fault.reason or f"status {status}"
    return EngineRefusedError(f"the search engine refuses the search: {reason}{f'; {advice}' if advice else ''}")


def _read(body: bytes) -> _Fault:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = None
    error = parsed.get("error") if isinstance(parsed, dict) else None
    if isinstance(error, str):
        return _Fault("", frozenset(), _printable(error))
    faults = list(_inwards(error)) if isinstance(error, dict) else []
    kinds = [kind for fault in faults if isinstance(kind := fault.get("type"), str)]
    reasons = [reason for fault in faults if isinstance(reason := fault.get("reason"), str) and reason]
    return _Fault(kinds[0] if kinds else "", frozenset(kinds), _printable(_telling(reasons)))


def _inwards(error: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A fault, the first of its roots, and what caused it, from outside to inside."""
    yield error
    roots = error.get("root_cause")
    if isinstance(roots, list) and roots and isinstance(roots[0], dict):
        yield roots[0]
    for _ in range(_MAX_DEPTH):
        cause = error.get("caused_by")
        if not isinstance(cause, dict):
            return
        error = cause
        yield error


def _telling(reasons: list[str]) -> str:
    """The root's reason, which stands second; the only one where there is no other."""
    return reasons[1] if len(reasons) > 1 else "".join(reasons)


def _printable(text: str) -> str:
    short = "".join(character if character.isprintable() else " " for character in text[:_MAX_REASON])
    return short + ("…" if len(text) > _MAX_REASON else "")
