"""The way in to a bundle: `verify_file`, then `open_payload` with a key; or `summary`, to look without trust."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from transfer.bundle.header import parse_header
from transfer.bundle.payload import Counts, PayloadReader
from transfer.bundle.verify import VerifiedBundle, hash_file, verify_file

if TYPE_CHECKING:
    import os

    from airlock.bundle.v1.header_pb2 import BundleHeader

    from transfer.bundle.keyring import Keyring
    from transfer.bundle.layout import TrailerSignature

__all__ = ["BundleSummary", "Counts", "PayloadReader", "VerifiedBundle", "open_payload", "summary", "verify_file"]


@dataclass(frozen=True, slots=True)
class BundleSummary:
    """What a file claims about itself. Its hash is right; who wrote it is not known."""

    header: BundleHeader
    digest: bytes
    checksum: str
    size: int
    header_bytes: int
    ciphertext_bytes: int
    trailer_bytes: int
    signatures: tuple[TrailerSignature, ...]


def open_payload(bundle: VerifiedBundle, keyring: Keyring) -> PayloadReader:
    """Opens a verified bundle; its acknowledgements are then read and checked. Raises a BundleError or SpoolError."""
    return PayloadReader(bundle, keyring)


def summary(path: str | os.PathLike[str]) -> BundleSummary:
    """Describes a file without any key. UNVERIFIED: show it to people, act on none of it. Raises as `verify_file`."""
    hashed = hash_file(path)
    return BundleSummary(
        header=parse_header(hashed.header_bytes),
        digest=hashed.digest,
        checksum=hashed.checksum,
        size=hashed.size,
        header_bytes=len(hashed.header_bytes),
        ciphertext_bytes=hashed.payload_end - hashed.payload_offset,
        trailer_bytes=hashed.size - hashed.payload_end,
        signatures=hashed.trailer.signatures,
    )
