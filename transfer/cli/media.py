"""`transfer medium` and `transfer journal`: names for media, what is on each, and who carried what."""

import heapq
from pathlib import Path
from typing import Annotated, Any

import typer

from transfer.cli.errors import SettingMissingError, UsageRefusedError
from transfer.cli.options import AsJson, ExportDir, ImportDir, inbox_of, outbox_of
from transfer.cli.output import Output, count_text, printable, size_text
from transfer.spool.journal import Journal, JournalEntry
from transfer.spool.marker import Direction, is_medium_name
from transfer.spool.media import mark, report_lost, retire
from transfer.spool.media_index import KnownMedium, all_media
from transfer.spool.outbox import Outbox
from transfer.spool.walking import opened_medium

Medium = Annotated[Path, typer.Argument(metavar="MEDIUM", help="The folder where the medium is mounted.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The name that the medium was given.")]
_ACTIONS = {
    "init": "marked",
    "met": "seen first",
    "took": "taken",
    "held": "already on it",
    "resent": "taken again",
    "retired": "out of use",
}

medium_app = typer.Typer(help="Give media names and directions, and say when one is lost.", no_args_is_help=True)


@medium_app.command("init")
def init(
    medium: Medium,
    name: Annotated[str, typer.Option(help="1 to 64 letters, digits, dots, hyphens and underscores.")],
    direction: Annotated[
        Direction | None,
        typer.Option(
            help="Which way it may carry, `both` for one that goes to and fro; without it as before, or both.",
            show_default=False,
        ),
    ] = None,
    rename: Annotated[bool, typer.Option("--rename", help="Give a medium that has a name another one.")] = False,
    replaces: Annotated[
        bool, typer.Option("--replaces", help="Take the name of one that was wiped or is gone; that one is retired.")
    ] = False,
    export_dir: ExportDir = None,
    as_json: AsJson = False,
) -> None:
    """Give a medium a name and a direction, in a file `airlock-medium.json` on it.

    Nothing else on the medium is touched. With EXPORT_DIR this network's journal notes it, so that `status` and
    `medium list` know what is on it, and no two media get one name.
    """
    output = Output(as_json=as_json)
    with output.refusals():
        if not is_medium_name(name):
            msg = f"{name!r} is not a name for a medium."
            raise UsageRefusedError(
                msg, next_step="Choose one of 1 to 64 letters, digits, dots, hyphens and underscores."
            )
        outbox = outbox_of(export_dir) if export_dir is not None else None
        marked = mark(medium, name, direction, outbox, rename=rename, replaces=replaces)
        marker = marked.marker
        if marked.unwritten is not None:
            output.warning(f"not written down: {printable(marked.unwritten.message)}")
        output.document({"name": marker.name, "id": str(marker.medium_id), "direction": marker.direction.value})
        output.line(f"{printable(medium)} is the medium {marker.name} and may carry {marker.direction}.")
        output.line("Write the name on it too.")


@medium_app.command("list")
def list_media(export_dir: ExportDir = None, import_dir: ImportDir = None, as_json: AsJson = False) -> None:
    """List the media that this network knows, with what is on each that still waits for an acknowledgement.

    With IMPORT_DIR also those that only brought bundles here.
    """
    output = Output(as_json=as_json)
    with output.refusals():
        outbox = outbox_of(export_dir)
        taking = all_media(outbox)
        bringing = all_media(inbox_of(import_dir)) if import_dir is not None else {}
        media = [*taking.values(), *(one for key, one in bringing.items() if key not in taking)]
        waiting = {file.filename for file in Outbox(outbox).waiting()}
        output.document([_known(medium, waiting) for medium in media])
        for medium in media:
            on_it = sum(name in waiting for name in medium.bundles)
            output.line(
                f"{medium.name:<20} {medium.state:<8} {medium.direction or 'unknown':<20} "
                f"{count_text(on_it, 'bundle')} unacknowledged, last seen {medium.last_seen}"
            )
        if not media:
            output.line("No medium was marked or used here; `transfer medium init` gives one a name.")


