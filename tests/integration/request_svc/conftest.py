"""A migrated database for each test, copied from one that is migrated once."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from request_world import World

from common.database.migrations import migrate
from common.database.transaction import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sandbox.postgres import EmbeddedPostgres

TEMPLATE = "request_template"
numbers = itertools.count(1)


@pytest.fixture(scope="session")
def migrated_template(postgres_server: EmbeddedPostgres) -> str:
    """The name of a database at the newest revision, which nobody is connected to."""
    migrate(postgres_server.create_database(TEMPLATE), "request_svc:migrations")
    return TEMPLATE


@pytest.fixture
def request_url(postgres_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """The URL of a fresh database of the Request Network."""
    name = f"request_{next(numbers)}"
    yield postgres_server.create_database(name, template=migrated_template)
    postgres_server.drop_database(name)


@pytest.fixture
async def world(request_url: str) -> AsyncIterator[World]:
    """A Request Network's database with two users in it."""
    database = Database(request_url, pool_size=5)
    opened = World(database)
    await opened.add_users()
    yield opened
    await opened.writer.close()
    await database.close()
