"""`transfer status`: both streams, from a service or from the folders alone."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self

import typer
from airlock.common.v1 import network_pb2
from airlock.ops.v1.batches_pb2 import DISPOSITION_CLAIMED, DISPOSITION_SEALED, Disposition
from airlock.ops.v1.ops_service_pb2_grpc import OpsServiceStub
from airlock.ops.v1.streams_pb2 import (
    GetStreamsRequest,
    GetStreamsResponse,
    ListStreamBundlesRequest,
    StreamBundle,
)
from google.protobuf.json_format import MessageToDict
from grpc import Channel

from transfer.bundle.names import kind_name
from transfer.cli.access import (
    CaFile,
    Metadata,
    OptionalServer,
    PasswordFile,
    TokenFile,
    Username,
    service_of,
    signed_in,
)
from transfer.cli.errors import AccessDeniedError, ServerUnreachableError, SettingMissingError
from transfer.cli.options import AsJson, ExportDir, ImportDir, inbox_of, outbox_of
from transfer.cli.output import Output, count_text, printable, size_text
from transfer.cli.server import CALL_SECONDS, refusals
from transfer.spool.outbox import Outbox
from transfer.spool.overview import WaitingFile, inbox_overview, waiting_files

_SHOWN = 20
_PAGE = 200


def status(
    context: typer.Context,
    server: OptionalServer = None,
    ca_file: CaFile = None,
    token_file: TokenFile = None,
    username: Username = None,
    password_file: PasswordFile = None,
    export_dir: ExportDir = None,
    import_dir: ImportDir = None,
    everything: Annotated[
        bool, typer.Option("--all", help="List every bundle in flight, not only the newest ones.")
    ] = False,
    watch: Annotated[
        float | None, typer.Option(help="Show it again every so many seconds, until Ctrl-C.", min=0.2, max=3600)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show both streams: what is sealed and on which medium, acknowledged, refused, missing, quarantined, how old.

    From a service with --server; without it from the folders EXPORT_DIR and IMPORT_DIR, which know what waits and
    what was refused, but not what the other network said. With --watch and --json it prints a document each time.
    """
    output = Output(as_json=as_json)
    with output.refusals():
        server = service_of(context, server, "export_dir", "import_dir")
        if server is not None:
            access = partial(signed_in, server, ca_file, token_file, username, password_file)
            with ServiceView(output, access, server, everything=everything) as view:
                _repeat(output, watch, view.show)
            return
        if export_dir is None and import_dir is None:
            msg = "Neither a service nor a folder is named."
            raise SettingMissingError(msg, next_step="Set --server, or EXPORT_DIR and IMPORT_DIR as for the service.")
        outbox = outbox_of(export_dir) if export_dir is not None else None
        inbox = inbox_of(import_dir) if import_dir is not None else None
        _repeat(output, watch, lambda: _of_folders(output, outbox, inbox, everything))


