"""Sending one bundle to a service's inbox: looked at, streamed, and compared with what the service then holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airlock.transfer.v1.transfer_service_pb2 import ImportBundleRequest
from google.api.httpbody_pb2 import HttpBody

from transfer.bundle.reader import summary
from transfer.cli.errors import TransferMismatchError
from transfer.cli.options import readable
from transfer.cli.output import printable
from transfer.cli.server import STREAM_SECONDS, refusals
from transfer.spool.candidates import Meter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airlock.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub

    from transfer.cli.output import Output

PIECE_BYTES: Final = 256 * 1024
_CONTENT_TYPE = "application/octet-stream"


def send_file(
    stub: TransferServiceStub, caller: tuple[tuple[str, str], ...], address: str, path: Path, output: Output
) -> dict[str, Any]:
    """Sends a file that is a whole bundle; returns name, size and checksum in the inbox.

    Raises BundleError before anything is sent, TransferMismatchError if the service holds something else.
    """
    bundle = summary(readable(path))
    with output.progress(printable(path.name)) as on_progress, refusals(address):
        pieces = _pieces(path, Meter(bundle.size, on_progress))
        reply = stub.ImportBundle(pieces, metadata=caller, timeout=STREAM_SECONDS)
    if reply.size_bytes != bundle.size or reply.checksum != bundle.checksum:
        msg = f"The service holds {reply.size_bytes} bytes with SHA-256 {reply.checksum[:16]}…, which is not this file."
        raise TransferMismatchError(
            msg, next_step="Run the same command again; the damaged copy goes into quarantine there."
        )
    return {
        "path": str(path),
        "filename": reply.filename,
        "size_bytes": reply.size_bytes,
        "checksum": reply.checksum,
    }


def _pieces(path: Path, meter: Meter) -> Iterator[ImportBundleRequest]:
    with path.open("rb") as file:
        while data := file.read(PIECE_BYTES):
            yield ImportBundleRequest(body=HttpBody(content_type=_CONTENT_TYPE, data=data))
            meter.advance(len(data))
