"""How a command reaches a service and who calls: the options for it, and the sign-in."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import grpc
import typer

from transfer.cli.errors import FileUnusableError, SettingMissingError, UsageRefusedError
from transfer.cli.server import Credentials, authorization, open_channel

SERVICE_PANEL = "Service"
Metadata = tuple[tuple[str, str], ...]

_MAX_SECRET = 8192
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s/:\[\]]+):\d{1,5}")

Server = Annotated[
    str,
    typer.Option(help="`host:port` over TLS, or `unix:PATH`.", envvar="AIRLOCK_SERVER", rich_help_panel=SERVICE_PANEL),
]
OptionalServer = Annotated[
    str | None,
    typer.Option(
        "--server",
        help="Ask this service, `host:port` over TLS or `unix:PATH`, instead of looking at folders.",
        envvar="AIRLOCK_SERVER",
        rich_help_panel=SERVICE_PANEL,
        show_default=False,
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        help="The authority that signed the server's certificate; the system's without it.",
        envvar="AIRLOCK_CA_FILE",
        rich_help_panel=SERVICE_PANEL,
        show_default=False,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(help="A file with an access token.", rich_help_panel=SERVICE_PANEL, show_default=False),
]
Username = Annotated[
    str | None,
    typer.Option(
        help="Sign in with this name.", envvar="AIRLOCK_USERNAME", rich_help_panel=SERVICE_PANEL, show_default=False
    ),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        help="A file with the password. Without it: AIRLOCK_PASSWORD, or a question.",
        envvar="AIRLOCK_PASSWORD_FILE",
        rich_help_panel=SERVICE_PANEL,
        show_default=False,
    ),
]


@contextmanager
def signed_in(
    server: str, ca_file: Path | None, token_file: Path | None, username: str | None, password_file: Path | None
) -> Iterator[tuple[grpc.Channel, Metadata]]:
    """A channel to the service and the metadata that names the caller. Raises a CommandError."""
    address = _address(server)
    credentials = _credentials(token_file, username, password_file)
    with open_channel(address, ca_file) as channel:
        yield channel, authorization(channel, credentials, address)


def service_of(context: typer.Context, server: str | None, *folders: str) -> str | None:
    """The service to ask, or None for the folders.

    A folder that is named on the command line counts more than a service that only the environment names.
    """
    if not server:
        return None
    typed = {name for name in ("server", *folders) if _is_typed(context, name)}
    return None if typed and "server" not in typed else server


def _is_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _address(server: str) -> str:
    """`host:port` or `unix:PATH`; an `https://` before it is what a browser needs."""
    address = server.strip().removeprefix("https://").rstrip("/")
    if address.startswith("unix:") or _HOST_AND_PORT.fullmatch(address):
        return address
    msg = f"{server!r} is not the address of a service."
    raise UsageRefusedError(msg, next_step="Name it as host:port, for example airlock.example.org:443, or unix:PATH.")


def _credentials(token_file: Path | None, username: str | None, password_file: Path | None) -> Credentials:
    if token_file is not None:
        return Credentials(token=_secret(token_file))
    if username is None:
        msg = "No caller is named."
        raise SettingMissingError(msg, next_step="Set --username NAME or --token-file FILE.")
    if password_file is not None:
        return Credentials(username=username, password=_secret(password_file))
    password = os.environ.get("AIRLOCK_PASSWORD", "")
    if not password and not sys.stdin.isatty():
        msg = "No password is given, and there is no terminal to ask on."
        raise SettingMissingError(msg, next_step="Set --password-file FILE or AIRLOCK_PASSWORD.")
    return Credentials(username=username, password=password or typer.prompt("Password", hide_input=True, err=True))


def _secret(path: Path) -> str:
    """The one line of a file; its line end does not belong to it."""
    with path.open("rb") as file:
        data = file.read(_MAX_SECRET + 1)
    try:
        text = data.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        text = ""
    if not text or "\n" in text or len(data) > _MAX_SECRET:
        msg = f"{path} must hold one line of text."
        raise FileUnusableError(msg, next_step="Put the secret alone into the file.")
    return text
