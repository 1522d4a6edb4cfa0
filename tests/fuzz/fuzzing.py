"""What the fuzz tests share: the number of cases, changes of bytes, and reading as the other network does."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeVar

from airlock.bundle.v1.frame_pb2 import End, Frame
from airlock.common.v1 import network_pb2 as networks
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.vectors import craft
from tests.vectors.craft import Craft, header
from tests.vectors.good import GOOD
from tests.vectors.vector import to_request_network
from transfer.bundle.names import network_from_name, other_network
from transfer.bundle.reader import open_payload, verify_file
from transfer.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transfer.bundle.keyring import Keyring
    from transfer.bundle.reader import VerifiedBundle
    from transfer.bundle.signing import TrustedKeys

Result = TypeVar("Result")


def cases(number: int) -> settings:
    """So many cases, the same ones each time; the profile `fuzz` has its own number, and draws anew."""
    if settings.get_current_profile_name() == "fuzz":
        return settings(suppress_health_check=list(HealthCheck))
    return settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=5000,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


def attempt(read: Callable[[], Result]) -> Result | None:
    """What reading gives, or None if it is refused; any other error than a BundleError passes through."""
    try:
        return read()
    except BundleError as error:
        refusal = error
    assert refusal.defect != BundleError.defect
    assert refusal.message
    return None


# Lengths, counts and tags that mean something to one of the layers.
TELLING = [
    b"\x00",
    b"\x01",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\x80\x00",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x28\xb5\x2f\xfd",
    b"\x50\x2a\x4d\x18\x00\x00\x00\x00",
    b"\x89ALK\r\n\x1a\n",
    b"\x89ALT",
    b"\x22\x00",
    b"\x0a\x00",
    b"\x0b",
    b"\x0c",
    b"\xed\xa0\x80",
]


@st.composite
def changed(draw: st.DrawFn, originals: st.SearchStrategy[bytes]) -> bytes:
    """One of the originals after one to four changes: bytes flipped, cut out, put in, doubled, or another's end."""
    data = bytearray(draw(originals))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 40)))
        kind = draw(st.sampled_from(["flip", "cut", "insert", "replace", "double", "end", "splice"]))
        if kind == "flip" and data:
            data[start % len(data)] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            del data[start:end]
        elif kind == "insert":
            data[start:start] = draw(st.one_of(st.sampled_from(TELLING), st.binary(min_size=1, max_size=40)))
        elif kind == "replace":
            data[start:end] = draw(st.one_of(st.sampled_from(TELLING), st.binary(min_size=1, max_size=40)))
        elif kind == "double":
            data[start:start] = data[start:end]
        elif kind == "end":
            del data[start:]
        elif kind == "splice":
            other = draw(originals)
            data[start:] = other[draw(st.integers(0, len(other))) :]
    return bytes(data)


PAYLOADS = {vector.name: vector.payload() for vector in GOOD if vector.payload is not None}
# The header of each good vector, as changes of the standard one, and the network that reads it.
WAYS = {
    "good-requests": ({}, "response"),
    "good-status": ({"kind": networks.BUNDLE_KIND_STATUS}, "response"),
    "good-responses": (to_request_network(networks.BUNDLE_KIND_RESPONSES), "request"),
    "good-users": (to_request_network(networks.BUNDLE_KIND_USERS), "request"),
    "good-users-1-2": (to_request_network(networks.BUNDLE_KIND_USERS, schema_minor=2), "request"),
    "good-profile-types": (to_request_network(networks.BUNDLE_KIND_PROFILE_TYPES, schema_minor=2), "request"),
    "good-settings": (to_request_network(networks.BUNDLE_KIND_SETTINGS, schema_minor=2), "request"),
    "good-long": ({}, "response"),
    "good-announcing": ({"schema_minor": 1}, "response"),
    "good-witnessing": ({"schema_minor": 2}, "response"),
}


def crafted(name: str, **parts: object) -> tuple[Craft, str]:
    """A bundle of the same header as the good vector of that name, and the network that reads it."""
    changes, reader = WAYS[name]
    signer = "request" if reader == "response" else "response"
    return Craft(**{"header": header(**changes), "signer": signer, **parts}), reader  # type: ignore[arg-type] # parts differ in type


@cache
def keyring() -> Keyring:
    return craft.keyring()


@cache
def trusted(name: str) -> TrustedKeys:
    return craft.trusted(name)


def verify(file: Path, data: bytes, reader: str) -> VerifiedBundle:
    """Everything before the payload, as that network reads it."""
    file.write_bytes(data)
    here = network_from_name(reader)
    sender = "request" if reader == "response" else "response"
    return verify_file(file, trusted(sender), expected_source=other_network(here), expected_destination=here)


def read(file: Path, data: bytes, reader: str) -> list[Frame]:
    """All frames of the file, the first and the last included, as that network reads it."""
    with open_payload(verify(file, data, reader), keyring()) as payload:
        frames = [Frame(acknowledgements=payload.acknowledgements), *payload]
        return [*frames, Frame(end=End(records=payload.counts.records, chunks=payload.counts.chunks))]
