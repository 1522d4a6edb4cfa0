"""A pair of toy networks on two fresh databases."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine
from toy_networks import toy_metadata, toy_pair

from common.batches.tables import shared_metadata
from common.database.transaction import sqlalchemy_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from toy_networks import Pair

    from sandbox.postgres import EmbeddedPostgres
    from transfer.bundle.keyring import GeneratedKeys

numbers = itertools.count(1)


@pytest.fixture(scope="session")
def batches_template(postgres_server: EmbeddedPostgres) -> str:
    """A database with every table and no row, to be copied."""
    name = "batches_template"
    engine = create_engine(sqlalchemy_url(postgres_server.create_database(name)))
    for metadata in (shared_metadata, toy_metadata):
        metadata.create_all(engine)
    engine.dispose()
    return name


@pytest.fixture
async def pair(
    postgres_server: EmbeddedPostgres, batches_template: str, keys: GeneratedKeys, tmp_path: Path
) -> AsyncIterator[Pair]:
    """Nothing was ever sent between the two."""
    names = [f"batches_{next(numbers)}" for _ in range(2)]
    urls = [postgres_server.create_database(name, template=batches_template) for name in names]
    async with toy_pair(*urls, keys, tmp_path) as networks:
        yield networks
    for name in names:
        postgres_server.drop_database(name)
