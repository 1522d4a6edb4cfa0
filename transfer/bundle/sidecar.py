"""The sidecar beside a bundle, for people and scripts. Nothing in Airlock reads one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Protocol
from uuid import UUID

from transfer.bundle.header import from_micros
from transfer.bundle.names import kind_name, network_name

if TYPE_CHECKING:
    from airlock.bundle.v1.header_pb2 import BundleHeader

# AES-256-GCM in chunks of 16 KiB.
ALGORITHM: Final = "COBBLESTONE-256"


class Measured(Protocol):
    """What a sidecar says about a file besides its header."""

    @property
    def records(self) -> int:
        """Records in the bundle."""
        ...

    @property
    def size(self) -> int:
        """Bytes of the file."""
        ...

    @property
    def checksum(self) -> str:
        """SHA-256 of the whole file in hexadecimal."""
        ...


def render_sidecar(header: BundleHeader, sealed: Measured) -> bytes:
    """The sidecar's JSON."""
    document = {
        "batch_id": str(UUID(bytes=header.batch_id)),
        "batch_type": kind_name(header.kind),
        "created_at": from_micros(header.created_at_micros).isoformat().replace("+00:00", "Z"),
        "record_count": sealed.records,
        "file_size": sealed.size,
        "checksum": sealed.checksum,
        "encryption": {"algorithm": ALGORITHM, "key_version": header.key_version},
        "source_network": network_name(header.source_network),
        "destination_network": network_name(header.destination_network),
    }
    return json.dumps(document, indent=2).encode() + b"\n"
