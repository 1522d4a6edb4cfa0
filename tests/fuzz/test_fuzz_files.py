"""Fuzz of whole files: the good vectors with bytes flipped, cut, put in and spliced, as a medium or an attacker may."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.fuzzing import attempt, cases, changed, crafted, read
from tests.vectors.craft import signing_key
from tests.vectors.generate import VECTORS
from transfer.bundle.layout import Trailer, TrailerSignature
from transfer.bundle.peek import peek
from transfer.bundle.reader import summary
from transfer.bundle.signing import pre_authentication

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {path.name: path.read_bytes() for path in sorted(VECTORS.glob("good-*.pb.enc"))}
READERS = {
    name: json.loads((VECTORS / name.replace(".pb.enc", ".json")).read_text())["reader"] for name in sorted(GOOD)
}
NAMES = st.sampled_from(sorted(GOOD))
TRAILER_BYTES = 41 + 97


def signed(body: bytes, sender: str) -> bytes:
    """The body with a trailer that a sender in possession of the signing key would write."""
    digest = hashlib.sha256(body).digest()
    key = signing_key(sender)
    offset = 16 + int.from_bytes(body[12:16], "big")
    signature = key.sign(pre_authentication(1, offset, digest))
    return body + Trailer((TrailerSignature(1, key.key_id, signature),), digest).pack()


@pytest.mark.parametrize("name", sorted(GOOD))
def test_the_originals_are_taken(file: Path, name: str) -> None:
    assert read(file, GOOD[name], READERS[name])
    body = GOOD[name][:-TRAILER_BYTES]
    assert signed(body, "request" if READERS[name] == "response" else "response") == GOOD[name]


@cases(300)
@given(changed(st.sampled_from(list(GOOD.values()))), st.sampled_from(["request", "response"]))
def test_a_changed_file_is_refused(file: Path, data: bytes, reader: str) -> None:
    frames = attempt(lambda: read(file, data, reader))
    assert frames is None or data in GOOD.values()
    for look in (peek, summary):
        attempt(lambda look=look: look(file))


@cases(300)
@given(st.data())
def test_a_changed_file_is_refused_even_if_it_is_signed_again(file: Path, data: st.DataObject) -> None:
    name = data.draw(NAMES)
    body = GOOD[name][:-TRAILER_BYTES]
    others = [other[:-TRAILER_BYTES] for other in GOOD.values()]
    changed_body = data.draw(changed(st.sampled_from([body, body, body, *others])))
    sender = "request" if READERS[name] == "response" else "response"
    frames = attempt(lambda: read(file, signed(changed_body, sender), READERS[name]))
    assert frames is None or changed_body in others


@cases(200)
@given(NAMES, NAMES, st.integers(0, 1100), st.integers(0, 1100))
def test_two_files_joined_anywhere_are_refused(file: Path, first: str, second: str, cut: int, go_on: int) -> None:
    data = GOOD[first][:cut] + GOOD[second][go_on:]
    frames = attempt(lambda: read(file, data, READERS[second]))
    assert frames is None or data in GOOD.values()


@cases(200)
@given(st.data())
def test_a_changed_ciphertext_is_refused(file: Path, data: st.DataObject) -> None:
    craft, reader = crafted("good-requests")
    original = craft.sealed()
    craft.ciphertext = data.draw(changed(st.just(original)))
    frames = attempt(lambda: read(file, craft.build(), reader))
    assert frames is None or craft.ciphertext == original
