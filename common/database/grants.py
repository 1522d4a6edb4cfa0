"""What the services' own role may do in the database: read and write rows, and of some tables less.

Whoever takes a service over then has its role and not the owner's: the replica of users, settings and profile types can
be read but not written, what is append-only cannot be changed, and no table can be altered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

ALL_ROWS: Final = "SELECT, INSERT, UPDATE, DELETE"
NEW_ROWS: Final = "SELECT, INSERT"
READING: Final = "SELECT"
APPEND_ONLY: Final = frozenset({"audit_logs", "audit_segments", "audit_witnesses", "policy_versions"})
# What only the owner writes: by migrating, and by the function that forgets old rows of the audit trail.
OWNERS_OWN: Final = frozenset({"alembic_version", "audit_forgettings"})

_TABLES: Final = text(
    "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    " AND relkind IN ('r', 'p', 'v', 'm') AND pg_has_role(relowner, 'USAGE') ORDER BY relname"
)
_SEQUENCES: Final = text(
    "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    " AND relkind = 'S' AND pg_has_role(relowner, 'USAGE') ORDER BY relname"
)
# A row's own number is the database's to give: whoever chose one could place his row before or behind all others.
_GIVEN_COLUMNS: Final = text(
    "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
    " WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND NOT attisdropped AND attidentity = ''"
)
# Those of an extension belong to whoever installed it.
_ROUTINES: Final = text(
    "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
    " AND pg_has_role(proowner, 'USAGE') AND NOT EXISTS (SELECT FROM pg_depend"
    " WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e') ORDER BY 1"
)


@dataclass(frozen=True, slots=True)
class ServiceRole:
    """The role of DATABASE_URL, and the tables of its network that it may only read."""

    name: str
    read_only: frozenset[str] = frozenset()


class MissingRoleError(Exception):
    """The role of DATABASE_URL is not there. The text holds the statement that makes it."""


def require_role(connection: Connection, role: ServiceRole) -> None:
    """Raises MissingRoleError."""
    there = connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": role.name})
    if there is None:
        raise MissingRoleError(
            f"There is no role {role.name}, which DATABASE_URL names. Make it as a superuser with "
            f"CREATE ROLE {quoted(role.name)} LOGIN PASSWORD '…'; and migrate again; nothing was changed."
        )


def grant_service_role(connection: Connection, role: ServiceRole) -> None:
    """Gives the role what it needs and takes away whatever it has beyond that. Twice is harmless."""
    for statement in _statements(connection, role):
        connection.exec_driver_sql(statement)


def privileges_of(table: str, role: ServiceRole) -> str:
    """What the role may do with the rows of a table."""
    if table in role.read_only or table in OWNERS_OWN:
        return READING
    return NEW_ROWS if table in APPEND_ONLY else ALL_ROWS


def quoted(name: str) -> str:
    """The name as SQL takes it, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def _statements(connection: Connection, role: ServiceRole) -> Iterator[str]:
    grantee = quoted(role.name)
    schema = quoted(connection.scalar(text("SELECT current_schema()")) or "public")
    yield f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {grantee}"
    yield f"GRANT USAGE ON SCHEMA {schema} TO {grantee}"
    for table in connection.scalars(_TABLES).all():
        yield f"REVOKE ALL ON TABLE {schema}.{quoted(table)} FROM PUBLIC, {grantee}"
        yield f"GRANT {_privileges(connection, table, role)} ON TABLE {schema}.{quoted(table)} TO {grantee}"
    for sequence in connection.scalars(_SEQUENCES).all():
        yield f"REVOKE ALL ON SEQUENCE {schema}.{quoted(sequence)} FROM PUBLIC, {grantee}"
        yield f"GRANT USAGE ON SEQUENCE {schema}.{quoted(sequence)} TO {grantee}"
    for routine in connection.scalars(_ROUTINES).all():
        yield f"REVOKE ALL ON ROUTINE {routine} FROM PUBLIC, {grantee}"
        yield f"GRANT EXECUTE ON ROUTINE {routine} TO {grantee}"


def _privileges(connection: Connection, table: str, role: ServiceRole) -> str:
    privileges = privileges_of(table, role)
    if privileges != NEW_ROWS:
        return privileges
    return f"{READING}, INSERT ({connection.scalar(_GIVEN_COLUMNS, {'table': quoted(table)})})"
