"""The command `airlock-response`: the five commands of both services, two for the admin, and `load-index`."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from airlock.common.v1 import network_pb2

from common.auth.passwords import PasswordHasher
from common.cli.main import make_cli, settings_or_exit
from common.cli.service import Service
from common.database.transaction import Database
from common.errors import AirlockError
from common.jobs.broker import make_broker
from common.jobs.queue import BrokerJobQueue
from response_svc.adapters.checks import AdminCheck, ConfiguredEngineCheck
from response_svc.adapters.export_wake_ups import export_wake_ups
from response_svc.adapters.users import PostgresUsers
from response_svc.app import build_app
from response_svc.jobs import JobApp, jobs
from response_svc.search.factory import DEFAULT_EMBEDDED_DIR
from response_svc.settings import ResponseSettings
from response_svc.usecases.change_users import UserContext
from response_svc.usecases.create_admin import LEAST_PASSWORD_LENGTH, create_admin, reset_admin_password

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from common.health.checks import Check
    from response_svc.domain.user import User

EXIT_REFUSED = 1
PASSWORD_FILE_LIMIT = 4096


def checks(settings: ResponseSettings, database: Database) -> Sequence[Check]:
    """What the `check` screen looks at beyond the parts that both services have."""
    return (ConfiguredEngineCheck(settings), AdminCheck(database))


SERVICE: Service[ResponseSettings, JobApp] = Service(
    name="airlock-response",
    settings=ResponseSettings,
    build_app=build_app,
    jobs=jobs,
    migrations="response_svc:migrations",
    checks=checks,
)
cli = make_cli(SERVICE)


@cli.command("create-admin")
def create_admin_command(
    username: Annotated[str, typer.Option(help="The admin's name.")] = "admin",
    email: Annotated[str, typer.Option(help="The admin's address.")] = "admin@localhost",
    password_file: Annotated[
        Path | None, typer.Option(help="A file that holds the password; else ADMIN_PASSWORD, else it is asked for.")
    ] = None,
) -> None:
    """Make the one admin of both networks. It works once; exit code 1 if there is an admin already."""
    settings = settings_or_exit(SERVICE)
    password = admin_password(password_file)

    async def make(context: UserContext) -> User:
        return await create_admin(context, username=username, email=email, password=password)

    user = asyncio.run(with_users(settings, make))
    typer.echo(f"The admin “{user.username}” was made with the id {user.id}; the next users bundle carries it over.")


@cli.command("reset-admin-password")
def reset_admin_password_command(
    password_file: Annotated[
        Path | None, typer.Option(help="A file that holds the password; else ADMIN_PASSWORD, else it is asked for.")
    ] = None,
) -> None:
    """Set the admin's password, where nobody knows it any more, and end his sessions. Exit code 1 without an admin."""
    settings = settings_or_exit(SERVICE)
    password = admin_password(password_file)

    async def reset(context: UserContext) -> User:
        return await reset_admin_password(context, password=password)

    user = asyncio.run(with_users(settings, reset))
    typer.echo(
        f"The admin “{user.username}” has the new password and no sessions; the next users bundle carries both over."
    )


@cli.command("load-index")
def load_index_command(
    name: Annotated[str, typer.Argument(help="The index.")],
    source: Annotated[Path, typer.Argument(help="Documents: a .jsonl, .ndjson or .json file, or a folder of them.")],
    mapping: Annotated[
        Path | None, typer.Option(help="A file with the mapping; else that of the index before, else a guess.")
    ] = None,
    directory: Annotated[
        Path | None, typer.Option(help="The folder of the built-in engine; else EMBEDDED_SEARCH_DIR.")
    ] = None,
) -> None:
    """Load an index of the built-in search engine, in place of one of that name. Exit code 1 if nothing was loaded."""
    from response_svc.search.embedded.loading import LoadError, load_files

    folder = directory or settings_or_exit(SERVICE).embedded_search_dir or Path(DEFAULT_EMBEDDED_DIR)
    try:
        loaded = load_files(folder, name, source, mapping)
    except (LoadError, AirlockError) as error:
        typer.echo(f"Nothing was loaded. {error}", err=True)
        raise typer.Exit(EXIT_REFUSED) from None
    typer.echo(
        f"{loaded.documents} documents are in the index {name} below {folder}, with the mapping {loaded.mapping_from}:"
    )
    typer.echo(json.dumps(loaded.mapping, ensure_ascii=False))


async def with_users(settings: ResponseSettings, work: Callable[[UserContext], Awaitable[User]]) -> User:
    """Opens what a use case of users needs, and closes it again. Ends the program, saying why, if it is refused."""
    database = Database(settings.database_url.get_secret_value(), pool_size=1)
    hasher = PasswordHasher.from_settings(settings)
    broker = make_broker(settings)
    wake_export = export_wake_ups(BrokerJobQueue(broker))[network_pb2.BUNDLE_KIND_USERS]
    try:
        return await work(UserContext(database, PostgresUsers(), hasher, wake_export))
    except AirlockError as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(EXIT_REFUSED) from None
    finally:
        hasher.close()
        await broker.shutdown()
        await database.close()


def admin_password(password_file: Path | None) -> str:
    """The password from the file, from ADMIN_PASSWORD, or asked for twice. Ends the program if it is too short."""
    if password_file is not None:
        password = password_in(password_file)
    else:
        password = os.environ.get("ADMIN_PASSWORD") or typer.prompt(
            "Password", hide_input=True, confirmation_prompt=True
        )
    if len(password) < LEAST_PASSWORD_LENGTH:
        typer.echo(f"The password needs at least {LEAST_PASSWORD_LENGTH} characters; choose a longer one.", err=True)
        raise typer.Exit(EXIT_REFUSED)
    return password


def password_in(path: Path) -> str:
    """The password that a file holds, without the end of its line. Ends the program if it cannot be read."""
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(PASSWORD_FILE_LIMIT).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        typer.echo(f"The password file {path} cannot be read ({type(error).__name__}); name another.", err=True)
        raise typer.Exit(EXIT_REFUSED) from None


def main() -> None:
    """The program's entry point."""
    cli()
