"""The two ways to say no: what this engine cannot do, and what Elasticsearch would refuse too."""

from __future__ import annotations

from response_svc.search.answers import EngineRefusedError, UnsupportedQueryError

_MAX_SHOWN = 200


def unsupported(what: str) -> UnsupportedQueryError:
    """The search is valid, but its answer here would differ from Elasticsearch's."""
    return UnsupportedQueryError(
        f"the built-in search engine cannot answer {_short(what)}; connect Elasticsearch for it"
    )


def refused(reason: str) -> EngineRefusedError:
    """Elasticsearch refuses this with status 400, and so does this engine."""
    return EngineRefusedError(f"the search engine refuses the search: {_short(reason)}")


def _short(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
