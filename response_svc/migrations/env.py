"""What Alembic runs for each command: it takes the connection that its caller opened, or the URL that is configured."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine, pool

from common.database.transaction import sqlalchemy_url
from response_svc.migrations import METADATA


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=METADATA, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


def _main() -> None:
    connection = context.config.attributes.get("connection")
    if connection is not None:
        _migrate(connection)
        return
    url = context.config.get_main_option("sqlalchemy.url")
    if not url:
        raise RuntimeError("set sqlalchemy.url, or pass a connection")
    with create_engine(sqlalchemy_url(url), poolclass=pool.NullPool).connect() as opened:
        _migrate(opened)


_main()
