"""`transfer void`, `transfer epoch` and `transfer report`: an operator's decisions, and how an import went."""

import re
from typing import Annotated, Any

import typer
from airlock.ops.v1.import_report_pb2 import GetImportReportRequest, ImportReport
from airlock.ops.v1.ops_service_pb2_grpc import OpsServiceStub
from airlock.ops.v1.streams_pb2 import (
    AcceptEpochRequest,
    DeclareEpochRequest,
    GetStreamsRequest,
    GetStreamsResponse,
    VoidBundlesRequest,
)
from google.protobuf.json_format import MessageToDict

from transfer.bundle.names import kind_name
from transfer.cli.access import CaFile, PasswordFile, Server, TokenFile, Username, signed_in
from transfer.cli.errors import UsageRefusedError
from transfer.cli.options import AsJson, numbers_of, reason_of
from transfer.cli.output import Output, count_text, printable
from transfer.cli.server import CALL_SECONDS, refusals
from transfer.custody.numbers import format_numbers

_NUMBER_OR_ID = re.compile(r"[1-9][0-9]{0,18}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
Reason = Annotated[str, typer.Option(help="Why; it goes into the audit trail.")]

epoch_app = typer.Typer(
    help="Begin a new epoch after a database was restored, on the network where it was; accept it on the other one.",
    no_args_is_help=True,
)


def void(
    numbers: Annotated[str, typer.Argument(metavar="NUMBERS", help="For example 118-121,130.")],
    reason: Reason,
    server: Server,
    ca_file: CaFile = None,
    token_file: TokenFile = None,
    username: Username = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Give bundles up that are sealed and not acknowledged; what they carried goes out again under other numbers.

    Needed only where the other network can never use a bundle, for instance because its key was destroyed there. Should
    one arrive all the same, nothing is doubled.
    """
    output = Output(as_json=as_json)
    with output.refusals():
        request = VoidBundlesRequest(numbers=format_numbers(numbers_of(numbers)), reason=reason_of(reason))
        access = signed_in(server, ca_file, token_file, username, password_file)
        with access as (channel, caller), refusals(server):
            answer = OpsServiceStub(channel).VoidBundles(request, metadata=caller, timeout=CALL_SECONDS)
        output.document([_message(batch) for batch in answer.batches])
        given_up = format_numbers(batch.sequence for batch in answer.batches)
        output.line(f"{count_text(len(answer.batches), 'bundle')} given up: {given_up}.")
        output.line("The next export seals what they carried under new numbers.")


@epoch_app.command("declare")
def declare(
    reason: Reason,
    server: Server,
    without_alarm: Annotated[
        bool,
        typer.Option("--without-alarm", help="Though no alarm stands, because the database was restored just now."),
    ] = False,
    ca_file: CaFile = None,
    token_file: TokenFile = None,
    username: Username = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Begin a new epoch: both networks number from 1 again and send again whatever has no confirmed end.

    Do this where a database was restored, or where `status` says that exports stand still. Bundles of the old epoch
    that are still on their way are then set aside by their receiver.
    """
    output = Output(as_json=as_json)
    with output.refusals():
        why = reason_of(reason)
        with signed_in(server, ca_file, token_file, username, password_file) as (channel, caller), refusals(server):
            stub = OpsServiceStub(channel)
            streams = stub.GetStreams(GetStreamsRequest(), metadata=caller, timeout=CALL_SECONDS)
            _require_reason(streams, without_alarm=without_alarm)
            # Whoever was quicker has ended it already.
            request = DeclareEpochRequest(reason=why, ending_epoch=streams.outgoing.epoch)
            answer = stub.DeclareEpoch(request, metadata=caller, timeout=CALL_SECONDS)
        output.document(_message(answer))
        output.line(f"Epoch {answer.epoch} has begun here, after {answer.previous_epoch}.")
        output.line(
            "Carry the next bundles to the other network; if none waits yet, a status bundle is sealed within ten"
        )
        output.line("minutes. An operator there must accept it:")
        output.line(f"  transfer epoch accept {answer.epoch}")


def _require_reason(streams: GetStreamsResponse, *, without_alarm: bool) -> None:
    """A new epoch costs an operator's trip on both sides; nobody should begin one by mistake, or two."""
    if streams.incoming.waiting_epoch:
        msg = f"The other network has declared epoch {streams.incoming.waiting_epoch} already."
        raise UsageRefusedError(msg, next_step=f"`transfer epoch accept {streams.incoming.waiting_epoch}` accepts it.")
    if without_alarm or streams.outgoing.alarm or streams.incoming.alarm:
        return
    msg = f"No alarm stands in epoch {streams.outgoing.epoch}, so nothing asks for a new one."
    raise UsageRefusedError(msg, next_step="If this network's database was restored just now, say --without-alarm.")


@epoch_app.command("accept")
def accept(
    epoch: Annotated[int, typer.Argument(metavar="EPOCH", help="As the refusal of its bundles names it.", min=1)],
    server: Server,
    ca_file: CaFile = None,
    token_file: TokenFile = None,
    username: Username = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Accept the epoch that the other network declared. Ask its operator first, by another way than a medium."""
    output = Output(as_json=as_json)
    with output.refusals(), signed_in(server, ca_file, token_file, username, password_file) as (channel, caller):
        with refusals(server):
            request = AcceptEpochRequest(epoch=epoch)
            answer = OpsServiceStub(channel).AcceptEpoch(request, metadata=caller, timeout=CALL_SECONDS)
        output.document(_message(answer))
        output.line(f"Epoch {answer.epoch} has begun here, after {answer.previous_epoch}.")
        output.line(f"{count_text(len(answer.released_files), 'bundle')} that waited for it will be imported.")


def report(
    number: Annotated[
        str, typer.Argument(metavar="NUMBER", help="A bundle's number in the present epoch, or an import batch's id.")
    ],
    server: Server,
    ca_file: CaFile = None,
    token_file: TokenFile = None,
    username: Username = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what was checked each time that a bundle came in, by whom it was brought, and from which medium."""
    output = Output(as_json=as_json)
    with output.refusals():
        if _NUMBER_OR_ID.fullmatch(number) is None:
            msg = f"{number!r} is neither a bundle's number nor an import batch's id."
            raise UsageRefusedError(msg, next_step="`transfer status` names numbers, and `journal` what was brought.")
        access = signed_in(server, ca_file, token_file, username, password_file)
        with access as (channel, caller), refusals(server):
            request = GetImportReportRequest(number=number)
            answer = OpsServiceStub(channel).GetImportReport(request, metadata=caller, timeout=CALL_SECONDS)
        output.document([_message(one) for one in answer.reports])
        for one in answer.reports:
            _show(output, one)


def _show(output: Output, one: ImportReport) -> None:
    batch = one.batch
    result = {3: "imported", 4: "refused", 5: "known already"}.get(batch.status, "under way")
    output.line(
        f"number {batch.sequence} of epoch {batch.epoch}: {result}, {_time(batch, 'processed_at')}", style="bold"
    )
    kind = kind_name(batch.kind) if batch.kind else "unknown"
    counts = ", ".join(_counted(name, count) for name, count in sorted(one.counts.items()) if count)
    brought = f"{one.brought_by}, {_time(one, 'brought_at')}" if one.brought_by else "nobody knows: dropped in by hand"
    for label, value in (
        ("file", batch.filename),
        ("kind", kind),
        ("brought", brought),
        ("medium", one.medium or "without a name"),
        ("import", f"{batch.id} by {one.imported_by}"),
        ("records", counts or str(batch.record_count)),
    ):
        output.line(f"  {label:<8} {printable(value)}")
    for check in one.checks:
        style = {"passed": "green", "refused": "red"}.get(check.result)
        output.line(printable(f"  {check.name:<10} {check.result:<12} {check.detail}"), style=style)


def _counted(name: str, count: int) -> str:
    words = name.replace("_", " ")
    return f"{count} {words.replace('bundles', 'bundle') if count == 1 else words}"


def _time(message: Any, field: str) -> str:  # noqa: ANN401 - a message with that timestamp
    moment = getattr(message, field).ToJsonString() if message.HasField(field) else "at an unknown time"
    return str(moment)


def _message(message: Any) -> dict[str, Any]:  # noqa: ANN401 - any message
    shown: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return shown
