"""The names of kinds, networks and bundle files. A name is for people and for order: nothing trusts one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from airlock.common.v1 import network_pb2

BUNDLE_SUFFIX: Final = ".pb.enc"
SIDECAR_SUFFIX: Final = ".pb.enc.meta.json"
LATEST_NAME: Final = "latest.pb.enc"

KINDS: Final[tuple[network_pb2.BundleKind.ValueType, ...]] = tuple(
    kind for kind in network_pb2.BundleKind.values() if kind != network_pb2.BUNDLE_KIND_UNSPECIFIED
)

_KIND_PREFIX = "BUNDLE_KIND_"
_NETWORK_PREFIX = "NETWORK_"
_FILENAME = re.compile(
    r"(?P<kind>[a-z_]{1,32})_(?P<time>[0-9]{8}_[0-9]{6})_"
    r"(?P<batch>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.pb\.enc"
)


@dataclass(frozen=True, slots=True)
class BundleName:
    """What a bundle's file name says."""

    kind: network_pb2.BundleKind.ValueType
    created_at: datetime
    batch_id: UUID


def kind_name(kind: network_pb2.BundleKind.ValueType) -> str:
    """`requests` for BUNDLE_KIND_REQUESTS and so on: the folder's name and the first part of file names."""
    return network_pb2.BundleKind.Name(kind).removeprefix(_KIND_PREFIX).lower()


def kind_from_name(name: str) -> network_pb2.BundleKind.ValueType:
    """The kind of that name; ValueError, listing the names, if there is none."""
    for kind in KINDS:
        if kind_name(kind) == name:
            return kind
    msg = f"{name!r} is not a kind of bundle; the kinds are {', '.join(map(kind_name, KINDS))}"
    raise ValueError(msg)


def network_name(network: network_pb2.Network.ValueType) -> str:
    """`request` or `response`."""
    return network_pb2.Network.Name(network).removeprefix(_NETWORK_PREFIX).lower()


def network_from_name(name: str) -> network_pb2.Network.ValueType:
    """The network of that name; ValueError if there is none."""
    if name not in {"request", "response"}:
        msg = f"{name!r} is not a network; the networks are request and response"
        raise ValueError(msg)
    return network_pb2.Network.Value(_NETWORK_PREFIX + name.upper())


def other_network(network: network_pb2.Network.ValueType) -> network_pb2.Network.ValueType:
    """The network on the other side of the gap."""
    if network == network_pb2.NETWORK_REQUEST:
        return network_pb2.NETWORK_RESPONSE
    return network_pb2.NETWORK_REQUEST


def bundle_filename(kind: network_pb2.BundleKind.ValueType, created_at: datetime, batch_id: UUID) -> str:
    """`requests_YYYYMMDD_HHMMSS_<batch_id>.pb.enc`, the time in UTC. `created_at` must know its time zone."""
    if created_at.tzinfo is None:
        msg = "created_at has no time zone"
        raise ValueError(msg)
    return f"{kind_name(kind)}_{created_at.astimezone(UTC):%Y%m%d_%H%M%S}_{batch_id}{BUNDLE_SUFFIX}"


def parse_bundle_filename(filename: str) -> BundleName | None:
    """What the name says, or None if it is not of the form that `bundle_filename` writes."""
    match = _FILENAME.fullmatch(filename)
    if match is None:
        return None
    try:
        kind = kind_from_name(match["kind"])
        created_at = datetime.strptime(match["time"], "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return BundleName(kind, created_at, UUID(match["batch"]))


def sidecar_filename(filename: str) -> str:
    """The name of the sidecar of a bundle file."""
    return f"{filename.removesuffix(BUNDLE_SUFFIX)}{SIDECAR_SUFFIX}"
