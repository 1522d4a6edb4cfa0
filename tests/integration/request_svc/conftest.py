"""One migrated database for these tests, emptied before each: much faster than a database for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from common.database.transaction import Database
from request_svc.migrations import METADATA
from sandbox.migrated import migrated_database
from tests.integration.request_svc.api_key_world import Keys
from tests.integration.request_svc.request_world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sandbox.postgres import EmbeddedPostgres

DATABASE = "request_world"
TABLES = ", ".join(table.name for metadata in METADATA for table in metadata.sorted_tables)


@pytest.fixture(scope="session")
def request_url(postgres_server: EmbeddedPostgres) -> str:
    """The URL of the Request Network's database at the newest revision, for its services."""
    return migrated_database(postgres_server, "request", DATABASE)


@pytest.fixture
async def owner(postgres_server: EmbeddedPostgres, request_url: str) -> AsyncIterator[Database]:
    """The same database, emptied, as one sees it who may do anything."""
    opened = Database(postgres_server.url(DATABASE), pool_size=2)
    async with opened.transaction() as transaction:
        # The audit trail lets nobody empty it.
        await transaction.connection.execute(text("SET LOCAL session_replication_role = replica"))
        await transaction.connection.execute(text(f"TRUNCATE {TABLES}"))
    yield opened
    await opened.close()


@pytest.fixture
async def world(request_url: str, owner: Database) -> AsyncIterator[World]:
    """A Request Network's database with two users in it, under the services' own role."""
    database = Database(request_url, pool_size=5)
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
