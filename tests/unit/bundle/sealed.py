"""A writer and a reader for tests of bundles, with the keys that the vectors use."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
from airlock.bundle.v1.record_pb2 import Record
from airlock.common.v1 import network_pb2 as networks

from tests.vectors import craft
from transfer.bundle.header import new_header
from transfer.bundle.reader import VerifiedBundle, open_payload, verify_file
from transfer.bundle.writer import BundleWriter, SealedBundle

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from airlock.bundle.v1.frame_pb2 import Frame, ResultChunk
    from airlock.bundle.v1.header_pb2 import BundleHeader

BATCH = UUID("0f0e0d0c-0b0a-0908-0706-050403020100")
NOW = datetime(2026, 3, 4, 5, 6, 7, 890, tzinfo=UTC)
NOTHING_SEEN = Acknowledgements(running_digest=bytes(32))


def responses_header(
    sequence: int = 1,
    *,
    epoch: int = 1_767_225_600,
    kind: networks.BundleKind.ValueType = networks.BUNDLE_KIND_RESPONSES,
    batch_id: UUID = BATCH,
    key_version: str = "v1",
) -> BundleHeader:
    """A header of a bundle from the Response Network."""
    return new_header(
        kind=kind,
        source=networks.NETWORK_RESPONSE,
        destination=networks.NETWORK_REQUEST,
        batch_id=batch_id,
        epoch=epoch,
        sequence=sequence,
        created_at=NOW,
        key_version=key_version,
    )


def writer(path: Path, header: BundleHeader | None = None) -> BundleWriter:
    """A writer of a bundle from the Response Network."""
    key = craft.signing_key("response")
    return BundleWriter(path, header or responses_header(), craft.keyring(), key, NOTHING_SEEN)


def seal(path: Path, pieces: Iterable[Record | ResultChunk] = (), header: BundleHeader | None = None) -> SealedBundle:
    """Writes a bundle from the Response Network."""
    with writer(path, header) as bundle:
        for piece in pieces:
            if isinstance(piece, Record):
                bundle.add_record(piece.SerializeToString())
            else:
                bundle.add_chunk(piece)
        return bundle.finish()


def verify(path: Path) -> VerifiedBundle:
    """Verifies a bundle as the Request Network does."""
    return verify_file(
        path,
        craft.trusted("response"),
        expected_source=networks.NETWORK_RESPONSE,
        expected_destination=networks.NETWORK_REQUEST,
    )


def read(path: Path) -> list[Frame]:
    """Reads a bundle to its end, as the Request Network does."""
    with open_payload(verify(path), craft.keyring()) as payload:
        return list(payload)
