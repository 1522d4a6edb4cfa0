"""`transfer quarantine`: refused files, of a service or of an inbox's folder."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from airlock.ops.v1.ops_service_pb2_grpc import OpsServiceStub
from airlock.ops.v1.quarantine_pb2 import (
    DiscardQuarantinedFileRequest,
    GetQuarantinedFileRequest,
    ListQuarantineRequest,
    ReleaseQuarantinedFileRequest,
)
from google.protobuf.json_format import MessageToDict

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
from transfer.cli.options import AsJson, ImportDir, inbox_of
from transfer.cli.output import Output, count_text, printable, size_text
from transfer.cli.server import CALL_SECONDS, refusals
from transfer.custody.errors import ImplausibleEpochError, LaterEpochError
from transfer.errors import (
    FormatVersionError,
    HashMismatchError,
    NotABundleError,
    RequiredFeatureError,
    SchemaVersionError,
    TrailingBytesError,
    TruncatedError,
    UnknownFieldError,
    UnknownFlagsError,
    UnknownKeyVersionError,
    UnknownSignerError,
    WrongKeyError,
)
from transfer.spool.inbox import Inbox
from transfer.spool.journal import Journal

Name = Annotated[str, typer.Argument(metavar="NAME", help="The file's name in quarantine, as `list` shows it.")]
_PAGE = 200
# An upgrade, a key or a corrected clock or setting here makes these good.
_CHANGES_HERE = frozenset(
    error.defect
    for error in (
        FormatVersionError,
        UnknownFlagsError,
        SchemaVersionError,
        RequiredFeatureError,
        UnknownFieldError,
        UnknownSignerError,
        UnknownKeyVersionError,
        WrongKeyError,
        ImplausibleEpochError,
    )
) | {"unknown"}
# A key that was revoked or destroyed here never comes back.
_FOR_GOOD = re.compile("which was (revoked|destroyed) here")
# Another copy of the same bundle may be whole; this one never will be.
_BAD_COPIES = frozenset(
    error.defect for error in (NotABundleError, TruncatedError, TrailingBytesError, HashMismatchError)
)

quarantine_app = typer.Typer(
    help="Look at refused files, import one again, or delete one. With --server the service does it and audits it.",
    no_args_is_help=True,
)


class Quarantine(Protocol):
    """Refused files, wherever they are kept; each as a document."""

    def files(self) -> list[dict[str, Any]]:
        """All of them, the oldest first."""
        ...

    def find(self, name: str) -> dict[str, Any]:
        """One of them."""
        ...

    def release(self, name: str) -> None:
        """Back into the inbox."""
        ...

    def discard(self, name: str) -> None:
        """Deletes it."""
        ...


class _OfFolder:
    """In an inbox's own folder; what is done is noted in its journal."""

    def __init__(self, import_dir: Path) -> None:
        self._inbox = Inbox(import_dir)
        self._journal = Journal.of_spool(import_dir)

    def files(self) -> list[dict[str, Any]]:
        return [_from_reason(file.name, file.size, file.reason) for file in self._inbox.quarantine_folder.files()]

    def find(self, name: str) -> dict[str, Any]:
        file = self._inbox.quarantine_folder.find(name)
        return _from_reason(file.name, file.size, file.reason)

    def release(self, name: str) -> None:
        self._inbox.release(name)
        self._journal.write(self._journal.entry("released", file=name))

    def discard(self, name: str) -> None:
        self._inbox.quarantine_folder.discard(name)
        self._journal.write(self._journal.entry("discarded", file=name))


class _OfService:
    """Behind a service, which audits what is done."""

    def __init__(self, stub: OpsServiceStub, caller: Metadata, server: str) -> None:
        self._stub, self._caller, self._server = stub, caller, server

    def files(self) -> list[dict[str, Any]]:
        files: list[dict[str, Any]] = []
        token = ""
        while True:
            answer = self._call(self._stub.ListQuarantine, ListQuarantineRequest(page_size=_PAGE, page_token=token))
            files += [_from_message(file) for file in answer.files]
            token = answer.next_page_token
            if not token:
                return files

    def find(self, name: str) -> dict[str, Any]:
        return _from_message(self._call(self._stub.GetQuarantinedFile, GetQuarantinedFileRequest(name=name)).file)

    def release(self, name: str) -> None:
        self._call(self._stub.ReleaseQuarantinedFile, ReleaseQuarantinedFileRequest(name=name))

    def discard(self, name: str) -> None:
        self._call(self._stub.DiscardQuarantinedFile, DiscardQuarantinedFileRequest(name=name))

    def _call(self, method: Any, request: Any) -> Any:  # noqa: ANN401 - any call of the service
        with refusals(self._server):
            return method(request, metadata=self._caller, timeout=CALL_SECONDS)


