"""Fuzz of the trailer: its bytes, and files whose trailers are well formed and signed by keys that are known or not."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz.fuzzing import attempt, cases, changed
from tests.vectors.craft import MAGIC, TRAILER_MAGIC
from transfer.bundle.layout import MAX_TRAILER, Trailer, TrailerSignature, parse_trailer
from transfer.bundle.signing import SigningKey, TrustedKeys, pre_authentication
from transfer.bundle.verify import check_signatures, hash_file

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(10)]
KEYS = sorted((SigningKey(key) for key in PRIVATE), key=lambda key: key.key_id)
# The last two sign as well, and are not trusted.
TRUSTED = TrustedKeys(
    key.public_key() for key in PRIVATE if SigningKey(key).key_id not in {k.key_id for k in KEYS[-2:]}
)
HEAD = MAGIC + b"\x00\x01\x00\x00\x00\x00\x00\x01H"


@st.composite
def trailers(draw: st.DrawFn) -> bytes:
    """Shaped as a trailer; its count, order, roles and length may be wrong."""
    entries = draw(st.lists(st.tuples(st.sampled_from([1, 1, 1, 0, 2]), st.integers(0, 3)), max_size=10))
    if draw(st.booleans()):
        entries = sorted(set(entries))
    joined = b"".join(bytes([role]) + bytes([key]) * 32 + bytes(64) for role, key in entries)
    count = draw(st.one_of(st.just(len(entries)), st.integers(0, 255)))
    length = draw(st.one_of(st.just(41 + len(joined)), st.integers(0, 2**32 - 1), st.integers(0, 1000)))
    return TRAILER_MAGIC + bytes([count]) + joined + bytes(32) + length.to_bytes(4, "big")


@cases(400)
@given(
    st.binary(max_size=200),
    st.one_of(trailers(), changed(trailers()), st.binary(max_size=900)),
    st.sampled_from([b"", b"\x00", TRAILER_MAGIC, bytes(200)]),
)
@example(b"", b"", b"")
@example(TRAILER_MAGIC * 220, b"", b"")
def test_a_trailer_that_is_taken_packs_to_the_same_bytes(before: bytes, trailer: bytes, behind: bytes) -> None:
    tail = (before + trailer + behind)[-MAX_TRAILER:]
    taken = attempt(lambda: parse_trailer(tail))
    if taken is not None:
        found, length = taken
        assert found.pack() == tail[-length:]
        assert 1 <= len(found.signatures) <= 8
        assert all(one.role == 1 for one in found.signatures)


@cases(200)
@given(
    st.lists(st.sampled_from(range(10)), min_size=1, max_size=9, unique=True),
    st.booleans(),
    st.sampled_from(["nothing", "signature", "offset", "digest", "other key"]),
    st.integers(0, 63),
)
def test_a_file_is_taken_only_if_all_its_signatures_are_good_and_trusted(
    file: Path, signers: list[int], in_order: bool, wrong: str, place: int
) -> None:
    signers = sorted(signers) if in_order else signers
    digest = hashlib.sha256(HEAD + b"payload").digest()
    message = pre_authentication(1, len(HEAD) + (wrong == "offset"), bytes(32) if wrong == "digest" else digest)
    signatures = [TrailerSignature(1, KEYS[signer].key_id, KEYS[signer].sign(message)) for signer in signers]
    if wrong == "signature":
        broken = bytearray(signatures[-1].signature)
        broken[place] ^= 1
        signatures[-1] = TrailerSignature(1, signatures[-1].key_id, bytes(broken))
    if wrong == "other key":
        signatures[-1] = TrailerSignature(1, KEYS[signers[-1] - 1].key_id, signatures[-1].signature)
    file.write_bytes(HEAD + b"payload" + Trailer(tuple(signatures), digest).pack())
    good = wrong == "nothing" and signers == sorted(signers) and len(signers) <= 8 and max(signers) < 8
    signer = attempt(lambda: check_signatures(hash_file(file), TRUSTED))
    assert signer == (KEYS[signers[0]].key_id if good else None)
