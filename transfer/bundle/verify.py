"""Whether a file is a bundle that its sender signed for this network. Nothing here needs an encryption key.

The steps, each of which must hold before the next is taken:

(1) the prelude: magic, format version, flags, the header's length
(2) the trailer at the end of the file, and the hash of all before it
(3) every signature, by a key that is trusted for the other network
(4) the header message: schema version, required features, fields and rules
(5) the direction and the kind
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from transfer.bundle.hashing import HashedFile, hash_descriptor
from transfer.bundle.header import check_direction, from_micros, parse_header
from transfer.bundle.layout import pack_prelude
from transfer.bundle.signing import TrustedKeys, pre_authentication
from transfer.errors import NotABundleError, spool_error

if TYPE_CHECKING:
    from datetime import datetime

    from airlock.bundle.v1.header_pb2 import BundleHeader
    from airlock.common.v1.network_pb2 import BundleKind, Network


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """A bundle whose file, signature and header are good. Its payload is still sealed.

    `digest` is the SHA-256 in the trailer, by which streams and acknowledgements know the bundle; `checksum` that of
    the whole file in hexadecimal; `signer` the key id of the sender. `header_bytes` are as read, never serialised
    again.
    """

    path: Path
    header: BundleHeader
    header_bytes: bytes
    digest: bytes
    checksum: str
    size: int
    payload_offset: int
    payload_end: int
    signer: bytes

    @property
    def kind(self) -> BundleKind.ValueType:
        """What the bundle carries."""
        return self.header.kind

    @property
    def batch_id(self) -> UUID:
        """The sender's export batch."""
        return UUID(bytes=self.header.batch_id)

    @property
    def created_at(self) -> datetime:
        """When the batch was claimed."""
        return from_micros(self.header.created_at_micros)

    @property
    def head(self) -> bytes:
        """Prelude and header, to which the payload is bound."""
        return pack_prelude(len(self.header_bytes)) + self.header_bytes


def open_regular(path: str | os.PathLike[str]) -> int:
    """Opens a regular file for reading, without following a link. Raises SpoolError or NotABundleError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise spool_error("Opening", path, error) from error
    # O_NONBLOCK, which means nothing for regular files, keeps a named pipe from hanging the scan.
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        msg = f"{path} is not a regular file."
        raise NotABundleError(msg)
    return descriptor


def verify_file(
    path: str | os.PathLike[str],
    trusted: TrustedKeys,
    *,
    expected_source: Network.ValueType | None,
    expected_destination: Network.ValueType | None,
    hashed: HashedFile | None = None,
) -> VerifiedBundle:
    """Takes steps (1) to (5) and returns what may be acted on. Raises a BundleError, or SpoolError if reading fails.

    `None` for a network means any. `hashed` is the result of step (1) and (2) if this very file was hashed while it was
    copied, so that it is not read twice.
    """
    hashed = hash_file(path) if hashed is None else hashed
    signer = check_signatures(hashed, trusted)
    header = parse_header(hashed.header_bytes)
    check_direction(header, expected_source, expected_destination)
    return VerifiedBundle(
        path=Path(path),
        header=header,
        header_bytes=hashed.header_bytes,
        digest=hashed.digest,
        checksum=hashed.checksum,
        size=hashed.size,
        payload_offset=hashed.payload_offset,
        payload_end=hashed.payload_end,
        signer=signer,
    )


def hash_file(path: str | os.PathLike[str]) -> HashedFile:
    """Steps (1) and (2): reads the file once and compares its trailer. Raises a BundleError or SpoolError."""
    descriptor = open_regular(path)
    try:
        return hash_descriptor(descriptor)
    except OSError as error:
        raise spool_error("Reading", path, error) from error
    finally:
        os.close(descriptor)


def check_signatures(hashed: HashedFile, trusted: TrustedKeys) -> bytes:
    """Step (3): every signature must be good; returns the sender's key id. Raises a BundleError."""
    for one in hashed.trailer.signatures:
        message = pre_authentication(one.role, hashed.payload_offset, hashed.digest)
        trusted.verify(one.role, one.key_id, one.signature, message)
    return hashed.trailer.signatures[0].key_id
