"""One migrated database for these tests, emptied before each: much faster than a database for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from common.database.migrations import migrate
from common.database.transaction import Database
from request_svc.migrations import METADATA
from tests.integration.request_svc.api_key_world import Keys
from tests.integration.request_svc.request_world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sandbox.postgres import EmbeddedPostgres

TABLES = ", ".join(table.name for metadata in METADATA for table in metadata.sorted_tables)


@pytest.fixture(scope="session")
def request_url(postgres_server: EmbeddedPostgres) -> str:
    """The URL of the Request Network's database at the newest revision."""
    url = postgres_server.create_database("request_world")
    migrate(url, "request_svc:migrations")
    return url


@pytest.fixture
async def world(request_url: str) -> AsyncIterator[World]:
    """A Request Network's database with two users in it."""
    database = Database(request_url, pool_size=5)
    async with database.transaction() as transaction:
        # The audit trail lets nobody empty it.
        await transaction.connection.execute(text("SET LOCAL session_replication_role = replica"))
        await transaction.connection.execute(text(f"TRUNCATE {TABLES}"))
    opened = World(database)
    await opened.add_users()
    yield opened
    await opened.writer.close()
    await database.close()


@pytest.fixture
async def keys_of(world: World) -> Keys:
    """The use cases of API keys, with people of every role."""
    made = Keys(world)
    await made.import_people()
    return made
