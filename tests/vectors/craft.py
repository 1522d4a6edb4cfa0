"""Builds bundles byte by byte from parts that may each be wrong, without the writer that it helps to test."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import zstandard
from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
from airlock.bundle.v1.frame_pb2 import End, Frame, RecordBlock, ResultChunk
from airlock.bundle.v1.header_pb2 import COMPRESSION_ZSTD, BundleHeader
from airlock.bundle.v1.record_pb2 import OUTCOME_COMPLETED, Record, Request, Response
from airlock.common.v1.network_pb2 import BUNDLE_KIND_REQUESTS, NETWORK_REQUEST, NETWORK_RESPONSE
from cryptography.cobblestone import Cobblestone256Encryptor

from transfer.bundle.keyring import Keyring, SigningKey, TrustedKeys

KEYS = Path(__file__).parent / "keys"
MAGIC = bytes.fromhex("89414c4b0d0a1a0a")
TRAILER_MAGIC = bytes.fromhex("89414c54")


def keyring() -> Keyring:
    """The keyring that opens the good vectors."""
    return Keyring.from_file(KEYS / "keyring.json")


def signing_key(name: str = "request") -> SigningKey:
    """The key of a network, or `stranger`."""
    return SigningKey.load(KEYS / f"{name}-signing.key")


def trusted(name: str = "request") -> TrustedKeys:
    """What the other network trusts."""
    return TrustedKeys.load(KEYS / f"{name}-signing.pub")


def header(**changes: object) -> BundleHeader:
    """A good header of a bundle of requests, but for the changes."""
    fields: dict[str, object] = {
        "schema_major": 1,
        "batch_id": UUID("00112233-4455-6677-8899-aabbccddeeff").bytes,
        "kind": BUNDLE_KIND_REQUESTS,
        "source_network": NETWORK_REQUEST,
        "destination_network": NETWORK_RESPONSE,
        "epoch": 1_767_225_600,
        "sequence": 1,
        "created_at_micros": 1_767_225_600_123_456,
        "key_version": "v1",
        "compression": COMPRESSION_ZSTD,
    }
    return BundleHeader(**{**fields, **changes})  # type: ignore[arg-type] # the fields differ in type


def request(number: int = 1) -> Record:
    """A small question."""
    record = Record(
        request=Request(
            id=bytes([number]) * 16,
            user_id=b"u" * 16,
            index="cities",
            priority=5,
            created_at_micros=1_767_225_600_000_000,
            trace_id=f"trace-{number}",
        )
    )
    record.request.search.query.term["country"].value.string_value = "IR"
    return record


def response(data: bytes, inline: int | None = None, **changes: object) -> Record:
    """An answer, of which the record holds the first `inline` bytes."""
    fields: dict[str, object] = {
        "request_id": b"\x01" * 16,
        "outcome": OUTCOME_COMPLETED,
        "total_length": len(data),
        "sha256": hashlib.sha256(data).digest() if data else b"",
        "data": data[:inline],
        "executions": 1,
        "executed_at_micros": 1_767_225_601_000_000,
    }
    return Record(response=Response(**{**fields, **changes}))  # type: ignore[arg-type] # the fields differ in type


def acknowledgements() -> Frame:
    """The first frame of a sender that has seen nothing."""
    return Frame(acknowledgements=Acknowledgements(running_digest=bytes(32)))


def block(*records: Record) -> Frame:
    """A frame of records."""
    return Frame(records=RecordBlock(records=records))


def chunk(data: bytes, offset: int, request_id: bytes = b"\x01" * 16) -> Frame:
    """A frame with a piece of an answer."""
    return Frame(chunk=ResultChunk(request_id=request_id, offset=offset, data=data))


def end(records: int, chunks: int = 0) -> Frame:
    """The last frame."""
    return Frame(end=End(records=records, chunks=chunks))


def varint(value: int) -> bytes:
    """A base-128 varint."""
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def framed(*frames: Frame | bytes) -> bytes:
    """Frames as the payload holds them; bytes are taken as a serialised frame."""
    serialised = [
        frame if isinstance(frame, bytes) else frame.SerializeToString(deterministic=True) for frame in frames
    ]
    return b"".join(varint(len(frame)) + frame for frame in serialised)


def good_payload() -> bytes:
    """Two requests."""
    return framed(acknowledgements(), block(request(1), request(2)), end(2))


@dataclass
class Craft:
    """The parts of a bundle. Each has a good value; `build` joins them as they are."""

    header: BundleHeader | bytes = field(default_factory=header)
    payload: bytes = field(default_factory=good_payload)
    magic: bytes = MAGIC
    major: int = 1
    flags: int = 0
    key: bytes | None = None
    # The source and destination whose direction key is taken, if not those of the header.
    direction: tuple[int, int] | None = None
    # What the payload is bound to, if not the file's own prelude and header.
    bound_to: bytes | None = None
    compressed: bytes | None = None
    ciphertext: bytes | None = None
    signer: str = "request"
    role: int = 1
    signature: bytes | None = None
    digest: bytes | None = None
    copies: int = 1

    def head(self) -> bytes:
        """Prelude and header."""
        data = self.header if isinstance(self.header, bytes) else self.header.SerializeToString(deterministic=True)
        numbers = self.major.to_bytes(2, "big") + self.flags.to_bytes(2, "big") + len(data).to_bytes(4, "big")
        return self.magic + numbers + data

    def sealed(self) -> bytes:
        """The encrypted payload."""
        if self.ciphertext is not None:
            return self.ciphertext
        source, destination = self.direction or self._direction()
        key = self.key or keyring().direction_key("v1", source, destination)  # type: ignore[arg-type] # plain numbers
        bound_to = self.head() if self.bound_to is None else self.bound_to
        encryptor = Cobblestone256Encryptor(key, b"airlock.bundle.v1" + hashlib.sha256(bound_to).digest())
        plain = zstandard.ZstdCompressor(level=1).compress(self.payload) if self.compressed is None else self.compressed
        return encryptor.update(plain) + encryptor.finalize()

    def build(self) -> bytes:
        """The file."""
        head = self.head()
        body = head + self.sealed()
        digest = hashlib.sha256(body).digest() if self.digest is None else self.digest
        signer = signing_key(self.signer)
        signed = len(head).to_bytes(8, "big") + digest
        message = b"DSSEv1 24 airlock.bundle.v1/sender %d %b" % (len(signed), signed)
        signature = self.signature or signer.sign(message)
        entry = bytes([self.role]) + signer.key_id + signature
        length = 41 + 97 * self.copies
        return body + TRAILER_MAGIC + bytes([self.copies]) + entry * self.copies + digest + length.to_bytes(4, "big")

    def _direction(self) -> tuple[int, int]:
        if isinstance(self.header, bytes):
            return NETWORK_REQUEST, NETWORK_RESPONSE
        return self.header.source_network, self.header.destination_network
