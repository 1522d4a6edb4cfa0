"""The header message: making it, reading it strictly, and which headers a reader may act on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from airlock.bundle.v1.header_pb2 import COMPRESSION_ZSTD, BundleHeader
from airlock.common.v1 import network_pb2
from google.protobuf.message import DecodeError

from transfer.bundle.limits import FEATURES, SCHEMA_MAJOR, SCHEMA_MINOR
from transfer.bundle.names import bundle_filename, kind_name, network_name
from transfer.bundle.rules import check_rules
from transfer.errors import (
    MalformedHeaderError,
    NonCanonicalError,
    RequiredFeatureError,
    SchemaVersionError,
    UnknownFieldError,
    WrongDirectionError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


_EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_SECONDS = 86_400
_REQUEST, _RESPONSE = network_pb2.NETWORK_REQUEST, network_pb2.NETWORK_RESPONSE

# Which network may send a kind; a status bundle travels either way.
_SOURCES: Final[Mapping[int, frozenset[int]]] = {
    network_pb2.BUNDLE_KIND_REQUESTS: frozenset({_REQUEST}),
    network_pb2.BUNDLE_KIND_RESPONSES: frozenset({_RESPONSE}),
    network_pb2.BUNDLE_KIND_USERS: frozenset({_RESPONSE}),
    network_pb2.BUNDLE_KIND_SETTINGS: frozenset({_RESPONSE}),
    network_pb2.BUNDLE_KIND_PROFILE_TYPES: frozenset({_RESPONSE}),
    network_pb2.BUNDLE_KIND_STATUS: frozenset({_REQUEST, _RESPONSE}),
}


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00Z, exact; `moment` must know its time zone."""
    since = moment - _EPOCH_START
    return (since.days * _DAY_SECONDS + since.seconds) * 1_000_000 + since.microseconds


def from_micros(micros: int) -> datetime:
    """The moment in UTC. Raises OverflowError beyond the year 9999."""
    return _EPOCH_START + timedelta(microseconds=micros)


def new_header(
    *,
    kind: network_pb2.BundleKind.ValueType,
    source: network_pb2.Network.ValueType,
    destination: network_pb2.Network.ValueType,
    batch_id: UUID,
    epoch: int,
    sequence: int,
    created_at: datetime,
    key_version: str,
    schema_minor: int = 0,
) -> BundleHeader:
    """A header. `schema_minor` is the lowest that has all that the payload holds, so that most readers take it."""
    return BundleHeader(
        schema_major=SCHEMA_MAJOR,
        schema_minor=schema_minor,
        batch_id=batch_id.bytes,
        kind=kind,
        source_network=source,
        destination_network=destination,
        epoch=epoch,
        sequence=sequence,
        created_at_micros=to_micros(created_at),
        key_version=key_version,
        compression=COMPRESSION_ZSTD,
    )


def parse_header(data: bytes) -> BundleHeader:
    """The header, of a version and with features that this reader knows. Directions are not checked here."""
    header = BundleHeader()
    try:
        header.ParseFromString(data)
    except DecodeError:
        msg = "The header is not a BundleHeader message."
        raise MalformedHeaderError(msg) from None
    # First of all, so that a header of another schema is named as such and not by what it breaks.
    check_versions(header)
    size = header.ByteSize()
    header.DiscardUnknownFields()
    if header.ByteSize() != size:
        msg = "The header has a field that this version does not know."
        raise UnknownFieldError(msg)
    if size != len(data):
        msg = "The header is not encoded in the shortest form."
        raise NonCanonicalError(msg)
    broken = check_rules(header)
    if broken is not None:
        msg = f"The header breaks a rule: {broken}."
        raise MalformedHeaderError(msg)
    try:
        from_micros(header.created_at_micros)
    except OverflowError:
        msg = "The header's created_at is beyond the year 9999."
        raise MalformedHeaderError(msg) from None
    return header


def check_versions(header: BundleHeader) -> None:
    """Refuses another schema major, a newer minor and any required feature that this reader lacks."""
    major, minor = header.schema_major, header.schema_minor
    if major != SCHEMA_MAJOR or minor > SCHEMA_MINOR:
        known = f"{SCHEMA_MAJOR}.0 to {SCHEMA_MAJOR}.{SCHEMA_MINOR}"
        msg = f"The bundle has schema {major}.{minor}; this reader knows {known}."
        raise SchemaVersionError(msg)
    missing = sorted(set(header.required_features) - FEATURES)
    if missing:
        # The names are the sender's; only their beginning is repeated.
        msg = f"The bundle requires {', '.join(repr(name[:64]) for name in missing[:4])}, which this reader cannot do."
        raise RequiredFeatureError(msg)


def check_direction(
    header: BundleHeader,
    expected_source: network_pb2.Network.ValueType | None,
    expected_destination: network_pb2.Network.ValueType | None,
) -> None:
    """Refuses a bundle that is not from and to the expected networks, or of a kind that does not travel so."""
    source, destination = header.source_network, header.destination_network
    way = f"from {network_name(source)} to {network_name(destination)}"
    if source == destination:
        msg = f"The bundle is {way}, and no bundle stays in one network."
        raise WrongDirectionError(msg)
    if expected_source not in {None, source} or expected_destination not in {None, destination}:
        msg = f"The bundle is {way} and does not belong here."
        raise WrongDirectionError(msg)
    if source not in _SOURCES[header.kind]:
        msg = f"The bundle is of kind {kind_name(header.kind)}, which does not travel {way}."
        raise WrongDirectionError(msg)


def filename_of(header: BundleHeader) -> str:
    """The name of the file that holds the bundle of this header."""
    return bundle_filename(header.kind, from_micros(header.created_at_micros), UUID(bytes=header.batch_id))
