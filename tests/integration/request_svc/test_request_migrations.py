"""The migrations add up to the tables that the code declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from common.database.migrations import migrate, migration_state
from common.database.transaction import sqlalchemy_url
from request_svc.migrations import METADATA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

LOCATION = "request_svc:migrations"
# Alembic compares no check constraints, identities or storage; these queries list them as PostgreSQL has them.
CATALOGUE = (
    """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2""",
    """SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2""",
    """SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attstorage,
        pg_get_expr(adbin, adrelid)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped ORDER BY 1, 2""",
)


def _catalogue(connection: Connection) -> list[tuple[object, ...]]:
    found = [tuple(row) for query in CATALOGUE for row in connection.execute(text(query))]
    return [row for row in found if "alembic_version" not in str(row[0])]


def _connection(url: str) -> Iterator[Connection]:
    engine = create_engine(sqlalchemy_url(url))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_the_newest_revision_is_what_the_code_declares_down_to_checks_and_storage(database_url: str) -> None:
    migrate(database_url, LOCATION)
    for connection in _connection(database_url):
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, list(METADATA)) == []  # type: ignore[arg-type] # several are allowed there
        migrated = _catalogue(connection)
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
        for metadata in METADATA:
            metadata.create_all(connection)
        assert _catalogue(connection) == migrated


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    assert migration_state(database_url, LOCATION).current is None
    first = migrate(database_url, LOCATION)
    assert first.is_current
    assert migrate(database_url, LOCATION) == first == migration_state(database_url, LOCATION)
