"""The `migrate` command: tables and rights by the database's owner, folders by whoever runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.console import Console
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from common.database.grants import MissingRoleError, ServiceRole
from common.database.migrations import migrate
from common.database.network import WrongNetworkError
from transfer.errors import TransferError
from transfer.spool.inbox import Inbox
from transfer.spool.outbox import Outbox

if TYPE_CHECKING:
    from common.cli.service import App, Service, Settings
    from common.settings import NetworkSettings


def run_migrate(service: Service[Settings, App], settings: Settings) -> None:
    """Migrates, gives the services' role its rights, makes the folders, and says what is there afterwards."""
    out, problems = Console(highlight=False), Console(stderr=True, highlight=False)
    try:
        role = service_role(settings, service.read_only_tables)
        state = migrate(
            settings.owner_database_url, service.migrations, network=settings.network_name, service_role=role
        )
    except (MissingRoleError, WrongNetworkError) as error:
        problems.print(f"The database cannot be migrated: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except DBAPIError as error:
        first_line = str(error.orig).partition("\n")[0]
        problems.print(f"The database cannot be migrated: {first_line}", markup=False, soft_wrap=True)
        advice = "Start it, or name its owner in MIGRATION_DATABASE_URL; nothing was changed."
        problems.print(advice, soft_wrap=True)
        raise typer.Exit(1) from None
    out.print(f"tables at revision {state.current}")
    if role is not None:
        out.print(f"rights of the role {role.name}", markup=False, soft_wrap=True)
    try:
        Outbox(settings.export_dir).make_folders()
        Inbox(settings.import_dir).make_folders()
    except (TransferError, OSError) as error:
        problems.print(f"The folders cannot be made: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    out.print(f"folders {settings.export_dir} and {settings.import_dir}", markup=False, soft_wrap=True)


def service_role(settings: NetworkSettings, read_only: frozenset[str]) -> ServiceRole | None:
    """The role of DATABASE_URL; None where it is the owner himself, who needs no rights."""
    service = make_url(settings.database_url.get_secret_value()).username
    owner = make_url(settings.owner_database_url).username
    return ServiceRole(service, read_only) if service and service != owner else None
