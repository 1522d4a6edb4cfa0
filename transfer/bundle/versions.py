"""Which schema a bundle needs, so that each is written in the oldest one that can say what it says.

1.0  the beginning
1.1  acknowledgements may name key versions and announce a signing key
1.2  users may inherit limits and have a session version; profile types, settings and indices have records;
     acknowledgements may name the heads of both networks' audit chains
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airlock.common.v1 import network_pb2

from transfer.bundle.limits import SCHEMA_MINOR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
    from airlock.bundle.v1.replication_pb2 import User

KEYS_MINOR: Final = 1
AUDIT_MINOR: Final = 2
POLICY_MINOR: Final = 2
# What can be said in no older schema.
_POLICY_KINDS: Final = frozenset({network_pb2.BUNDLE_KIND_PROFILE_TYPES, network_pb2.BUNDLE_KIND_SETTINGS})


def needed_minor(acknowledgements: Acknowledgements) -> int:
    """The lowest schema minor that has every field that is set here."""
    if acknowledgements.HasField("audit_head") or acknowledgements.HasField("witnessed_audit_head"):
        return AUDIT_MINOR
    keys = acknowledgements.reads_key_versions or acknowledgements.announced_signing_key
    return KEYS_MINOR if keys else 0


def common_minor(peer_reads: int) -> int:
    """The newest schema minor that both networks know. A peer that has not spoken yet is taken to read 0."""
    return min(SCHEMA_MINOR, peer_reads)


def records_minor(kind: network_pb2.BundleKind.ValueType, peer_reads: int | None) -> int | None:
    """In which schema minor the records of such a bundle are written for a peer that reads `peer_reads`.

    None as `peer_reads` is a peer that has not spoken yet: it is sent what can be said in no older schema, and of
    everything else the oldest form. None as the answer: that peer cannot read bundles of this kind.
    """
    if kind in _POLICY_KINDS:
        return POLICY_MINOR if peer_reads is None or peer_reads >= POLICY_MINOR else None
    if kind == network_pb2.BUNDLE_KIND_USERS and common_minor(peer_reads or 0) >= POLICY_MINOR:
        return POLICY_MINOR
    return 0


def newest_minor(kind: network_pb2.BundleKind.ValueType) -> int:
    """The lowest schema minor that has every record that a bundle of this kind may hold."""
    return records_minor(kind, SCHEMA_MINOR) or 0


def _user_is_newer(user: User) -> bool:
    return bool(user.session_version or user.inherits)


def _always_newer(_message: object) -> bool:
    return True


# By the name of the field of Record: whether a record needs schema 1.2. A table's state never does.
_NEEDS_POLICY_MINOR: Final[Mapping[str, Callable[[Any], bool]]] = {
    "user": _user_is_newer,
    "profile_type": _always_newer,
    "setting": _always_newer,
    "index": _always_newer,
}


def beyond_minor(minor: int) -> Mapping[str, Callable[[Any], bool]]:
    """By the name of a field of Record: whether a record holds what schema minor `minor` does not have."""
    return _NEEDS_POLICY_MINOR if minor < POLICY_MINOR else {}
