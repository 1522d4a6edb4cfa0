"""A pair of toy networks on two fresh databases."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from toy_networks import toy_pair

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from toy_networks import Pair

    from sandbox.postgres import EmbeddedPostgres
    from transfer.bundle.keyring import GeneratedKeys

numbers = itertools.count(1)


@pytest.fixture
async def pair(postgres_server: EmbeddedPostgres, keys: GeneratedKeys, tmp_path: Path) -> AsyncIterator[Pair]:
    """Nothing was ever sent between the two."""
    names = [f"batches_{next(numbers)}" for _ in range(2)]
    urls = [postgres_server.create_database(name) for name in names]
    async with toy_pair(*urls, keys, tmp_path) as networks:
        yield networks
    for name in names:
        postgres_server.drop_database(name)
