"""What a vector is, and the short words in which the tables of vectors are written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zstandard
from airlock.common.v1 import network_pb2 as networks

from tests.vectors import craft
from tests.vectors.craft import Craft, acknowledgements, block, end, framed, header, request, response

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlock.bundle.v1.frame_pb2 import Frame


@dataclass(frozen=True)
class Vector:
    """One file and what a reader must say of it."""

    name: str
    comment: str
    defect: str | None
    make: Callable[[], bytes]
    payload: Callable[[], bytes] | None = None
    reader: str = "response"


def to_request_network(kind: int, **changes: object) -> dict[str, object]:
    return {
        "kind": kind,
        "source_network": networks.NETWORK_RESPONSE,
        "destination_network": networks.NETWORK_REQUEST,
        **changes,
    }


def good(name: str, comment: str, payload: Callable[[], bytes], reader: str = "response", **changes: object) -> Vector:
    signer = "request" if reader == "response" else "response"

    def make() -> bytes:
        return Craft(header=header(**changes), payload=payload(), signer=signer).build()

    return Vector(name, comment, None, make, payload, reader)


def bad(name: str, defect: str, comment: str, make: Callable[[], bytes], reader: str = "response") -> Vector:
    return Vector(name, comment, defect, make, None, reader)


def edited(change: Callable[[bytearray], None]) -> Callable[[], bytes]:
    """A good file, changed after it was sealed."""

    def make() -> bytes:
        data = bytearray(Craft().build())
        change(data)
        return bytes(data)

    return make


def flip(position: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        data[position] ^= 1

    return change


def payload(*frames: Frame | bytes, behind: bytes = b"") -> Callable[[], bytes]:
    return lambda: Craft(payload=framed(*frames) + behind).build()


def compressed(make: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: Craft(compressed=make()).build()


def sealed(change: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    """A signed file whose ciphertext was changed before it was signed."""
    return lambda: Craft(ciphertext=change(Craft(payload=noise()).sealed())).build()


def noise() -> bytes:
    """A payload that does not shrink, of several chunks of encryption."""
    answer = b"".join(hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(2048))
    return framed(acknowledgements(), block(response(answer)), end(1))


def zstd(data: bytes, **options: object) -> bytes:
    return zstandard.ZstdCompressor(level=1, **options).compress(data)  # type: ignore[arg-type] # options differ in type


def wide_window() -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=27, write_content_size=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return (
        compressor.compress(craft.good_payload())
        + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        + compressor.flush()
    )


def unknown_field(data: bytes, number: int = 99) -> bytes:
    """The message with a field that no one knows."""
    return data + craft.varint(number << 3) + b"\x01"


HEAD = len(Craft().head())
ACK = acknowledgements()
TWO = block(request(1), request(2))


def answers(name: str, defect: str, comment: str, *frames: Frame | bytes) -> Vector:
    changes = to_request_network(networks.BUNDLE_KIND_RESPONSES)
    return bad(
        name,
        defect,
        comment,
        lambda: Craft(header=header(**changes), payload=framed(ACK, *frames), signer="response").build(),
        "request",
    )
