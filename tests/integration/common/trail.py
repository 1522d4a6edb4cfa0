"""Rows for the audit trail of a test, and hands that reach past its guard as only a superuser's can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, text

from common.audit.record import AuditEntry, record
from common.audit.tables import audit_logs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.database.transaction import Database

# What a stranger may put into a name or an agent: a log's line, a terminal's commands, a direction, half a character.
HOSTILE = 'x\n{"level":"INFO"}\r\x1b[2J\x1b]0;pwned\x07\x7f\x9b\u202e\u2028"\\\0\ud800<script>'


async def write(database: Database, *actions: str, **fields: Any) -> None:
    """A row for each action."""
    async with database.transaction() as transaction:
        for action in actions:
            await record(transaction.connection, AuditEntry(action, **fields))


async def trail(database: Database, action: str = "") -> Sequence[Any]:
    """The rows, oldest first, of that action or of all."""
    statement = select(audit_logs).order_by(audit_logs.c.id)
    if action:
        statement = statement.where(audit_logs.c.action == action)
    async with database.transaction() as transaction:
        return (await transaction.connection.execute(statement)).all()


async def roll_back(database: Database) -> None:
    """Draws an id that no row keeps."""
    async with database.engine.connect() as connection:
        await record(connection, AuditEntry("never"))
        await connection.rollback()


async def look(database: Database, statement: str, **values: Any) -> Sequence[Any]:
    """What a query gives."""
    async with database.transaction() as transaction:
        return (await transaction.connection.execute(text(statement), values)).all()


async def reach_past(database: Database, statement: str, **values: Any) -> None:
    """Does what the guard forbids to everybody but a superuser who says so."""
    async with database.transaction() as transaction:
        await transaction.connection.execute(text("SET LOCAL session_replication_role = replica"))
        await transaction.connection.execute(text(statement), values)


async def age(database: Database, days: int) -> None:
    """Every segment was sealed that long ago."""
    await reach_past(
        database, "UPDATE audit_segments SET sealed_at = sealed_at - make_interval(days => :days)", days=days
    )


async def imitate(database: Database, statement: str) -> None:
    """Runs a statement with the setting under which the database's own function deletes."""
    async with database.transaction() as transaction:
        await transaction.connection.execute(text("SET LOCAL airlock.audit_forgets = 'on'"))
        await transaction.connection.execute(text(statement))


async def run(database: Database, statement: str, **values: Any) -> None:
    """Runs a statement that gives nothing."""
    async with database.transaction() as transaction:
        await transaction.connection.execute(text(statement), values)
