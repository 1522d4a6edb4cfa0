"""`transfer write`: JSON lines sealed into a bundle, for integrations and tests."""

import contextlib
import sys
import uuid
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
from airlock.bundle.v1.frame_pb2 import RecordBlock
from airlock.bundle.v1.header_pb2 import BundleHeader

from transfer.bundle.header import check_direction, filename_of, new_header
from transfer.bundle.keyring import Keyring, SigningKey
from transfer.bundle.names import kind_from_name, network_from_name, other_network, sidecar_filename
from transfer.bundle.records import PayloadRules
from transfer.bundle.sidecar import render_sidecar
from transfer.bundle.versions import needed_minor, newest_minor
from transfer.bundle.writer import BundleWriter, SealedBundle
from transfer.cli.errors import FileExistsAlreadyError, RecordLineError, UsageRefusedError
from transfer.cli.lines import ACKNOWLEDGEMENTS, acknowledgements_of, pieces_of, read_lines
from transfer.cli.options import AsJson, KeyringFile, SigningKeyFile, keyring_of, signing_key_of
from transfer.cli.output import Output, count_text, printable, size_text
from transfer.errors import BundleError
from transfer.spool.durable import replace_durably, temporary_beside, write_durably

_SEE_HELP = "See `transfer write --help`."


def write(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="The file to make, or a folder, in which it gets its usual name.")
    ],
    kind: Annotated[str, typer.Option(help="requests, responses, users, settings, profile_types or status.")],
    source: Annotated[str, typer.Option(help="The network that seals: request or response.")],
    epoch: Annotated[int, typer.Option(min=1, max=2**63 - 1, help="The epoch of the stream, a Unix second.")],
    sequence: Annotated[int, typer.Option(min=1, max=2**63 - 1, help="The bundle's number in its stream.")],
    records: Annotated[
        Path | None, typer.Option(help="JSON lines; standard input without it.", show_default=False)
    ] = None,
    batch_id: Annotated[str | None, typer.Option(help="A UUID; a fresh one without it.", show_default=False)] = None,
    created_at: Annotated[
        str | None, typer.Option(help="When it was sealed, in ISO 8601; now without it.", show_default=False)
    ] = None,
    keyring_file: KeyringFile = None,
    signing_key_file: SigningKeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Seal JSON lines, in the form that `transfer cat` prints, into a bundle.

    Every record is checked by the rules that the receiver has. A first line with acknowledgements is taken over;
    without it the bundle acknowledges nothing. Numbers belong to the services: a number that the service uses too is
    a FORK alarm there.
    """
    output = Output(as_json=as_json)
    with output.refusals():
        header = _header(kind, source, epoch, sequence, batch_id, created_at)
        keyring, signing_key = keyring_of(keyring_file), signing_key_of(signing_key_file)
        header.key_version = keyring.current
        path = _free_path(out, header)
        with _opened(records) as stream:
            sealed = _seal(path, header, keyring, signing_key, stream)
        write_durably(path.with_name(sidecar_filename(path.name)), render_sidecar(header, sealed))
        counts = {"records": sealed.records, "size_bytes": sealed.size, "checksum": sealed.checksum}
        output.document({"path": str(path), **counts})
        output.line(f"Sealed {count_text(sealed.records, 'record')} in {printable(path)} ({size_text(sealed.size)}).")
        output.line(f"sha256 {sealed.checksum}")


def _header(
    kind: str, source: str, epoch: int, sequence: int, batch_id: str | None, created_at: str | None
) -> BundleHeader:
    try:
        sender = network_from_name(source)
        header = new_header(
            kind=kind_from_name(kind),
            source=sender,
            destination=other_network(sender),
            batch_id=uuid.UUID(batch_id) if batch_id else uuid.uuid4(),
            epoch=epoch,
            sequence=sequence,
            created_at=_moment(created_at),
            key_version="",
        )
        check_direction(header, None, None)
    except ValueError as error:
        msg = f"{error}."
        raise UsageRefusedError(msg, next_step=_SEE_HELP) from None
    except BundleError as error:
        raise UsageRefusedError(error.message, next_step=_SEE_HELP) from None
    return header


def _moment(text: str | None) -> datetime:
    moment = datetime.fromisoformat(text) if text else datetime.now(UTC)
    if moment.tzinfo is None:
        msg = f"{text} has no time zone; add Z for UTC"
        raise ValueError(msg)
    return moment


def _free_path(out: Path, header: BundleHeader) -> Path:
    path = out / filename_of(header) if out.is_dir() else out
    if path.exists() or path.is_symlink():
        msg = f"{path} is there already."
        raise FileExistsAlreadyError(msg)
    return path


def _opened(records: Path | None) -> contextlib.AbstractContextManager[BinaryIO]:
    return contextlib.nullcontext(sys.stdin.buffer) if records is None else records.open("rb")


def _seal(
    path: Path, header: BundleHeader, keyring: Keyring, signing_key: SigningKey, stream: BinaryIO
) -> SealedBundle:
    """Seals under a temporary name; the file appears whole under its own name or not at all."""
    lines = read_lines(stream)
    first = next(lines, None)
    acknowledgements = Acknowledgements(running_digest=bytes(32))
    if first is not None and ACKNOWLEDGEMENTS in first[1]:
        acknowledgements = acknowledgements_of(first[1], f"line {first[0]}")
        first = None
    # Which fields the records use is known only when the header is written already.
    header.schema_minor = max(needed_minor(acknowledgements), newest_minor(header.kind))
    temporary = temporary_beside(path)
    with BundleWriter(temporary, header, keyring, signing_key, acknowledgements) as writer:
        rules = PayloadRules(header.kind, header.schema_minor)
        for number, content in chain([first] if first else [], lines):
            _add_line(writer, rules, content, f"line {number}")
        rules.check_end()
        sealed = writer.finish()
        replace_durably(temporary, path)
    return sealed


def _add_line(writer: BundleWriter, rules: PayloadRules, content: dict[str, Any], place: str) -> None:
    record, chunks = pieces_of(content, place)
    try:
        rules.check_block(RecordBlock(records=[record]))
        for chunk in chunks:
            rules.check_chunk(chunk)
    except BundleError as error:
        msg = f"{place}: {error.message}"
        raise RecordLineError(msg) from error
    writer.add_record(record.SerializeToString(deterministic=True))
    for chunk in chunks:
        writer.add_chunk(chunk)
