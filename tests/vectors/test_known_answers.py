"""Every known answer, made without the code that is tested here, is what that code gives too."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.vectors.known_answers.generate import ALGORITHMS, FOLDER, merged
from transfer.bundle.framing import FrameReader, encode_varint
from transfer.bundle.keyring import Keyring
from transfer.bundle.names import bundle_filename, kind_name, network_from_name, parse_bundle_filename
from transfer.bundle.sealing import encryption_context
from transfer.bundle.signing import TrustedKeys, key_id_of, pre_authentication
from transfer.custody.digests import chain
from transfer.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable


Case = dict[str, Any]


def direction_key(case: Case) -> str:
    keyring = Keyring({"v1": bytes.fromhex(case["key"])}, "v1")
    source, destination = network_from_name(case["source"]), network_from_name(case["destination"])
    return keyring.direction_key("v1", source, destination).hex()


def pre_authenticated(case: Case) -> bytes:
    return pre_authentication(case["role"], case["payload_offset"], bytes.fromhex(case["digest"]))


def public_key(case: Case) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(case["public_key"]))


def signature(case: Case) -> str:
    trusted = TrustedKeys([public_key(case)])
    key_id, signed = bytes.fromhex(case["key_id"]), bytes.fromhex(case["signature"])
    trusted.verify(case["role"], key_id, signed, pre_authenticated(case))
    return "valid"


def varint(case: Case) -> int:
    encoded = bytes.fromhex(case["encoded"])
    # Behind the length of a frame comes the frame; a reader that gives it out shows what it took the length for.
    frame = FrameReader(io.BytesIO(encoded + bytes(case["expected"]) if case["expected"] != "invalid" else encoded))
    content = frame.next_frame()
    assert content is not None
    assert encode_varint(len(content)) == encoded
    return len(content)


def file_name(case: Case) -> object:
    found = parse_bundle_filename(case["file_name"])
    if found is None:
        return "invalid"
    assert bundle_filename(found.kind, found.created_at, found.batch_id) == case["file_name"]
    return {
        "kind": kind_name(found.kind),
        "created_at": found.created_at.isoformat(),
        "batch_id": str(UUID(bytes=found.batch_id.bytes)),
    }


ANSWER: dict[str, Callable[[Case], object]] = {
    "direction_key": direction_key,
    "encryption_context": lambda case: encryption_context(bytes.fromhex(case["head"])).hex(),
    "pre_authentication": lambda case: pre_authenticated(case).hex(),
    "key_id": lambda case: key_id_of(public_key(case)).hex(),
    "signature": signature,
    "varint": varint,
    "running_digest": lambda case: chain(map(bytes.fromhex, case["digests"]), bytes.fromhex(case["start"])).hex(),
    "file_name": file_name,
}
DOCUMENTS = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
CASES = [
    pytest.param(document["algorithm"], case, id=f"{document['algorithm']}-{case['name']}")
    for document in DOCUMENTS
    for group in document["groups"]
    for case in group["cases"]
]


@pytest.mark.parametrize(("algorithm", "case"), CASES)
def test_an_answer_is_the_known_one(algorithm: str, case: Case) -> None:
    if case["expected"] != "invalid" or algorithm == "file_name":
        assert ANSWER[algorithm](case) == case["expected"]
        return
    with pytest.raises(BundleError) as refusal:
        ANSWER[algorithm](case)
    assert refusal.value.defect == case["defect"]


def test_every_algorithm_has_answers_and_every_answer_is_written() -> None:
    there = {document["algorithm"]: document["groups"] for document in DOCUMENTS}
    assert set(there) == set(ANSWER) == set(ALGORITHMS)
    for algorithm, (_, make) in ALGORITHMS.items():
        assert merged(json.loads(json.dumps(there[algorithm])), make()) == there[algorithm]
        assert make() == there[algorithm], "an answer is made again as it was made first"
