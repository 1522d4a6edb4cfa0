"""The migrations of this network lead to exactly the tables that the code declares."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from common.database.migrations import migrate
from common.database.transaction import sqlalchemy_url
from response_svc.migrations import METADATA


def test_the_newest_migration_equals_the_declared_tables(database_url: str) -> None:
    state = migrate(database_url, "response_svc:migrations")
    assert state.is_current
    with create_engine(sqlalchemy_url(database_url), poolclass=NullPool).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []  # type: ignore[arg-type]
        storage = connection.scalar(
            text("SELECT attstorage FROM pg_attribute WHERE attrelid = 'result_chunks'::regclass AND attname = 'data'")
        )
        assert storage == "e", "pieces of answers are not compressed a second time"
    assert migrate(database_url, "response_svc:migrations").is_current
