"""What `migrate` gives the services' role, what it takes away again, and whose database it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.pool import NullPool

from common.database.grants import MissingRoleError, ServiceRole
from common.database.migrations import migrate, migration_state
from common.database.network import WrongNetworkError
from common.database.transaction import sqlalchemy_url
from request_svc.adapters.tables import REPLICATED_TABLES
from sandbox.migrated import OWNER, SERVICE, SERVICE_ROLES, migrated_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.postgres import EmbeddedPostgres

PRIVILEGES = text(
    "SELECT relname, array_agg(privilege_type ORDER BY privilege_type) FROM pg_class"
    " CROSS JOIN LATERAL aclexplode(relacl) AS acl"
    " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND acl.grantee = CAST(:role AS regrole)"
    " GROUP BY relname"
)
EVERY = ["DELETE", "INSERT", "SELECT", "UPDATE"]


@pytest.fixture
def name(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """Of a migrated Request Network's database."""
    name = f"granted_{uuid4().hex}"
    migrated_database(postgres_server, "request", name)
    yield name
    postgres_server.drop_database(name)


def run(url: str, *statements: str) -> None:
    with create_engine(sqlalchemy_url(url), poolclass=NullPool).begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def privileges(url: str) -> dict[str, list[str]]:
    with create_engine(sqlalchemy_url(url), poolclass=NullPool).connect() as connection:
        return {row[0]: row[1] for row in connection.execute(PRIVILEGES, {"role": SERVICE})}


def test_the_role_may_write_rows_but_those_that_are_replicated_or_only_added_to(
    postgres_server: EmbeddedPostgres, name: str
) -> None:
    found = privileges(postgres_server.url(name))
    assert {table for table, some in found.items() if some == ["SELECT"]} == REPLICATED_TABLES | {
        "alembic_version",
        "audit_forgettings",
    }
    assert found["audit_logs"] == ["INSERT", "SELECT"]
    assert found["requests"] == found["import_batches"] == EVERY


def test_what_is_too_much_is_taken_away_again(postgres_server: EmbeddedPostgres, name: str) -> None:
    owner = postgres_server.url(name, OWNER)
    before = privileges(owner)
    run(
        owner,
        f"GRANT ALL ON users, audit_logs, requests TO {SERVICE}",
        "GRANT SELECT ON users TO PUBLIC",
        "GRANT EXECUTE ON FUNCTION airlock_retire_users TO PUBLIC",
        f"GRANT CREATE ON SCHEMA public TO {SERVICE}",
        f"REVOKE ALL ON requests FROM {SERVICE}",
    )
    assert privileges(owner) != before
    for _ in range(2):
        migrate(owner, "request_svc:migrations", network="request", service_role=SERVICE_ROLES["request"])
        assert privileges(owner) == before
    with pytest.raises(ProgrammingError, match="permission denied for schema"):
        run(postgres_server.url(name, SERVICE), "CREATE TABLE public.mine (id int)")


def test_a_missing_role_is_refused_with_the_statement_that_makes_it(
    postgres_server: EmbeddedPostgres, database_url: str
) -> None:
    with pytest.raises(MissingRoleError, match='CREATE ROLE "nobody yet" LOGIN PASSWORD'):
        migrate(database_url, "request_svc:migrations", service_role=ServiceRole("nobody yet"))
    assert migration_state(database_url, "request_svc:migrations").current is None


@pytest.mark.parametrize(("own", "other"), [("request", "response"), ("response", "request")])
def test_the_database_of_the_other_network_is_refused_and_untouched(database_url: str, own: str, other: str) -> None:
    before = migrate(database_url, f"{own}_svc:migrations", network=own)
    assert before.network == own
    with pytest.raises(WrongNetworkError, match=f"belongs to the {own.title()} Network"):
        migrate(database_url, f"{other}_svc:migrations", network=other)
    assert migration_state(database_url, f"{own}_svc:migrations") == before
