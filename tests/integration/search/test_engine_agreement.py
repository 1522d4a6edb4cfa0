"""The built-in engine gives Elasticsearch's answers wherever it gives any, and docs/search-engines.md shows it.

AGREEMENT=write writes the table of that page anew; read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from response_svc.search.embedded import EmbeddedEngine, load_index
from sandbox.elasticsearch import USERNAME
from tests.integration.search.conftest import bulk_load
from tests.integration.search.differential.agreement import BEGIN, END, compare, every_case, table
from tests.integration.search.differential.indices import EVERY, documents, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from response_svc.search.elasticsearch import ElasticsearchEngine

PAGE = Path(__file__).parents[3] / "docs" / "search-engines.md"


@pytest.fixture
def names(elasticsearch_url: str, index: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The name of each index, in both engines."""
    found = {name: f"{index}-{name}" for name in EVERY}
    password = os.environ.get("ELASTICSEARCH_TEST_PASSWORD")
    auth = httpx.BasicAuth(USERNAME, password) if password else None
    with httpx.Client(base_url=elasticsearch_url, auth=auth, timeout=60) as client:
        for name, own in found.items():
            bulk_load(client, own, mapping(name), documents(name))
            load_index(tmp_path, own, mapping(name), documents(name))
        yield found
        for own in found.values():
            client.delete(f"/{own}").raise_for_status()


@pytest.mark.elasticsearch
@pytest.mark.timeout(600)
async def test_of_the_searches_that_are_not_refused_all_are_answered_alike(
    elasticsearch: ElasticsearchEngine, names: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    embedded = EmbeddedEngine(tmp_path)
    agreement = await compare(elasticsearch, embedded, names, every_case())
    await embedded.close()
    shown = table(agreement)
    with capsys.disabled():
        print(f"\n\n{shown}")
    assert [one for row in agreement.values() for one in row.differing] == []
    before, rest = PAGE.read_text().split(BEGIN)
    whole = f"{before}{BEGIN}{shown}{END}{rest.partition(END)[2]}"
    if os.environ.get("AGREEMENT") == "write":
        PAGE.write_text(whole)
    assert PAGE.read_text() == whole, "write the table of the page anew with AGREEMENT=write make test-elasticsearch"
