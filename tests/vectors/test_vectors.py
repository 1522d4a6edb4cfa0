"""Every frozen bundle is read as its expectation says, for ever."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from airlock.bundle.v1.frame_pb2 import End, Frame
from airlock.common.v1.network_pb2 import NETWORK_REQUEST, NETWORK_RESPONSE

from tests.vectors import craft
from transfer.bundle.names import network_from_name, other_network
from transfer.bundle.reader import open_payload, verify_file
from transfer.errors import BundleError

NETWORKS = {"request": NETWORK_REQUEST, "response": NETWORK_RESPONSE}
FILES = sorted((Path(__file__).parent / "v1").glob("*.pb.enc"))


def expectation(path: Path) -> dict[str, Any]:
    expected: dict[str, Any] = json.loads(path.with_suffix("").with_suffix(".json").read_text())
    return expected


def read(path: Path, reader: str) -> bytes:
    """The payload as it was before compression, put together again from what the reader gives out."""
    here = network_from_name(reader)
    sender = "request" if reader == "response" else "response"
    verified = verify_file(path, craft.trusted(sender), expected_source=other_network(here), expected_destination=here)
    with open_payload(verified, craft.keyring()) as payload:
        frames = [Frame(acknowledgements=payload.acknowledgements), *payload]
        counts = payload.counts
    return craft.framed(*frames, Frame(end=End(records=counts.records, chunks=counts.chunks)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.removesuffix(".pb.enc"))
def test_a_frozen_bundle_is_read_as_it_was_when_it_was_made(path: Path) -> None:
    expected = expectation(path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == expected["checksum"], "a vector is never edited"
    if expected["defect"] is None:
        payload = read(path, expected["reader"])
        assert len(payload) == expected["payload_bytes"]
        assert hashlib.sha256(payload).hexdigest() == expected["payload_sha256"]
        return
    with pytest.raises(BundleError) as refusal:
        read(path, expected["reader"])
    assert refusal.value.defect == expected["defect"]


def test_every_defect_has_a_vector() -> None:
    # Errors of other modules say what a stream's state forbids; no file alone can show that.
    defects = {error.defect for error in BundleError.__subclasses__() if error.__module__ == BundleError.__module__}
    assert defects == {expectation(path)["defect"] for path in FILES} - {None}


def test_good_vectors_are_of_every_shape() -> None:
    assert sum(expectation(path)["defect"] is None for path in FILES) >= 4
