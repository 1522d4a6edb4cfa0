"""Chooses the search engine that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from response_svc.search.embedded import EmbeddedEngine

if TYPE_CHECKING:
    from common.settings import NetworkSettings
    from response_svc.ports import SearchEngine


def make_engine(settings: NetworkSettings) -> SearchEngine:
    """The built-in engine over EMBEDDED_SEARCH_DIR."""
    return EmbeddedEngine(settings.embedded_search_dir or "embedded-search")
