"""What end-to-end tests start once: databases to copy, a small index, a story's networks."""

from __future__ import annotations

import itertools
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox.dataset import MAPPINGS, documents
from sandbox.migrated import SERVICE, migrated_database
from tests.two_networks import Place, TwoNetworks, open_two_networks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sandbox.postgres import EmbeddedPostgres
    from sandbox.valkey import EmbeddedValkey
    from transfer.bundle.keyring import GeneratedKeys

NETWORKS = ("request", "response")
STORY_CITIES = 300
story_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def templates(postgres_server: EmbeddedPostgres) -> dict[str, str]:
    """The names of one migrated database for each network."""
    names = {network: f"template_{network}" for network in NETWORKS}
    for network, name in names.items():
        migrated_database(postgres_server, network, name)
    return names


@pytest.fixture(scope="session")
def story_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small index of cities, and one that nobody may ask."""
    from response_svc.search.embedded import load_index

    folder = tmp_path_factory.mktemp("search")
    iranian = [city for city in documents("cities") if city["country_code"] == "IR"]
    load_index(folder, "cities", MAPPINGS["cities"], iranian[:STORY_CITIES])
    load_index(folder, "personnel", MAPPINGS["cities"], iranian[:1])
    return folder


@pytest.fixture
def story_folder() -> Iterator[Path]:
    """A short path, because sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="airlock-story-") as folder:
        yield Path(folder)


@pytest.fixture
async def story_engine() -> str | None:
    """The URL of an Elasticsearch that a file of stories brings along, in place of the built-in engine."""
    return None


@pytest.fixture
async def networks(
    postgres_server: EmbeddedPostgres,
    valkey_server: EmbeddedValkey,
    templates: dict[str, str],
    story_index: Path,
    story_engine: str | None,
    story_folder: Path,
    keys: GeneratedKeys,
) -> AsyncIterator[TwoNetworks]:
    """Two fresh networks that have never heard of each other."""
    number = next(story_numbers)
    databases = {network: f"story_{number}_{network}" for network in NETWORKS}
    for network, name in databases.items():
        postgres_server.create_database(name, template=templates[network])
    # Under the role of the services, which owns nothing.
    request_url, response_url = (postgres_server.url(databases[network], SERVICE) for network in NETWORKS)
    # The upper half of Valkey's numbered databases; the other fixtures use the lower one.
    redis_urls = (valkey_server.url(512 + 2 * number), valkey_server.url(513 + 2 * number))
    place = Place(story_folder, request_url, response_url, *redis_urls, story_index, story_engine)
    async with AsyncExitStack() as closing:
        yield await open_two_networks(place, keys, closing)
    for name in databases.values():
        postgres_server.drop_database(name)
