"""Writes the known answers that are missing: `python -m tests.vectors.known_answers.generate`.

Each file holds one algorithm: `{"algorithm", "comment", "groups"}`. A group has a `comment` and `cases`; a case has a
`name` and a `comment`, its inputs, and `expected`: the output, or "invalid" with the `defect` beside it. Bytes are in
hexadecimal. Nothing here uses the code that is tested: answers come from hashlib, from `cryptography` and from
arithmetic written out. A case that is there already is never changed; a new one is put behind the others.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Case = dict[str, Any]
Group = dict[str, Any]

FOLDER = Path(__file__).parent
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
PROTOCOL = b"airlock.bundle.v1"
KEY = bytes(range(32))
DIGEST = hashlib.sha256(b"bundle").digest()
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


def good(name: str, comment: str, expected: object, **inputs: object) -> Case:
    return {"name": name, "comment": comment, **inputs, "expected": expected}


def bad(name: str, comment: str, defect: str, **inputs: object) -> Case:
    return {"name": name, "comment": comment, **inputs, "expected": "invalid", "defect": defect}


def group(comment: str, *cases: Case) -> Group:
    return {"comment": comment, "cases": list(cases)}


def raw(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def direction_keys() -> list[Group]:
    def derived(key: bytes, source: str, destination: str) -> str:
        """RFC 5869 with one round, for the output is as long as the hash."""
        extracted = hmac.digest(bytes(32), key, "sha256")
        info = PROTOCOL + f"/{source}/{destination}".encode()
        return hmac.digest(extracted, info + b"\x01", "sha256").hex()

    def case(name: str, comment: str, key: bytes, source: str = "request", destination: str = "response") -> Case:
        expected = derived(key, source, destination)
        return good(name, comment, expected, key=key.hex(), source=source, destination=destination)

    return [
        group(
            "Each direction has its own key.",
            case("to-response", "From the Request Network.", KEY),
            case("to-request", "From the Response Network.", KEY, "response", "request"),
        ),
        group(
            "Keys of any bits.",
            case("zeros", "A key of zeros.", bytes(32)),
            case("ones", "A key of ones.", b"\xff" * 32),
            case("high-bit", "Only the first bit is set.", b"\x80" + bytes(31)),
        ),
    ]


def contexts() -> list[Group]:
    prelude = bytes.fromhex("89414c4b0d0a1a0a00010000")

    def case(name: str, comment: str, head: bytes) -> Case:
        return good(name, comment, (PROTOCOL + hashlib.sha256(head).digest()).hex(), head=head.hex())

    return [
        group(
            "The label and the SHA-256 of prelude and header.",
            case("one-byte", "The shortest header.", prelude + b"\x00\x00\x00\x01H"),
            case("other-byte", "One bit of the header differs.", prelude + b"\x00\x00\x00\x01I"),
            case("longer", "A header of 300 bytes.", prelude + b"\x00\x00\x01\x2c" + bytes(300)),
        )
    ]


def encoded(offset: int, digest: bytes, role: str = "sender") -> bytes:
    """DSSE's pre-authentication encoding."""
    kind = PROTOCOL + b"/" + role.encode()
    body = offset.to_bytes(8, "big") + digest
    parts = [b"DSSEv1", str(len(kind)).encode(), kind, str(len(body)).encode(), body]
    return b" ".join(parts)


def encodings() -> list[Group]:
    def case(name: str, comment: str, offset: int, digest: bytes = DIGEST) -> Case:
        expected = encoded(offset, digest).hex()
        return good(name, comment, expected, role=1, payload_offset=offset, digest=digest.hex())

    return [
        group(
            "What the sender signs.",
            case("shortest-header", "The payload begins at 17.", 17),
            case("longest-header", "The payload begins at 65,552.", 65_552),
            case("zero-digest", "A digest of zeros.", 84, bytes(32)),
            case("spaces", "A digest of spaces.", 84, b" " * 32),
        )
    ]


