"""`transfer take` and `transfer deliver`: the two ends of every trip with a medium."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from airlock.ops.v1.ops_service_pb2_grpc import OpsServiceStub
from airlock.ops.v1.streams_pb2 import ResendBundlesRequest

from transfer.bundle.names import kind_name, network_name
from transfer.cli.access import SERVICE_PANEL, CaFile, PasswordFile, TokenFile, Username, service_of, signed_in
from transfer.cli.errors import NotWaitingError
from transfer.cli.options import (
    AsJson,
    ExportDir,
    ImportDir,
    ImportingNetwork,
    inbox_of,
    network_or_none,
    numbers_of,
    outbox_of,
)
from transfer.cli.output import Output, count_text, printable, size_text, summary_text
from transfer.cli.server import CALL_SECONDS, refusals
from transfer.custody.numbers import format_numbers
from transfer.errors import BundleError, NoSpaceError
from transfer.spool.candidates import Candidate, CarriedFile
from transfer.spool.deliver import DeliverReport
from transfer.spool.deliver import deliver as deliver_bundles
from transfer.spool.outbox import Outbox
from transfer.spool.take import TakeReport
from transfer.spool.take import take as take_bundles
from transfer.spool.walking import Found

Medium = Annotated[
    Path, typer.Argument(metavar="MEDIUM", help="The folder where the medium is mounted.", show_default=False)
]
AuditingServer = Annotated[
    str | None,
    typer.Option(
        "--server",
        help="Ask this service first, `host:port` over TLS or `unix:PATH`; it notes who asked.",
        envvar="AIRLOCK_SERVER",
        rich_help_panel=SERVICE_PANEL,
        show_default=False,
    ),
]
_LISTED = 20
_DAMAGED_IN_OUTBOX = (
    "The next export run brings a whole copy back, or gives its number up and sends what it carried under another; "
    "take again after that."
)


def take(
    medium: Medium,
    export_dir: ExportDir = None,
    as_json: AsJson = False,
) -> None:
    """Copy every waiting bundle to a medium, the most urgent first, as far as there is room.

    Each copy is flushed, read back and compared. Nothing leaves the outbox: a bundle is offered again until the other
    network has acknowledged it, so a lost medium is healed by the next one. What is on the medium already is not copied
    again.
    """
    output = Output(as_json=as_json)
    with output.refusals():
        outbox = outbox_of(export_dir)
        with output.progress("taking") as on_progress:
            report = take_bundles(outbox, medium, on_progress=on_progress)
        _say_taken(output, report, medium)


def resend(
    context: typer.Context,
    numbers: Annotated[str, typer.Argument(metavar="NUMBERS", help="For example 118-121,130.")],
    medium: Medium,
    export_dir: ExportDir = None,
    server: AuditingServer = None,
    ca_file: CaFile = None,
    token_file: TokenFile = None,
    username: Username = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Copy these bundles to a medium once more, byte for byte as they were sealed, whatever is on it already.

    They must wait in the outbox: what the other network has acknowledged need not be carried, and what was given up
    went out in other bundles. Where a service is named, it is asked first, and its audit trail notes who asked.
    """
    output = Output(as_json=as_json)
    with output.refusals():
        wanted = numbers_of(numbers)
        outbox = outbox_of(export_dir)
        server = service_of(context, server, "export_dir")
        if server is not None:
            access = signed_in(server, ca_file, token_file, username, password_file)
            with access as (channel, caller), refusals(server):
                request = ResendBundlesRequest(numbers=format_numbers(wanted))
                answer = OpsServiceStub(channel).ResendBundles(request, metadata=caller, timeout=CALL_SECONDS)
            for one in answer.bundles:
                if one.obstacle:
                    message = f"Number {one.batch.sequence} is not carried: {one.obstacle}."
                    # What is damaged or not sealed yet is put right by an export; all else needs no carrying.
                    later = "Run the same command again after that." if "export" in one.obstacle else None
                    output.failure(NotWaitingError(message, next_step=later))
                    wanted.remove(one.batch.sequence)
        with output.progress("taking") as on_progress:
            report = take_bundles(outbox, medium, numbers=frozenset(wanted), on_progress=on_progress)
        carried = {one.header.sequence for one in report.taken} | {one.header.sequence for one in report.left_behind}
        damaged = {one.sequence for one in report.refused}
        absent = [number for number in wanted if number not in carried | damaged]
        if absent:
            unclear = " A damaged file, named below, may be one of them." if 0 in damaged else ""
            output.failure(NotWaitingError(_not_waiting(outbox, absent) + unclear))
        _say_taken(output, report, medium, nothing="None of these was taken.")


def _not_waiting(outbox: Path, numbers: list[int]) -> str:
    """What became of numbers that do not wait, as far as the folders tell."""
    places = Outbox(outbox)
    acknowledged, voided = places.acknowledged(), places.voided()
    # Numbers of an epoch that has ended say nothing of the present one.
    epoch = max((file.epoch for file in (*places.waiting(), *acknowledged, *voided)), default=0)
    groups: dict[str, list[int]] = {}
    for what, files in (("acknowledged", acknowledged), ("given up", voided)):
        here = {file.sequence for file in files if file.epoch == epoch} & set(numbers)
        numbers = [number for number in numbers if number not in here]
        if here:
            groups[what] = sorted(here)
    if numbers:
        groups["no file here: not sealed, missing, or cleaned up long after its acknowledgement"] = numbers
    told = "; ".join(f"{format_numbers(group)} ({what})" for what, group in groups.items())
    return f"Not waiting in the outbox: {told}."


