"""`transfer export` and `transfer import`: bundles over gRPC, for a station that cannot see the service's folders."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from airlock.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub

from transfer.cli.errors import AccessDeniedError, FileUnusableError, ServerUnreachableError, SettingMissingError
from transfer.cli.fetching import fetch_waiting
from transfer.cli.options import AsJson
from transfer.cli.output import Output, printable, size_text, summary_text
from transfer.cli.sending import send_file
from transfer.cli.server import Credentials, authorization, open_channel
from transfer.errors import TransferError

_MAX_SECRET = 8192

Server = Annotated[str, typer.Option(help="`host:port` over TLS, or `unix:PATH`.", envvar="AIRLOCK_SERVER")]
CaFile = Annotated[
    Path | None,
    typer.Option(
        "--ca", help="The authority that signed the server's certificate; the system's without it.", show_default=False
    ),
]
TokenFile = Annotated[Path | None, typer.Option(help="A file with an access token.", show_default=False)]
Username = Annotated[str | None, typer.Option(help="Sign in with this name.", show_default=False)]
PasswordFile = Annotated[
    Path | None,
    typer.Option(help="A file with the password. Without it: AIRLOCK_PASSWORD, or a question.", show_default=False),
]


def export_bundles(
    server: Server,
    directory: Annotated[
        Path, typer.Argument(metavar="DIRECTORY", help="Where to put the bundles, for example a medium.")
    ],
    ca_file: CaFile = None,
    token_file: TokenFile = None,
    username: Username = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Fetch every waiting bundle from a service into a folder, the most urgent first.

    Bundles that are there already, whole, are skipped, so a broken connection costs only the bundle in flight.
    """
    output = Output(as_json=as_json)
    with output.refusals(), _signed_in(server, ca_file, token_file, username, password_file) as (stub, caller):
        directory.mkdir(parents=True, exist_ok=True)
        fetched, present, failed = [], [], []
        for bundle, outcome in fetch_waiting(stub, caller, server, directory, output):
            if isinstance(outcome, TransferError):
                failed.append(output.failure(outcome, bundle["filename"]) | {"filename": bundle["filename"]})
            elif outcome:
                fetched.append(bundle)
                output.line(f"fetched  {bundle['filename']}  {size_text(bundle['size_bytes'])}")
            else:
                present.append(bundle)
        output.document({"fetched": fetched, "already_there": present, "failed": failed})
        counts = ((len(fetched), "fetched"), (len(present), "there already"), (len(failed), "failed"))
        output.line(summary_text(counts) or "Nothing waits to be carried.")


def import_bundles(
    server: Server,
    files: Annotated[list[Path], typer.Argument(help="Bundles of the other network.", metavar="FILE...")],
    ca_file: CaFile = None,
    token_file: TokenFile = None,
    username: Username = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Hand bundles to a service's inbox. The same bundle twice is harmless; the files stay where they are."""
    output = Output(as_json=as_json)
    with output.refusals(), _signed_in(server, ca_file, token_file, username, password_file) as (stub, caller):
        sent, failed = [], []
        for path in files:
            try:
                report = send_file(stub, caller, server, path, output)
            except (ServerUnreachableError, AccessDeniedError):
                # The next file would fare no better.
                raise
            except TransferError as error:
                failed.append(output.failure(error, path) | {"path": str(path)})
                continue
            sent.append(report)
            output.line(
                f"sent  {printable(path)}  {size_text(report['size_bytes'])}  as {printable(report['filename'])}"
            )
        output.document({"sent": sent, "failed": failed})
        output.line(summary_text(((len(sent), "sent"), (len(failed), "failed"))))
        if sent:
            output.line("The service's next import applies what was sent.")


@contextmanager
def _signed_in(
    server: str, ca_file: Path | None, token_file: Path | None, username: str | None, password_file: Path | None
) -> Iterator[tuple[TransferServiceStub, tuple[tuple[str, str], ...]]]:
    credentials = _credentials(token_file, username, password_file)
    with open_channel(server, ca_file) as channel:
        yield TransferServiceStub(channel), authorization(channel, credentials, server)


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