def key_ids() -> list[Group]:
    def case(name: str, comment: str, public: bytes) -> Case:
        return good(name, comment, hashlib.sha256(public).hexdigest(), public_key=public.hex())

    rfc = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    return [
        group(
            "The SHA-256 of the raw public key.",
            case("rfc-8032", "The first public key of RFC 8032.", bytes.fromhex(rfc)),
            case("signer", "The key that signs these answers.", raw(SIGNER)),
            case("other-signer", "Another key.", raw(OTHER_SIGNER)),
        )
    ]


def signatures() -> list[Group]:
    message = encoded(84, DIGEST)
    signature = SIGNER.sign(message)
    scalar = int.from_bytes(signature[32:], "little")
    identity = b"\x01" + bytes(31)
    order_eight = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")

    def inputs(signature: bytes, signer: Ed25519PrivateKey = SIGNER) -> dict[str, object]:
        return {
            "public_key": raw(SIGNER).hex(),
            "key_id": hashlib.sha256(raw(signer)).hexdigest(),
            "role": 1,
            "payload_offset": 84,
            "digest": DIGEST.hex(),
            "signature": signature.hex(),
        }

    def invalid(name: str, comment: str, signature: bytes, **changes: object) -> Case:
        return bad(name, comment, "signature-invalid", **{**inputs(signature), **changes})

    def plus(number: int) -> bytes:
        return signature[:32] + (scalar + number).to_bytes(32, "little")

    def flipped(position: int) -> bytes:
        return signature[:position] + bytes([signature[position] ^ 1]) + signature[position + 1 :]

    return [
        group("Good.", good("good", "Signed as the format says.", "valid", **inputs(signature))),
        group(
            "Of something else.",
            invalid("other-offset", "The payload begins elsewhere.", signature, payload_offset=85),
            invalid("other-digest", "Of another file.", signature, digest=bytes(32).hex()),
            invalid("other-role", "Signed as `courier`.", SIGNER.sign(encoded(84, DIGEST, "courier"))),
            invalid("digest-alone", "The digest is signed as it is.", SIGNER.sign(DIGEST)),
            invalid("body-alone", "No encoding in front.", SIGNER.sign((84).to_bytes(8, "big") + DIGEST)),
        ),
        group(
            "By someone else.",
            invalid("other-key", "By another key, under the id of the trusted one.", OTHER_SIGNER.sign(message)),
            bad(
                "unknown-key",
                "By another key, under its own id.",
                "unknown-signer",
                **inputs(OTHER_SIGNER.sign(message), OTHER_SIGNER),
            ),
        ),
        group(
            "Changed.",
            invalid("flip-first", "The first bit of R.", flipped(0)),
            invalid("flip-r-end", "A bit in the last byte of R.", flipped(31)),
            invalid("flip-s", "The first bit of S.", flipped(32)),
            invalid("flip-last", "A bit in the last byte.", flipped(63)),
            invalid("exchanged", "S | R.", signature[32:] + signature[:32]),
        ),
        group(
            "Values that a careless verifier takes.",
            invalid("s-plus-order", "S + L, the same number modulo the order of the group.", plus(GROUP_ORDER)),
            invalid("s-high-bits", "The three highest bits of S are set.", plus(7 << 253)),
            invalid("s-is-order", "S = L.", identity + GROUP_ORDER.to_bytes(32, "little")),
            invalid("zeros", "Zeros only.", bytes(64)),
            invalid("identity", "R is the neutral element and S is 0.", identity + bytes(32)),
            invalid("order-eight", "R has order 8 and S is 0.", order_eight + bytes(32)),
            invalid(
                "r-not-canonical",
                "R is the neutral element, written as p + 1.",
                b"\xee" + b"\xff" * 30 + b"\x7f" + bytes(32),
            ),
            invalid("ones", "Ones only.", b"\xff" * 64),
            invalid("short", "63 bytes.", signature[:63]),
            invalid("long", "65 bytes.", signature + b"\x00"),
        ),
    ]