@medium_app.command("lost")
def lost(name: Name, export_dir: ExportDir = None, as_json: AsJson = False) -> None:
    """Say that a medium is lost: what was on it, what of that still waits, and that others may hold it now.

    Nothing is sealed again. What is not acknowledged never left the outbox and goes with the next `take`.
    """
    output = Output(as_json=as_json)
    with output.refusals():
        report = report_lost(outbox_of(export_dir), name)
        output.document(
            {
                "name": name,
                "waiting": [_entry(one) for one in report.waiting],
                "settled": [_entry(one) for one in report.settled],
                "possible_disclosure": bool(report.bundles),
            }
        )
        output.line(f"{name} is noted as lost; `take` refuses it from now on.")
        for one in report.waiting:
            output.line(f"  waits again  {one.sequence:>6}  {one.kind:<10} {printable(one.file)}")
        if report.settled:
            output.line(f"{count_text(len(report.settled), 'bundle')} on it need not be carried again.")
        if report.waiting:
            output.line(f"The next `transfer take` carries {count_text(len(report.waiting), 'bundle')} of it again.")
        if not report.bundles:
            output.line("As far as the journal here tells, no bundle of this network was on it.")
        if report.bundles:
            total = size_text(sum(one.size for one in report.bundles))
            output.warning(f"possible disclosure: {total} in sealed bundles are in unknown hands. They are encrypted;")
            output.warning("whoever also has the keyring can read them: consider `transfer keys rotate encryption`.")


@medium_app.command("retire")
def retire_medium(name: Name, export_dir: ExportDir = None, as_json: AsJson = False) -> None:
    """Say that a medium is out of use; `take` refuses it from now on."""
    output = Output(as_json=as_json)
    with output.refusals():
        retire(outbox_of(export_dir), name)
        output.document({"name": name, "state": "retired"})
        output.line(f"{name} is noted as out of use.")


def journal(
    medium: Annotated[
        Path | None, typer.Argument(metavar="[MEDIUM]", help="Show this medium's journal.", show_default=False)
    ] = None,
    export_dir: ExportDir = None,
    import_dir: ImportDir = None,
    last: Annotated[int, typer.Option(help="How many of the newest entries.", min=1, max=100_000)] = 50,
    as_json: AsJson = False,
) -> None:
    """Show who put or took which file when: of the outbox and the inbox, or of a medium.

    A medium's journal can be written by anybody who has it in hand; the others are this network's own.
    """
    output = Output(as_json=as_json)
    with output.refusals():
        journals = _journals(medium, export_dir, import_dir)
        # Each journal keeps its own order, whatever a clock did meanwhile.
        entries = list(heapq.merge(*(journal.read() for journal in journals), key=lambda one: one.at))[-last:]
        output.document([_entry(one) for one in entries])
        for one in entries:
            output.line(_journal_line(one))
        if not entries:
            output.line("Nothing was carried yet.")


def _journals(medium: Path | None, export_dir: Path | None, import_dir: Path | None) -> list[Journal]:
    """The medium's own if one is named, else those of the folders. SettingMissingError without any of them."""
    if medium is not None:
        with opened_medium(medium):
            return [Journal.of_medium(medium)]
    if export_dir is None and import_dir is None:
        msg = "No journal is named."
        raise SettingMissingError(msg, next_step="Name a medium, or set EXPORT_DIR or IMPORT_DIR as for the service.")
    folders = [
        *([outbox_of(export_dir)] if export_dir is not None else []),
        *([inbox_of(import_dir)] if import_dir is not None else []),
    ]
    return [Journal.of_spool(folder) for folder in folders]


def _journal_line(one: JournalEntry) -> str:
    medium = f"  {one.medium}" if one.medium else ""
    number = f"  number {one.sequence}" if one.sequence else ""
    file = f"  {one.file}  {one.sha256[:16]}" if one.file else ""
    note = f"  {one.note}" if one.note else ""
    return printable(f"{one.at}  {one.by}  {_ACTIONS.get(one.action, one.action)}{medium}{number}{file}{note}")


def _entry(one: JournalEntry) -> dict[str, Any]:
    return {name: value for name in JournalEntry.__slots__ if (value := getattr(one, name))}


def _known(medium: KnownMedium, waiting: set[str]) -> dict[str, Any]:
    return {
        "name": medium.name,
        "id": medium.medium_id,
        "state": medium.state,
        "direction": medium.direction,
        "last_seen": medium.last_seen,
        "bundles": [_entry(one) | {"waits": one.file in waiting} for one in medium.bundles.values()],
    }