def _repeat(output: Output, seconds: float | None, show: Callable[[], None]) -> None:
    """Once, or every so many seconds; then a service that does not answer for a while is shown as that."""
    shown = False
    while True:
        if seconds is not None:
            output.line(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, every {seconds:g} s until Ctrl-C")
        try:
            show()
            shown = True
        except ServerUnreachableError as error:
            if not shown or seconds is None:
                raise
            output.warning(f"{printable(error.message)} It is asked again.")
        if seconds is None:
            return
        try:
            time.sleep(seconds)
        except KeyboardInterrupt:
            return
        output.clear()


class ServiceView:
    """What a service tells, for as long as somebody watches: a token's time may end meanwhile."""

    def __init__(
        self,
        output: Output,
        access: Callable[[], AbstractContextManager[tuple[Channel, Metadata]]],
        server: str,
        *,
        everything: bool,
    ) -> None:
        self._output, self._access, self._server, self._everything = output, access, server, everything
        self._session = ExitStack()
        self._signed_in: tuple[OpsServiceStub, Metadata] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._session.close()

    def show(self) -> None:
        """Both streams, after signing in anew where the last token counts no more."""
        if self._signed_in is not None:
            try:
                self._show(*self._signed_in)
            except AccessDeniedError:
                self._signed_in = None
                self._session.close()
            else:
                return
        channel, caller = self._session.enter_context(self._access())
        self._signed_in = OpsServiceStub(channel), caller
        self._show(*self._signed_in)

    def _show(self, stub: OpsServiceStub, caller: Metadata) -> None:
        _of_service(self._output, stub, caller, self._server, self._everything)


def _of_service(output: Output, stub: OpsServiceStub, caller: Metadata, server: str, everything: bool) -> None:
    with refusals(server):
        streams = stub.GetStreams(GetStreamsRequest(), metadata=caller, timeout=CALL_SECONDS)
        # A document is for programs, which take more at once than a person reads.
        flying = _in_flight(stub, caller, _PAGE if output.as_json or everything else _SHOWN, everything=everything)
    output.document(
        {
            "streams": MessageToDict(
                streams, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
            ),
            "in_flight": [MessageToDict(one, preserving_proto_field_name=True) for one in flying],
        }
    )
    _show_outgoing(output, streams, flying if everything else flying[:_SHOWN])
    _show_incoming(output, streams)


def _in_flight(stub: OpsServiceStub, caller: Metadata, page_size: int, *, everything: bool) -> list[StreamBundle]:
    """The newest page of what is sealed and not acknowledged, or every page."""
    request = ListStreamBundlesRequest(page_size=page_size, dispositions=[DISPOSITION_SEALED, DISPOSITION_CLAIMED])
    flying: list[StreamBundle] = []
    while True:
        page = stub.ListStreamBundles(request, metadata=caller, timeout=CALL_SECONDS)
        flying += page.bundles
        if not page.next_page_token or not everything:
            return flying
        request.page_token = page.next_page_token


def _show_outgoing(output: Output, streams: GetStreamsResponse, listed: list[StreamBundle]) -> None:
    stream = streams.outgoing
    own = network_pb2.Network.Name(streams.network).removeprefix("NETWORK_").lower()
    output.line(f"sent by the {own} network, epoch {stream.epoch or 'not begun'}", style="bold")
    if stream.alarm:
        output.line(f"  ALARM          {printable(stream.alarm)}", style="bold red")
        output.line("                 exports stand still; see `transfer epoch declare --help`", style="bold red")
    output.line(f"  sealed         up to {stream.last_sequence}")
    acknowledged = _ago(stream.last_acknowledged_at.ToDatetime(UTC)) if stream.HasField("last_acknowledged_at") else ""
    output.line(f"  acknowledged   up to {stream.acknowledged_up_to}{f', last {acknowledged}' if acknowledged else ''}")
    if stream.last_sequence and not stream.acknowledged_up_to:
        output.line("                 the other network has confirmed nothing of this epoch yet")
    size = size_text(stream.in_flight_bytes)
    oldest = _ago(stream.oldest_in_flight_at.ToDatetime(UTC)) if stream.HasField("oldest_in_flight_at") else ""
    age = f", the oldest {oldest}" if oldest else ""
    output.line(f"  in flight      {count_text(stream.in_flight, 'bundle')} ({size}){age}")
    for load in stream.media:
        output.line(f"    on {printable(load.name)}: {load.bundles}")
    if stream.on_no_medium and stream.media:
        output.line(f"    on no known medium: {stream.on_no_medium}")
    for word, numbers, style in (
        ("missing", stream.proven_missing, "yellow"),
        ("maybe lost", stream.suspected_missing, "yellow"),
        ("refused", stream.refused, "red"),
    ):
        if numbers:
            output.line(f"  {word:<14} {numbers}", style=style)
    for one in listed:
        output.line(_bundle_line(one))
    if len(listed) < stream.in_flight:
        output.line(f"    … {count_text(stream.in_flight - len(listed), 'older one')}; --all lists them")


def _bundle_line(one: StreamBundle) -> str:
    state = Disposition.Name(one.disposition).removeprefix("DISPOSITION_").lower()
    media = f"  on {', '.join(one.media)}" if one.media else ""
    refused = f"  refused there: {one.refused_reason}" if one.refused_reason else ""
    age = _ago(one.recorded_at.ToDatetime(UTC))
    size = size_text(one.size_bytes)
    return printable(f"    {one.sequence:>6}  {kind_name(one.kind):<13} {state:<8} {size:>10}  {age}{media}{refused}")


def _show_incoming(output: Output, streams: GetStreamsResponse) -> None:
    stream = streams.incoming
    output.line(f"received here, epoch {stream.epoch or 'not begun'}", style="bold")
    if stream.alarm:
        output.line(f"  ALARM          {printable(stream.alarm)}", style="bold red")
        output.line(
            "                 call the other network's operator; whoever's database was restored runs", "bold red"
        )
        output.line("                 transfer epoch declare, and the other one accepts it", style="bold red")
    last = _ago(stream.last_received_at.ToDatetime(UTC)) if stream.HasField("last_received_at") else "never"
    output.line(f"  applied        up to {stream.cumulative}, highest seen {stream.highest_seen}, last {last}")
    if stream.missing:
        output.line(f"  missing        {stream.missing} ({count_text(stream.missing_count, 'bundle')})", style="yellow")
    if stream.waiting_epoch:
        output.line(
            f"  NEW EPOCH      {stream.waiting_epoch} waits; ask the other network's operator, then", "bold yellow"
        )
        output.line(f"                 transfer epoch accept {stream.waiting_epoch}", "bold red")
    if stream.refused_count:
        output.line(f"  refused        {count_text(stream.refused_count, 'number')}", style="red")
    if stream.quarantined_files:
        files = count_text(stream.quarantined_files, "file")
        output.line(f"  quarantined    {files}; see `transfer quarantine list`", style="yellow")


def _of_folders(output: Output, export_dir: Path | None, import_dir: Path | None, everything: bool) -> None:
    document: dict[str, Any] = {}
    if export_dir is not None:
        waiting = waiting_files(Outbox(export_dir))
        document["outbox"] = [_waiting(one) for one in waiting]
        _show_waiting(output, waiting, waiting if everything else waiting[:_SHOWN])
    if import_dir is not None:
        inbox = inbox_overview(import_dir)
        document["inbox"] = {
            "waiting": inbox.waiting,
            "archived": inbox.archived,
            "newest_archived_at": inbox.newest_archived_at.isoformat() if inbox.newest_archived_at else None,
            "quarantined": dict(inbox.quarantined),
        }
        newest = f", the newest sealed {_ago(inbox.newest_archived_at)}" if inbox.newest_archived_at else ""
        output.line("inbox", style="bold")
        output.line(f"  to be imported {inbox.waiting}")
        output.line(f"  imported       {inbox.archived}{newest}")
        for defect, count in sorted(inbox.quarantined.items()):
            output.line(f"  quarantined    {count} {printable(defect)}; see `transfer quarantine list`", style="yellow")
    output.document(document)


def _show_waiting(output: Output, waiting: list[WaitingFile], listed: list[WaitingFile]) -> None:
    output.line("outbox", style="bold")
    output.line(
        f"  to be carried  {count_text(len(waiting), 'bundle')} ({size_text(sum(one.size for one in waiting))})"
    )
    for one in listed:
        media = f"  on {', '.join(one.media)}" if one.media else "  on no known medium"
        age = _ago(one.sealed_at) if one.sealed_at is not None else "damaged"
        output.line(printable(f"    {one.sequence:>6}  {one.kind:<13} {size_text(one.size):>10}  {age}{media}"))
    if len(listed) < len(waiting):
        output.line(f"    … {len(waiting) - len(listed)} more; --all lists them")


def _waiting(one: WaitingFile) -> dict[str, Any]:
    return {
        "filename": one.filename,
        "kind": one.kind,
        "epoch": one.epoch,
        "sequence": one.sequence,
        "size_bytes": one.size,
        "sealed_at": one.sealed_at.isoformat() if one.sealed_at is not None else None,
        "media": list(one.media),
    }


def _ago(moment: datetime) -> str:
    """How long ago, in the two largest units: `3 d 4 h ago`."""
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit, smaller, small_unit in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // smaller} {small_unit} ago"
    return f"{seconds} s ago"