@contextmanager
def _quarantine(
    context: typer.Context,
    import_dir: Path | None,
    server: str | None,
    ca_file: Path | None,
    token_file: Path | None,
    username: str | None,
    password_file: Path | None,
) -> Iterator[Quarantine]:
    """Of the service if one is named, else of the folder. Raises a CommandError."""
    server = service_of(context, server, "import_dir")
    if server is None:
        yield _OfFolder(inbox_of(import_dir))
        return
    with signed_in(server, ca_file, token_file, username, password_file) as (channel, caller):
        yield _OfService(OpsServiceStub(channel), caller, server)


@quarantine_app.command("list")
def list_files(
    context: typer.Context,
    import_dir: ImportDir = None,
    server: OptionalServer = None,
    ca_file: CaFile = None,
    token_file: TokenFile = None,
    username: Username = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """List refused files, the oldest first, each with its defect."""
    output = Output(as_json=as_json)
    place = _quarantine(context, import_dir, server, ca_file, token_file, username, password_file)
    with output.refusals(), place as quarantine:
        files = quarantine.files()
        output.document(files)
        for file in files:
            number = f"number {file['sequence']}" if file["sequence"] else "no trusted number"
            times = f"  brought {file['times']} times" if file["times"] > 1 else ""
            output.line(f"{printable(file['name'])}  {printable(file['defect'])}  {number}{times}")
        output.line(f"{count_text(len(files), 'file')} in quarantine." if files else "Nothing is in quarantine.")


@quarantine_app.command("show")
def show(
    context: typer.Context,
    name: Name,
    import_dir: ImportDir = None,
    server: OptionalServer = None,
    ca_file: CaFile = None,
    token_file: TokenFile = None,
    username: Username = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Show why a file was refused and what to do about it."""
    output = Output(as_json=as_json)
    place = _quarantine(context, import_dir, server, ca_file, token_file, username, password_file)
    with output.refusals(), place as quarantine:
        file = quarantine.find(name)
        output.document(file)
        for label, value in (
            ("file", file["name"]),
            ("came as", file["original"]),
            ("size", size_text(file["size_bytes"])),
            ("sha256", file["checksum"]),
            ("number", f"{file['sequence']} of epoch {file['epoch']}" if file["sequence"] else "not trusted"),
            ("refused", file["quarantined_at"]),
            ("defect", file["defect"]),
            ("cause", file["message"]),
            ("next", file["next_step"]),
        ):
            output.line(f"{label:<8} {printable(value)}")
        for line in _what_then(file):
            output.line(line, style="bold")


@quarantine_app.command("release")
def release(
    context: typer.Context,
    name: Name,
    import_dir: ImportDir = None,
    server: OptionalServer = None,
    ca_file: CaFile = None,
    token_file: TokenFile = None,
    username: Username = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Put a file back into the inbox, after an upgrade or with a new key; the next import decides on it anew."""
    output = Output(as_json=as_json)
    place = _quarantine(context, import_dir, server, ca_file, token_file, username, password_file)
    with output.refusals(), place as quarantine:
        quarantine.release(name)
        output.document({"released": name})
        output.line(f"{printable(name)} is in the inbox again; the service's next import decides on it.")


@quarantine_app.command("discard")
def discard(
    context: typer.Context,
    name: Name,
    import_dir: ImportDir = None,
    server: OptionalServer = None,
    ca_file: CaFile = None,
    token_file: TokenFile = None,
    username: Username = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Delete a refused file. A number that was refused stays so until its sender gives it up (`transfer void`)."""
    output = Output(as_json=as_json)
    place = _quarantine(context, import_dir, server, ca_file, token_file, username, password_file)
    with output.refusals(), place as quarantine:
        quarantine.discard(name)
        output.document({"discarded": name})
        output.line(f"{printable(name)} is deleted.")


def _what_then(file: Mapping[str, Any]) -> Iterator[str]:
    """The command that follows upon the next step, where one helps."""
    name, defect = printable(file["name"]), file["defect"]
    if defect == LaterEpochError.defect:
        yield f"then     transfer epoch accept {file['epoch']}"
        yield "         which brings this file and all others of that epoch back by itself"
    elif defect in _CHANGES_HERE and not _FOR_GOOD.search(file["message"]):
        yield f"then     transfer quarantine release {name}"
    elif defect in _BAD_COPIES:
        yield f"then     transfer quarantine discard {name}"


def _from_reason(name: str, size: int, reason: dict[str, Any]) -> dict[str, Any]:
    texts = {key: str(reason.get(key, "")) for key in ("defect", "message", "next_step", "original", "quarantined_at")}
    numbers = {
        key: value if isinstance(value := reason.get(key, 0), int) else 0 for key in ("epoch", "sequence", "times")
    }
    return {"name": name, "size_bytes": size, "checksum": str(reason.get("sha256", "")), **texts, **numbers}


def _from_message(file: Any) -> dict[str, Any]:  # noqa: ANN401 - a QuarantinedFile
    found = MessageToDict(file, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    numbers = {key: int(found.get(key, 0)) for key in ("size_bytes", "epoch", "sequence", "times")}
    return {"quarantined_at": "", **found, **numbers}
