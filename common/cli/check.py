"""The `check` command: one screen of what is configured, what is reachable, what is wrong and what to do about it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from common.database.migrations import migration_state
from common.database.network import told_wrong
from common.database.transaction import Database
from common.health.checks import HealthError, look_at_all, standard_checks
from common.keys import load_keys
from common.settings import SettingsError, load_settings
from transfer.errors import TransferError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.cli.service import App, Service, Settings
    from common.health.checks import Check, PartState
    from common.settings import NetworkSettings, SettingProblem

_OWNS: Final = text(
    "SELECT current_user, rolsuper OR EXISTS (SELECT FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    " AND relkind = 'r' AND pg_has_role(relowner, 'MEMBER')) FROM pg_roles WHERE rolname = current_user"
)


@dataclass(frozen=True, slots=True)
class SchemaCheck:
    """The tables are there and new enough."""

    url: str
    script_location: str
    command: str
    network: str
    name: str = "tables"
    needed: bool = True

    async def __call__(self) -> str:
        """The revision."""
        try:
            state = await asyncio.to_thread(migration_state, self.url, self.script_location)
        except SQLAlchemyError as error:
            raise HealthError(f"Not known: the database does not answer ({type(error).__name__}).") from None
        if state.network not in {None, self.network}:
            raise HealthError(told_wrong(state.network or ""))
        if state.current is None:
            raise HealthError(f"There are no tables yet. Run `{self.command} migrate`.")
        if not state.is_current:
            raise HealthError(f"Revision {state.current} instead of {state.newest}. Run `{self.command} migrate`.")
        return f"revision {state.current}"


@dataclass(frozen=True, slots=True)
class RoleCheck:
    """The services' role is another than the tables' owner."""

    database: Database
    command: str
    warns: bool
    name: str = "role"
    needed: bool = False

    async def __call__(self) -> str:
        """The role, and what it may do beyond its work."""
        async with self.database.transaction() as transaction:
            role, owns = (await transaction.connection.execute(_OWNS)).one()
        if not owns:
            return f"{role}, which owns no table"
        if not self.warns:
            return f"{role}, which may do everything"
        return (
            f"warning: {role} owns the tables or may become their owner, so nothing keeps a service that was taken "
            "over from changing them. Make a role for the services, name it in DATABASE_URL and the owner in "
            f"MIGRATION_DATABASE_URL, and run `{self.command} migrate`."
        )


@dataclass(frozen=True, slots=True)
class KeysCheck:
    """The keyring and the signing keys can be loaded."""

    settings: NetworkSettings
    name: str = "keys"
    needed: bool = True

    async def __call__(self) -> str:
        """The newest key's version."""
        try:
            keys = await asyncio.to_thread(load_keys, self.settings)
        except TransferError as error:
            raise HealthError(str(error)) from None
        readable = f"key {keys.keyring.current}, signing key and the other network's keys are readable"
        if not keys.trusted_keys.key_ids - keys.revoked:
            return f"{readable}; but every key in PEER_SIGNING_KEYS_FILE is revoked, so only announced ones count"
        return readable


async def run_check(service: Service[Settings, App], *, plain: bool) -> bool:
    """Prints the screen; True when nothing is wrong."""
    console = Console(highlight=False)
    plain = plain or not console.is_terminal
    try:
        settings = load_settings(service.settings)
    except SettingsError as error:
        _print_problems(console, service.name, error.problems, plain=plain)
        return False
    database = Database(settings.database_url.get_secret_value(), pool_size=2)
    try:
        checks: Sequence[Check] = [
            *standard_checks(settings, database),
            SchemaCheck(
                settings.database_url.get_secret_value(), service.migrations, service.name, settings.network_name
            ),
            RoleCheck(database, service.name, warns=not settings.sandbox),
            KeysCheck(settings),
            *service.checks(settings, database),
        ]
        states = await look_at_all(checks)
    finally:
        await database.close()
    _print_values(console, configured_values(settings), plain=plain)
    _print_states(console, states, plain=plain)
    return all(state.healthy for state in states)


def configured_values(settings: NetworkSettings) -> list[tuple[str, str]]:
    """Every setting that is set, by variable, with secrets masked."""
    values = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if value is not None:
            values.append((name.upper(), _shown(name, value)))
    return values


def _shown(name: str, value: object) -> str:
    if isinstance(value, SecretStr):
        return _without_password(value.get_secret_value()) if name.endswith("_url") else "set"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return "set"


def _print_problems(console: Console, name: str, problems: Sequence[SettingProblem], *, plain: bool) -> None:
    if plain:
        for problem in problems:
            console.print(f"wrong  {problem}", markup=False, soft_wrap=True)
        return
    table = Table("variable", "what is wrong", "what to do", title=f"{name}: settings to correct", title_justify="left")
    for problem in problems:
        table.add_row(problem.variable, Text(problem.cause, style="red"), Text(problem.next_step))
    console.print(table)


def _print_values(console: Console, values: Sequence[tuple[str, str]], *, plain: bool) -> None:
    if plain:
        for name, value in values:
            console.print(f"set    {name}={value}", markup=False, soft_wrap=True)
        return
    table = Table("variable", "value", title="Configured", title_justify="left")
    for name, value in values:
        table.add_row(name, Text(value))
    console.print(table)


def _print_states(console: Console, states: Sequence[PartState], *, plain: bool) -> None:
    if plain:
        for state in states:
            word = "ok" if state.healthy else "wrong"
            console.print(f"{word:<6} {state.name}: {state.detail}", markup=False, soft_wrap=True)
        return
    table = Table("part", "state", "what was seen", "ms", title="Reachable", title_justify="left")
    for state in states:
        mark = "[green]ok[/]" if state.healthy else "[red]wrong[/]"
        table.add_row(state.name, mark, Text(state.detail), f"{state.latency_ms:.0f}")
    console.print(table)
