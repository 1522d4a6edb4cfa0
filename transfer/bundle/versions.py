"""Which schema a bundle needs, so that each is written in the oldest one that can say what it says.

1.0  the beginning
1.1  acknowledgements may name key versions and announce a signing key
1.2  acknowledgements may name the heads of both networks' audit chains
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from transfer.bundle.limits import SCHEMA_MINOR

if TYPE_CHECKING:
    from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements

KEYS_MINOR: Final = 1
AUDIT_MINOR: Final = 2


def needed_minor(acknowledgements: Acknowledgements) -> int:
    """The lowest schema minor that has every field that is set here."""
    if acknowledgements.HasField("audit_head") or acknowledgements.HasField("witnessed_audit_head"):
        return AUDIT_MINOR
    keys = acknowledgements.reads_key_versions or acknowledgements.announced_signing_key
    return KEYS_MINOR if keys else 0


def common_minor(peer_reads: int) -> int:
    """The newest schema minor that both networks know. A peer that has not spoken yet is taken to read 0."""
    return min(SCHEMA_MINOR, peer_reads)
