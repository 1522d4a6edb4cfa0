"""Chooses the search engine that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import SecretStr

    from common.settings import NetworkSettings
    from response_svc.ports import SearchEngine

DEFAULT_EMBEDDED_DIR: Final = ".airlock/search"


def make_engine(settings: NetworkSettings) -> SearchEngine:
    """Elasticsearch where ELASTICSEARCH_URL is set, else the built-in engine over EMBEDDED_SEARCH_DIR."""
    # Each import costs every process a part of its start, so only the one that is needed is made.
    if settings.elasticsearch_url:
        from response_svc.search.connection import ElasticsearchAccess
        from response_svc.search.elasticsearch import ElasticsearchEngine

        return ElasticsearchEngine(
            ElasticsearchAccess(
                addresses=settings.elasticsearch_url.split(","),
                username=settings.elasticsearch_username,
                password=_secret(settings.elasticsearch_password),
                api_key=_secret(settings.elasticsearch_api_key),
                ca_file=settings.elasticsearch_ca_file,
            )
        )
    from response_svc.search.embedded import EmbeddedEngine

    return EmbeddedEngine(settings.embedded_search_dir or DEFAULT_EMBEDDED_DIR)


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value is not None else None
