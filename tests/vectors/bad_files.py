"""Bundles that are wrong outside their payload: file, signer, header and key. One defect in each."""

from __future__ import annotations

from airlock.common.v1 import network_pb2 as networks

from tests.vectors.craft import Craft, header
from tests.vectors.vector import (
    HEAD,
    bad,
    edited,
    flip,
    sealed,
    unknown_field,
)

FILE = [
    bad("empty", "not-a-bundle", "No byte at all.", lambda: b""),
    bad("other-file", "not-a-bundle", "Another kind of file.", lambda: b"PK\x03\x04" + bytes(400)),
    bad("text-mode-copy", "not-a-bundle", "A copy that turned CR LF into LF.", edited(lambda d: d.__delitem__(4))),
    bad("format-major-2", "format-version", "Of a later format.", lambda: Craft(major=2).build()),
    bad("flags", "unknown-flags", "A flag that is not defined.", lambda: Craft(flags=0x8000).build()),
    bad("role", "unknown-flags", "A signature of a role that is not defined.", lambda: Craft(role=2).build()),
    bad("cut-in-prelude", "truncated", "Ten bytes.", edited(lambda d: d.__delitem__(slice(10, None)))),
    bad("cut-in-payload", "truncated", "Half of the file.", edited(lambda d: d.__delitem__(slice(HEAD + 40, None)))),
    bad("cut-in-trailer", "truncated", "The last byte is missing.", edited(lambda d: d.__delitem__(-1))),
    bad("trailing-byte", "trailing-bytes", "A byte behind the trailer.", edited(lambda d: d.append(0))),
    bad("joined", "hash-mismatch", "Two bundles in one file.", lambda: Craft().build() * 2),
    bad("bit-in-header", "hash-mismatch", "One bit of the header is flipped.", edited(flip(HEAD - 5))),
    bad("bit-in-payload", "hash-mismatch", "One bit of the payload is flipped.", edited(flip(HEAD + 80))),
    bad("bit-in-digest", "hash-mismatch", "One bit of the digest is flipped.", edited(flip(-10))),
    bad("signature-twice", "non-canonical", "The same signature twice.", lambda: Craft(copies=2).build()),
]

SIGNER = [
    bad("unknown-signer", "unknown-signer", "Signed by a stranger.", lambda: Craft(signer="stranger").build()),
    bad(
        "own-signer", "unknown-signer", "Signed by the reader's own network.", lambda: Craft(signer="response").build()
    ),
    bad("bit-in-signature", "signature-invalid", "One bit of the signature is flipped.", edited(flip(-60))),
    bad("zero-signature", "signature-invalid", "A signature of zeros.", lambda: Craft(signature=bytes(64)).build()),
]

HEADER = [
    bad("header-noise", "malformed-header", "Not a message.", lambda: Craft(header=b"\xff\xff\xff").build()),
    bad("header-empty", "malformed-header", "No header.", lambda: Craft(header=b"").build()),
    bad("header-too-long", "limit-exceeded", "64 KiB and one byte.", lambda: Craft(header=bytes(65_537)).build()),
    bad("batch-id-short", "malformed-header", "15 bytes.", lambda: Craft(header=header(batch_id=bytes(15))).build()),
    bad("sequence-zero", "malformed-header", "Numbers begin at 1.", lambda: Craft(header=header(sequence=0)).build()),
    bad(
        "year-292277",
        "malformed-header",
        "Too late.",
        lambda: Craft(header=header(created_at_micros=2**63 - 1)).build(),
    ),
    bad(
        "header-unknown-field",
        "unknown-field",
        "A field that schema 1.0 does not have.",
        lambda: Craft(header=unknown_field(header().SerializeToString())).build(),
    ),
    bad(
        "header-field-twice",
        "non-canonical",
        "The schema major is written twice.",
        lambda: Craft(header=b"\x08\x01" + header().SerializeToString()).build(),
    ),
    bad("schema-major-2", "schema-version", "Another schema.", lambda: Craft(header=header(schema_major=2)).build()),
    bad(
        "schema-minor-newer",
        "schema-version",
        "A newer schema.",
        lambda: Craft(header=header(schema_minor=60_000)).build(),
    ),
    bad(
        "required-feature",
        "required-feature",
        "An ability that no reader of schema 1.0 has.",
        lambda: Craft(header=header(required_features=["telepathy"])).build(),
    ),
    bad(
        "wrong-direction",
        "wrong-direction",
        "Signed by the other network, but not for this one.",
        lambda: Craft(signer="response").build(),
        reader="request",
    ),
    bad(
        "wrong-way-for-kind",
        "wrong-direction",
        "Users do not travel to the Response Network.",
        lambda: Craft(header=header(kind=networks.BUNDLE_KIND_USERS)).build(),
    ),
    bad(
        "to-itself",
        "wrong-direction",
        "From and to the Request Network.",
        lambda: Craft(header=header(destination_network=networks.NETWORK_REQUEST)).build(),
    ),
]

KEY = [
    bad(
        "key-version",
        "unknown-key-version",
        "A key that the reader lacks.",
        lambda: Craft(header=header(key_version="v9"), key=bytes(32)).build(),
    ),
    bad("wrong-key", "wrong-key", "Sealed with another key.", lambda: Craft(key=bytes(32)).build()),
    bad(
        "reflected-key",
        "wrong-key",
        "Sealed with the key of the other direction.",
        lambda: Craft(direction=(2, 1)).build(),
    ),
    bad(
        "exchanged-header",
        "wrong-key",
        "The payload of another header.",
        lambda: Craft(bound_to=Craft(header=header(sequence=2)).head()).build(),
    ),
    bad(
        "chunk-changed",
        "tampered-payload",
        "A bit in the second chunk.",
        sealed(lambda c: c[:20_000] + bytes([c[20_000] ^ 1]) + c[20_001:]),
    ),
    bad(
        "chunks-exchanged",
        "tampered-payload",
        "Two chunks out of order.",
        sealed(lambda c: c[:56] + c[16_456:32_856] + c[56:16_456] + c[32_856:]),
    ),
    bad("chunk-twice", "tampered-payload", "A chunk twice.", sealed(lambda c: c[:16_456] + c[56:])),
    bad("last-chunk-missing", "tampered-payload", "Cut between chunks.", sealed(lambda c: c[: 56 + 2 * 16_400])),
    bad("payload-cut-in-salt", "tampered-payload", "Only half a salt.", sealed(lambda c: c[:12])),
]
