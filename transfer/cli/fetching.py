"""Fetching waiting bundles from a service: listed, skipped if whole already, compared with the list, made durable."""

from __future__ import annotations

import hashlib
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from airlock.transfer.v1.transfer_service_pb2 import ExportBundleRequest, ListBundlesRequest, WaitingBundle

from transfer.bundle.limits import MAX_FILE
from transfer.bundle.names import kind_name, parse_bundle_filename
from transfer.cli.errors import FileExistsAlreadyError, TransferMismatchError
from transfer.cli.json_form import time_text
from transfer.cli.server import CALL_SECONDS, STREAM_SECONDS, refusals
from transfer.spool.candidates import Meter
from transfer.spool.durable import durable_file, replace_durably, temporary_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airlock.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub

    from transfer.cli.output import Output
    from transfer.errors import TransferError

Metadata = tuple[tuple[str, str], ...]
MAX_PAGES: Final = 1000
_READ_BYTES = 256 * 1024


def fetch_waiting(
    stub: TransferServiceStub, caller: Metadata, address: str, directory: Path, output: Output
) -> Iterator[tuple[dict[str, Any], bool | TransferError]]:
    """Each listed bundle, and True if it was fetched, False if it was there, or why it failed. The others go on.

    Raises ServerUnreachableError or AccessDeniedError, after which no further bundle could be fetched either.
    """
    bundles = _listed(stub, caller, address)
    with output.progress("fetching") as on_progress:
        meter = Meter(sum(bundle.size_bytes for bundle in bundles), on_progress)
        for bundle in bundles:
            try:
                outcome: bool | TransferError = _fetch(stub, caller, address, directory, bundle, meter.advance)
            except (TransferMismatchError, FileExistsAlreadyError) as error:
                outcome = error
            yield _described(bundle), outcome


def _listed(stub: TransferServiceStub, caller: Metadata, address: str) -> list[WaitingBundle]:
    bundles: list[WaitingBundle] = []
    token = ""
    for _ in range(MAX_PAGES):
        with refusals(address):
            page = stub.ListBundles(ListBundlesRequest(page_token=token), metadata=caller, timeout=CALL_SECONDS)
        bundles += page.bundles
        token = page.next_page_token
        if not token:
            return bundles
    msg = f"{address} lists more than {MAX_PAGES} pages of bundles."
    raise TransferMismatchError(msg, next_step="The server is faulty; look at its outbox.")


def _described(bundle: WaitingBundle) -> dict[str, Any]:
    return {
        "filename": bundle.filename,
        "kind": kind_name(bundle.kind),
        "sequence": bundle.sequence,
        "size_bytes": bundle.size_bytes,
        "checksum": bundle.checksum,
        "created_at": time_text(bundle.created_at.ToDatetime(UTC)),
    }


def _fetch(
    stub: TransferServiceStub,
    caller: Metadata,
    address: str,
    directory: Path,
    bundle: WaitingBundle,
    advance: Callable[[int], None],
) -> bool:
    target = _target(directory, bundle)
    if target.exists() or target.is_symlink():
        _compare_with_present(target, bundle)
        advance(bundle.size_bytes)
        return False
    target.parent.mkdir(exist_ok=True)
    temporary = temporary_beside(target)
    try:
        with refusals(address):
            pieces = stub.ExportBundle(
                ExportBundleRequest(batch_id=bundle.batch_id), metadata=caller, timeout=STREAM_SECONDS
            )
            _receive(temporary, (piece.data for piece in pieces), bundle, advance)
        replace_durably(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _target(directory: Path, bundle: WaitingBundle) -> Path:
    """Where the bundle goes. A server's word is no path: only names that a bundle may have are taken."""
    named = parse_bundle_filename(bundle.filename)
    if named is None or named.kind != bundle.kind or bundle.size_bytes > MAX_FILE:
        msg = f"The server lists {bundle.filename[:200]!r}, which is not the name and size of a bundle of its kind."
        raise TransferMismatchError(msg, next_step="The server is faulty or hostile; nothing was written.")
    return directory / kind_name(named.kind) / bundle.filename


def _compare_with_present(target: Path, bundle: WaitingBundle) -> None:
    same = not target.is_symlink() and target.is_file() and target.stat().st_size == bundle.size_bytes
    if same:
        with target.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == bundle.checksum
    if not same:
        msg = f"{target} is there already and is not the listed bundle."
        raise FileExistsAlreadyError(msg, next_step="A damaged copy? Move it away and run the same command again.")


def _receive(temporary: Path, pieces: Iterator[bytes], bundle: WaitingBundle, advance: Callable[[int], None]) -> None:
    hasher, size = hashlib.sha256(), 0
    with durable_file(temporary) as file:
        for data in pieces:
            size += len(data)
            if size > bundle.size_bytes:
                break
            file.write(data)
            hasher.update(data)
            advance(len(data))
    if size != bundle.size_bytes or hasher.hexdigest() != bundle.checksum:
        came, listed = f"{size} bytes with SHA-256 {hasher.hexdigest()[:16]}…", f"{bundle.checksum[:16]}…"
        msg = f"{came} came; {bundle.size_bytes} bytes with {listed} were listed."
        raise TransferMismatchError(msg)
