"""The commands serve, worker, scheduler, migrate and check, for whichever service asks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

from common.cli import running
from common.cli.check import run_check
from common.cli.migrate import run_migrate
from common.rpc.server import AddressTakenError
from common.settings import SettingsError, load_settings
from transfer.errors import TransferError

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.cli.service import App, Service, Settings

EXIT_WRONG = 1
EXIT_SETTINGS = 2


def make_cli(service: Service[Settings, App]) -> typer.Typer:
    """A Typer app with the five commands; a service adds its own to it."""
    cli = typer.Typer(name=service.name, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

    @cli.callback()
    def about() -> None:
        """Airlock: one of the two networks' services. Settings come from the environment and from .env."""

    @cli.command()
    def serve() -> None:
        """Answer calls, with SERVE_PROCESSES processes, until SIGTERM."""
        _run(service.name, lambda: running.serve(service, settings_or_exit(service)))

    @cli.command()
    def worker() -> None:
        """Run jobs until SIGTERM. Start one on every worker host."""
        _run(service.name, lambda: running.work(service, settings_or_exit(service)))

    @cli.command()
    def scheduler() -> None:
        """Wake the jobs when they are due, until SIGTERM. Start exactly one."""
        _run(service.name, lambda: running.schedule(service, settings_or_exit(service)))

    @cli.command()
    def migrate() -> None:
        """Make or upgrade the tables, and the folders of bundles. Twice is harmless."""
        _run(service.name, lambda: run_migrate(service, settings_or_exit(service)))

    @cli.command()
    def check(
        plain: Annotated[bool, typer.Option("--plain", help="Plain lines, also on a terminal.")] = False,
    ) -> None:
        """Show what is configured, what is reachable and what is wrong. Exit code 1 when something is."""
        healthy = asyncio.run(run_check(service, plain=plain))
        raise typer.Exit(0 if healthy else EXIT_WRONG)

    return cli


def settings_or_exit(service: Service[Settings, App]) -> Settings:
    """The service's settings; ends the program with exit code 2 after naming every problem."""
    try:
        return load_settings(service.settings)
    except SettingsError as error:
        console = Console(stderr=True, highlight=False)
        console.print(
            f"{service.name} cannot start; {len(error.problems)} of its settings must be corrected:", style="bold"
        )
        for problem in error.problems:
            console.print(f"  {problem}", markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_SETTINGS) from None


def _run(name: str, command: Callable[[], None]) -> None:
    try:
        command()
    except (AddressTakenError, TransferError, SQLAlchemyError, OSError) as error:
        console = Console(stderr=True, highlight=False)
        console.print(f"{name} cannot go on: {_advice(name, error)}", markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_WRONG) from None


def _advice(name: str, error: Exception) -> str:
    """What stopped a command and what to do, without a driver's text where that may hold a name or an address."""
    if isinstance(error, AddressTakenError | TransferError):
        return str(error)
    if isinstance(error, ProgrammingError):
        return f"the tables are missing, old or not to be read by this user. Run `{name} migrate`, then `{name} check`."
    if isinstance(error, SQLAlchemyError):
        return f"the database does not answer ({type(error).__name__}). Start it, or correct DATABASE_URL."
    return f"{error}. Run `{name} check`."
