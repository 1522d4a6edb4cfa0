"""The `migrate` command: tables by the database's owner, folders by whoever runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from common.database.migrations import migrate
from transfer.errors import TransferError
from transfer.spool.inbox import Inbox
from transfer.spool.outbox import Outbox

if TYPE_CHECKING:
    from common.cli.service import App, Service, Settings


def run_migrate(service: Service[Settings, App], settings: Settings) -> None:
    """Migrates and makes the folders, and says what is there afterwards."""
    out, problems = Console(highlight=False), Console(stderr=True, highlight=False)
    try:
        state = migrate(settings.owner_database_url, service.migrations)
    except DBAPIError as error:
        first_line = str(error.orig).partition("\n")[0]
        problems.print(f"The database cannot be migrated: {first_line}", markup=False, soft_wrap=True)
        advice = "Start it, or name its owner in MIGRATION_DATABASE_URL; nothing was changed."
        problems.print(advice, soft_wrap=True)
        raise typer.Exit(1) from None
    out.print(f"tables at revision {state.current}")
    try:
        Outbox(settings.export_dir).make_folders()
        Inbox(settings.import_dir).make_folders()
    except (TransferError, OSError) as error:
        problems.print(f"The folders cannot be made: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    out.print(f"folders {settings.export_dir} and {settings.import_dir}", markup=False, soft_wrap=True)
