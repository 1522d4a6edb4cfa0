"""A real Elasticsearch that the sandbox is told of and cannot use is named, with the next step."""

from __future__ import annotations

import pytest

from sandbox.dataset import ElasticsearchServer, load_elasticsearch
from sandbox.errors import SandboxError


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense://x", "http://[x"])
def test_a_server_that_cannot_be_reached_is_refused_with_its_address(url: str) -> None:
    with pytest.raises(SandboxError, match="correct ELASTICSEARCH_URL"):
        load_elasticsearch(ElasticsearchServer(url))
