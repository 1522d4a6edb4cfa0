"""Brings a database to the newest schema with Alembic, in one transaction and under a lock; two runs are harmless."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from common.database.exclusive import lock_number
from common.database.grants import grant_service_role, require_role
from common.database.network import network_of, require_network
from common.database.transaction import sqlalchemy_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, MetaData

    from common.database.grants import ServiceRole

LOCK_NAME = "migrations"
LOCK_WAIT = "60s"
"""How long a run waits for another one, and for tables in use, before it gives up and changes nothing."""


@dataclass(frozen=True, slots=True)
class MigrationState:
    """The revision of the database (None: no tables yet), the newest one that the program knows, and its network."""

    current: str | None
    newest: str | None
    # Whose database it is; None as long as nothing tells.
    network: str | None = None

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to migrate."""
        return self.current is not None and self.current == self.newest


def migrate(
    url: str, script_location: str, *, network: str | None = None, service_role: ServiceRole | None = None
) -> MigrationState:
    """Runs every migration that is missing. `script_location` is Alembic's, such as `request_svc:migrations`.

    All of it is one transaction: it happens whole or not at all. Raises WrongNetworkError if the database is not that
    of `network`, and MissingRoleError; a `service_role` is given its rights anew.
    """
    configuration = _configuration(script_location)
    engine = create_engine(sqlalchemy_url(url), poolclass=NullPool, connect_args={"connect_timeout": 5})
    with engine.begin() as connection:
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": lock_number(LOCK_NAME)})
        if network is not None:
            require_network(connection, network)
        if service_role is not None:
            require_role(connection, service_role)
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "head")
        if service_role is not None:
            grant_service_role(connection, service_role)
        return _state(connection, configuration)


def migration_state(url: str, script_location: str) -> MigrationState:
    """Where the database stands; changes nothing."""
    engine = create_engine(sqlalchemy_url(url), poolclass=NullPool, connect_args={"connect_timeout": 2})
    with engine.connect() as connection:
        return _state(connection, _configuration(script_location))


def run_env(metadata: Sequence[MetaData]) -> None:
    """All that a service's `env.py` does: runs Alembic on the connection that `migrate` opened."""
    connection = context.config.attributes.get("connection")
    if connection is None:
        raise RuntimeError("Run migrations with the service's `migrate` command; it holds the lock.")
    context.configure(connection=connection, target_metadata=list(metadata), compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


def _configuration(script_location: str) -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", script_location)
    return configuration


def _state(connection: Connection, configuration: Config) -> MigrationState:
    current = MigrationContext.configure(connection).get_current_revision()
    newest = ScriptDirectory.from_config(configuration).get_current_head()
    return MigrationState(current, newest, network_of(connection))