def _say_taken(output: Output, report: TakeReport, medium: Path, nothing: str = "Nothing waits to be carried.") -> None:
    for one in report.taken:
        output.line(f"taken  {_carried_text(one)}")
    if report.unwritten is not None:
        output.warning(f"not written down: {printable(report.unwritten.message)}")
    refused = [
        output.failure(one.error, one.path, _DAMAGED_IN_OUTBOX if isinstance(one.error, BundleError) else None)
        | {"path": str(one.path)}
        for one in report.refused
    ]
    output.document(
        {
            "taken": [_carried(one) for one in report.taken],
            "already_there": [_carried(one) for one in report.already_there],
            "left_behind": [_candidate(one) for one in report.left_behind],
            "refused": refused,
            "medium": report.marker.name if report.marker is not None else "",
            "safe_to_remove": True,
        }
    )
    _say_left_behind(output, report.left_behind, "on the medium", "Take them with another medium.")
    counts = (
        (len(report.taken), f"taken ({size_text(sum(one.size for one in report.taken))})"),
        (len(report.already_there), "on the medium already"),
        (len(report.left_behind), "left for lack of room"),
        (len(refused), "refused"),
    )
    output.line(summary_text(counts) or nothing)
    named = f" ({report.marker.name})" if report.marker is not None else ""
    output.line(f"{printable(medium)}{named} is safe to remove.", style="bold green")


def deliver(
    medium: Medium,
    import_dir: ImportDir = None,
    to: ImportingNetwork = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Deliver what was imported before too, after the database was restored from a backup."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy the bundles on a medium into the inbox; the service's next import applies them.

    Only regular files are read, no link is followed, and whatever else is on the medium is reported and left alone.
    Nothing on the medium is deleted. Delivering twice is harmless: what is in the inbox or was imported is not copied
    again.
    """
    output = Output(as_json=as_json)
    with output.refusals():
        inbox, destination = inbox_of(import_dir), network_or_none(to)
        with output.progress("delivering") as on_progress:
            report = deliver_bundles(medium, inbox, destination=destination, again=again, on_progress=on_progress)
        _say_delivered(output, report, medium)


def _say_delivered(output: Output, report: DeliverReport, medium: Path) -> None:
    for one in report.delivered:
        output.line(f"delivered  {_carried_text(one)}")
    if report.damaged_marker is not None:
        output.warning(f"marker passed over: {printable(report.damaged_marker.message)}")
    if report.unwritten is not None:
        output.warning(f"not written down: {printable(report.unwritten.message)}")
    refused = [output.failure(one.error, one.path) | {"path": str(one.path)} for one in report.refused]
    output.document(
        {
            "delivered": [_carried(one) for one in report.delivered],
            "already_there": [_carried(one) for one in report.already_there],
            "left_behind": [_candidate(one) for one in report.left_behind],
            "other_direction": [_candidate(one) for one in report.other_direction],
            "refused": refused,
            "medium": report.marker.name if report.marker is not None else "",
            "untouched": [{"path": str(one.path), "reason": _reason(one)} for one in report.untouched],
        }
    )
    _say_left_behind(output, report.left_behind, "in the inbox", "Free space on its disk and deliver again.")
    for found in report.untouched[:_LISTED]:
        output.warning(f"not touched  {printable(found.path)}: {_reason(found)}")
    if len(report.untouched) > _LISTED:
        output.warning(f"not touched  {len(report.untouched) - _LISTED} more; --json lists all")
    counts = (
        (len(report.delivered), f"delivered ({size_text(sum(one.size for one in report.delivered))})"),
        (len(report.already_there), "delivered before"),
        (len(report.other_direction), "for the other network"),
        (len(report.left_behind), "left for lack of room"),
        (len(refused), "refused"),
    )
    output.line(summary_text(counts) or "There is no bundle on the medium.")
    if report.delivered:
        output.line("The service's next import applies what was delivered.")
    elif report.other_direction and not report.already_there:
        networks = {network_name(one.header.destination_network) for one in report.other_direction}
        output.warning(f"nothing here is for this network: carry the medium to the {' and '.join(networks)} network")
    # A marked medium's journal is written where the medium can be.
    noted = report.marker is not None and report.delivered and os.access(medium, os.W_OK)
    kept = "was deleted; its journal says what was delivered" if noted else "was changed or deleted"
    output.line(f"Nothing on {printable(medium)} {kept}.")


def _say_left_behind(output: Output, left: list[Candidate], where: str, next_step: str) -> None:
    """Lack of room is a failure of its own: whoever carries must come again."""
    if not left:
        return
    for candidate in left:
        output.warning(f"no room  {printable(candidate.path.name)}  {size_text(candidate.size)}")
    missing = size_text(sum(one.size for one in left))
    message = f"There is no room {where} for {count_text(len(left), 'bundle')} ({missing})."
    output.failure(NoSpaceError(message, next_step=next_step))


def _carried_text(one: CarriedFile) -> str:
    return f"{printable(one.path.name)}  {size_text(one.size)}"


def _carried(one: CarriedFile) -> dict[str, Any]:
    return {
        "path": str(one.path),
        "kind": kind_name(one.header.kind),
        "sequence": one.header.sequence,
        "size_bytes": one.size,
        "checksum": one.checksum,
    }


def _candidate(one: Candidate) -> dict[str, Any]:
    header = one.header
    return {
        "path": str(one.path),
        "kind": kind_name(header.kind),
        "sequence": header.sequence,
        "destination_network": network_name(header.destination_network),
        "size_bytes": one.size,
    }


def _reason(found: Found) -> str:
    return found.obstacle or "is not named as a bundle is"
