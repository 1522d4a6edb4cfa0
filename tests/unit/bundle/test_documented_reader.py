"""The example beside the format's text, written from that text alone, reads what this code reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.vectors import craft
from transfer.bundle.names import network_from_name, other_network
from transfer.bundle.reader import open_payload, verify_file

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "read_bundle.py"
FILES = ROOT / "tests" / "vectors" / "v1"
BAD = [
    "bit-in-signature",
    "unknown-signer",
    "cut-in-trailer",
    "trailing-byte",
    "bit-in-payload",
    "signature-twice",
    "header-unknown-field",
    "schema-minor-newer",
    "announcement-in-schema-1-0",
    "audit-head-in-schema-1-1",
    "wrong-way-for-kind",
    "wrong-key",
    "chunks-exchanged",
    "last-chunk-missing",
    "zstd-cut",
    "zstd-twice",
    "length-padded",
    "frame-field-twice",
    "frame-empty",
    "missing-end",
    "after-end",
    "records-miscounted",
    "record-of-other-kind",
    "answer-hash",
    "chunk-missing",
    "user-in-schema-1-1",
    "profile-type-in-schema-1-0",
    "setting-after-index",
]


def expectation(name: str) -> dict[str, Any]:
    expected: dict[str, Any] = json.loads((FILES / f"{name}.json").read_text())
    return expected


GOOD = sorted(path.name.removesuffix(".pb.enc") for path in FILES.glob("good-*.pb.enc"))


def run(name: str, sender: str) -> subprocess.CompletedProcess[str]:
    keys = ["--keyring", str(craft.KEYS / "keyring.json"), "--peer-keys", str(craft.KEYS / f"{sender}-signing.pub")]
    return subprocess.run(
        [sys.executable, str(EXAMPLE), str(FILES / f"{name}.pb.enc"), *keys],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "gen")},
    )


def sender_of(name: str) -> str:
    return "request" if expectation(name)["reader"] == "response" else "response"


@pytest.mark.parametrize("name", GOOD)
def test_the_example_finds_the_records_that_this_code_finds(name: str) -> None:
    sender = sender_of(name)
    source = network_from_name(sender)
    bundle = verify_file(
        FILES / f"{name}.pb.enc",
        craft.trusted(sender),
        expected_source=source,
        expected_destination=other_network(source),
    )
    with open_payload(bundle, craft.keyring()) as payload:
        kinds = [str(record.WhichOneof("content")) for frame in payload for record in frame.records.records]
        counts = payload.counts
    result = run(name, sender)
    assert result.returncode == 0, result.stderr
    *rows, last = result.stdout.splitlines()
    assert [row.split()[0] for row in rows] == kinds
    assert last == f"{counts.records} records, {counts.chunks} chunks"


@pytest.mark.parametrize("name", BAD)
def test_the_example_refuses_a_bad_bundle_with_one_line(name: str) -> None:
    assert expectation(name)["defect"] is not None
    result = run(name, sender_of(name))
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("refused: ")


def test_the_example_is_short_and_takes_nothing_from_the_code_that_it_explains() -> None:
    text = EXAMPLE.read_text()
    assert len(text.splitlines()) <= 100
    for package in ("transfer", "common", "request_svc", "response_svc", "sandbox", "tests"):
        assert f"from {package}" not in text
        assert f"import {package}" not in text