def varints() -> list[Group]:
    def shortest(value: int) -> bytes:
        size = max(1, -(-value.bit_length() // 7))
        return bytes((value >> 7 * place) % 128 + (128 if place + 1 < size else 0) for place in range(size))

    def case(value: int) -> Case:
        return good(f"value-{value}", f"{value:,}", value, encoded=shortest(value).hex())

    edges = [0, 1, 127, 128, 255, 300, 16_383, 16_384, 1_048_575, 1_048_576]
    return [
        group("The shortest form, which is the only one.", *map(case, edges)),
        group(
            "Padded.",
            bad("padded-0", "0 in two bytes.", "non-canonical", encoded="8000"),
            bad("padded-0-long", "0 in three bytes.", "non-canonical", encoded="808000"),
            bad("padded-1", "1 in two bytes.", "non-canonical", encoded="8100"),
            bad("padded-127", "127 in two bytes.", "non-canonical", encoded="ff00"),
            bad("padded-128", "128 in three bytes.", "non-canonical", encoded="808100"),
        ),
        group(
            "Beyond the limit of a frame.",
            bad("limit-plus-one", "1 MiB and one byte.", "limit-exceeded", encoded=shortest(1_048_577).hex()),
            bad("three-bytes", "The highest of three bytes.", "limit-exceeded", encoded="ffff7f"),
            bad("four-bytes", "The lowest of four bytes.", "limit-exceeded", encoded=shortest(2**21).hex()),
            bad(
                "padded-beyond",
                "0 in four bytes: the length of it is refused first.",
                "limit-exceeded",
                encoded="80808000",
            ),
            bad("bits-32", "2^32 - 1.", "limit-exceeded", encoded=shortest(2**32 - 1).hex()),
            bad("bits-64", "2^64 - 1.", "limit-exceeded", encoded=shortest(2**64 - 1).hex()),
            bad("overflow", "2^64, beyond what protobuf knows.", "limit-exceeded", encoded=shortest(2**64).hex()),
            bad("endless", "A varint that does not end.", "limit-exceeded", encoded="ff" * 20),
        ),
        group(
            "Cut.",
            bad("cut-1", "More is announced.", "missing-end", encoded="80"),
            bad("cut-2", "More is announced twice.", "missing-end", encoded="ffff"),
        ),
    ]


def running_digests() -> list[Group]:
    def case(name: str, comment: str, digests: list[bytes], start: bytes = bytes(32)) -> Case:
        running = start
        for digest in digests:
            running = hashlib.sha256(running + digest).digest()
        return good(name, comment, running.hex(), start=start.hex(), digests=[digest.hex() for digest in digests])

    some = [hashlib.sha256(bytes([number])).digest() for number in range(5)]
    return [
        group(
            "From the beginning of a stream.",
            case("nothing", "R(0).", []),
            case("one", "R(1).", some[:1]),
            case("five", "R(5).", some),
            case("order", "The same five, two of them exchanged.", [*some[:3], some[4], some[3]]),
            case("twice", "The same digest twice.", [some[0], some[0]]),
            case("zeros", "A digest of zeros is one like others.", [bytes(32)]),
        ),
        group(
            "Going on.",
            case(
                "from-two",
                "Three more after R(2).",
                some[2:],
                hashlib.sha256(hashlib.sha256(bytes(32) + some[0]).digest() + some[1]).digest(),
            ),
            case("from-anywhere", "From a value of ones.", some[:2], b"\xff" * 32),
        ),
    ]


def file_names() -> list[Group]:
    batch = "00112233-4455-6677-8899-aabbccddeeff"

    def case(kind: str, time: str) -> Case:
        day, clock = time.split("T")
        stem = f"{day.replace('-', '')}_{clock.replace(':', '')}"
        return good(
            f"{kind}-{stem.replace('_', '-')}",
            f"A bundle of {kind}.",
            {"kind": kind, "created_at": f"{time}+00:00", "batch_id": batch},
            file_name=f"{kind}_{stem}_{batch}.pb.enc",
        )

    def not_ours(name: str, comment: str, file_name: str) -> Case:
        return bad(name, comment, "not-a-bundle-name", file_name=file_name)

    kinds = ["requests", "responses", "users", "settings", "profile_types", "status"]
    good_name = f"requests_20260101_000000_{batch}.pb.enc"
    return [
        group("Every kind.", *(case(kind, "2026-01-01T00:00:00") for kind in kinds)),
        group(
            "Edges of time.",
            case("status", "1970-01-01T00:00:00"),
            case("status", "2024-02-29T23:59:59"),
            case("status", "9999-12-31T23:59:59"),
        ),
        group(
            "Not names of bundles.",
            not_ours("empty", "Nothing.", ""),
            not_ours("latest", "The copy of the newest.", "latest.pb.enc"),
            not_ours("sidecar", "The sidecar.", good_name + ".meta.json"),
            not_ours("temporary", "A name in front.", "." + good_name),
            not_ours("line-end", "A line end behind it.", good_name + "\n"),
            not_ours("folder", "A folder in front.", "requests/" + good_name),
            not_ours("upper-case", "Capitals in the batch id.", good_name.replace("aabb", "AABB")),
            not_ours("no-hyphens", "A batch id without hyphens.", good_name.replace("-", "")),
            not_ours("kind-unknown", "Another kind.", good_name.replace("requests", "letters")),
            not_ours("kind-unspecified", "The kind that is none.", good_name.replace("requests", "unspecified")),
            not_ours("february-30", "A day that is not.", good_name.replace("20260101", "20260230")),
            not_ours("hour-24", "An hour that is not.", good_name.replace("000000", "240000")),
            not_ours("second-60", "A leap second.", good_name.replace("000000", "235960")),
            not_ours("year-0", "A year that is not.", good_name.replace("2026", "0000")),
            not_ours("persian-digits", "The year in Persian digits.", good_name.replace("2026", "۲۰۲۶")),
        ),
    ]


ALGORITHMS = {
    "direction_key": ("HKDF-SHA-256 of a key of the keyring, section 4.", direction_keys),
    "encryption_context": ("What binds the payload to prelude and header, section 5.", contexts),
    "pre_authentication": ("What is signed, section 7.", encodings),
    "key_id": ("The id of a public key, section 4.", key_ids),
    "signature": ("Ed25519 over the pre-authentication encoding, section 7.", signatures),
    "varint": ("The length of a frame, section 6.", varints),
    "running_digest": ("The digest over a stream, section 8.", running_digests),
    "file_name": ("Names of bundle files, section 11.", file_names),
}


def merged(there: list[Group], made: list[Group]) -> list[Group]:
    """The groups that are there as they are, and behind them what is new."""
    groups = {one["comment"]: one for one in there}
    for new in made:
        old = groups.setdefault(new["comment"], {"comment": new["comment"], "cases": []})
        names = {case["name"] for case in old["cases"]}
        old["cases"] += [case for case in new["cases"] if case["name"] not in names]
    return list(groups.values())


def main() -> None:
    """Writes what is missing and says how much that was."""
    written = 0
    for algorithm, (comment, make) in ALGORITHMS.items():
        path = FOLDER / f"{algorithm}.json"
        there = json.loads(path.read_text())["groups"] if path.exists() else []
        before = sum(len(one["cases"]) for one in there)
        groups = merged(there, make())
        added = sum(len(one["cases"]) for one in groups) - before
        if added:
            document = {"algorithm": algorithm, "comment": comment, "groups": groups}
            path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        written += added
    print(f"{written} known answers were missing and are written")


if __name__ == "__main__":
    main()
