"""`transfer export` and `transfer import`: bundles over gRPC, for a station that cannot see the service's folders."""

from pathlib import Path
from typing import Annotated

import typer
from airlock.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub

from transfer.cli.access import CaFile, PasswordFile, Server, TokenFile, Username, signed_in
from transfer.cli.errors import AccessDeniedError, ServerUnreachableError
from transfer.cli.fetching import fetch_waiting
from transfer.cli.options import AsJson
from transfer.cli.output import Output, printable, size_text, summary_text
from transfer.cli.sending import send_file
from transfer.errors import TransferError


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
    with output.refusals(), signed_in(server, ca_file, token_file, username, password_file) as (channel, caller):
        stub = TransferServiceStub(channel)
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
    with output.refusals(), signed_in(server, ca_file, token_file, username, password_file) as (channel, caller):
        stub = TransferServiceStub(channel)
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
