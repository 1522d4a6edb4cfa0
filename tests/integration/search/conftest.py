"""The data set in each engine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from response_svc.search.connection import ElasticsearchAccess
from response_svc.search.elasticsearch import ElasticsearchEngine
from response_svc.search.embedded import EmbeddedEngine, load_index
from sandbox.elasticsearch import READER, USERNAME
from tests.integration.search.data import DOCUMENTS, MAPPING
from tests.integration.search.real import real_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    from response_svc.ports import SearchEngine
    from tests.integration.search.real import RealServer


@pytest.fixture(scope="session")
def index() -> str:
    """A name that no other run uses at the same time."""
    return f"airlock-contract-{uuid4().hex[:12]}"


NO_ELASTICSEARCH = "no real Elasticsearch: start one with `make elasticsearch` and name it in ELASTICSEARCH_TEST_URL"


def access_of(url: str, username: str) -> ElasticsearchAccess:
    """How a user of the test's server is let in."""
    password = os.environ.get("ELASTICSEARCH_TEST_PASSWORD")
    authority = os.environ.get("ELASTICSEARCH_TEST_CA_FILE")
    return ElasticsearchAccess(
        [url],
        username=username if password else None,
        password=password,
        ca_file=Path(authority) if authority else None,
    )


@pytest.fixture(scope="session")
def embedded_folder(tmp_path_factory: pytest.TempPathFactory, index: str) -> str:
    folder = tmp_path_factory.mktemp("embedded")
    load_index(folder, index, MAPPING, DOCUMENTS)
    return str(folder)


@pytest.fixture(scope="session")
def elasticsearch_url(index: str) -> Iterator[str]:
    url = os.environ.get("ELASTICSEARCH_TEST_URL")
    if not url:
        pytest.skip(reason=NO_ELASTICSEARCH)
    password = os.environ.get("ELASTICSEARCH_TEST_PASSWORD")
    auth = httpx.BasicAuth(USERNAME, password) if password else None
    with httpx.Client(base_url=url, auth=auth, timeout=60) as client:
        bulk_load(client, index, MAPPING, DOCUMENTS)
        yield url
        client.delete(f"/{index}").raise_for_status()


def bulk_load(
    client: httpx.Client, index: str, mapping: Mapping[str, Any], documents: Iterable[Mapping[str, Any]]
) -> None:
    """Makes an index with these documents, in one segment and in their order."""
    settings = {"number_of_shards": 1, "number_of_replicas": 0}
    client.put(f"/{index}", json={"settings": settings, "mappings": mapping}).raise_for_status()
    lines = []
    for document in documents:
        source = {key: value for key, value in document.items() if key != "_id"}
        lines += [json.dumps({"index": {"_id": document["_id"]}}), json.dumps(source)]
    # One request makes one segment, so documents with equal scores stand in the order in which they were sent.
    answer = client.post(
        f"/{index}/_bulk?refresh=true",
        content="\n".join([*lines, ""]).encode(),
        headers={"content-type": "application/x-ndjson"},
    )
    assert not answer.json()["errors"], answer.text[:1000]


@pytest.fixture(scope="session")
def server(elasticsearch_url: str) -> Iterator[RealServer]:
    """The real server with its admin, over https."""
    if not os.environ.get("ELASTICSEARCH_TEST_CA_FILE"):
        pytest.skip(reason=f"no Elasticsearch with https at {elasticsearch_url}: run `make test-elasticsearch`")
    with real_server() as found:
        yield found


@pytest.fixture
async def embedded(embedded_folder: str) -> AsyncIterator[EmbeddedEngine]:
    engine = EmbeddedEngine(embedded_folder)
    yield engine
    await engine.close()


@pytest.fixture
async def elasticsearch(elasticsearch_url: str) -> AsyncIterator[ElasticsearchEngine]:
    """As a user who may only search, where there are users."""
    engine = ElasticsearchEngine(access_of(elasticsearch_url, READER))
    yield engine
    await engine.close()


@pytest.fixture(params=["embedded", pytest.param("elasticsearch", marks=pytest.mark.elasticsearch)])
def engine(request: pytest.FixtureRequest) -> SearchEngine:
    """Each engine in turn."""
    made: SearchEngine = request.getfixturevalue(request.param)
    return made
