"""Headers' times, sidecars, table digests and the look at a file's two ends."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from airlock.bundle.v1.replication_pb2 import User
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.bundle import sealed
from tests.vectors import craft
from transfer.bundle.header import filename_of, from_micros, to_micros
from transfer.bundle.peek import peek
from transfer.bundle.replication import TableDigest, row_digest
from transfer.bundle.sidecar import render_sidecar
from transfer.errors import HashMismatchError, TruncatedError

if TYPE_CHECKING:
    from pathlib import Path


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - the strategy adds the zone
def test_a_moment_survives_as_microseconds(moment: datetime) -> None:
    assert from_micros(to_micros(moment)) == moment


def test_a_sidecar_holds_the_keys_that_scripts_look_for(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    written = sealed.seal(path, [craft.response(b"{}")])
    assert json.loads(render_sidecar(sealed.responses_header(), written)) == {
        "batch_id": str(sealed.BATCH),
        "batch_type": "responses",
        "created_at": "2026-03-04T05:06:07.000890Z",
        "record_count": 1,
        "file_size": path.stat().st_size,
        "checksum": hashlib.sha256(path.read_bytes()).hexdigest(),
        "encryption": {"algorithm": "COBBLESTONE-256", "key_version": "v1"},
        "source_network": "response",
        "destination_network": "request",
    }
    assert filename_of(sealed.responses_header()) == f"responses_20260304_050607_{sealed.BATCH}.pb.enc"


def test_a_table_digest_is_that_of_the_rows_digests_in_order() -> None:
    rows = [User(id=bytes([n]) * 16, username=f"user{n}").SerializeToString() for n in (1, 2)]
    table = TableDigest()
    for row in rows:
        table.add(row)
    assert table.digest() == hashlib.sha256(b"".join(hashlib.sha256(row).digest() for row in rows)).digest()
    assert table.rows == 2
    by_digest = TableDigest()
    for row in rows:
        by_digest.add_digest(row_digest(row))
    assert by_digest.digest() == table.digest()
    assert TableDigest().digest() == hashlib.sha256(b"").digest()
    with pytest.raises(ValueError, match="32 bytes"):
        table.add_digest(b"short")


def test_a_look_at_the_ends_does_not_see_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    written = sealed.seal(path, [craft.response(b"{}")])
    ends = peek(path)
    assert (ends.digest, ends.size, ends.header) == (written.digest, written.size, sealed.responses_header())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert peek(path).digest == written.digest
    with pytest.raises(HashMismatchError):
        sealed.verify(path)


def test_a_header_that_claims_more_than_the_file_holds_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    data = bytearray(craft.Craft().build())
    data[12:16] = (60_000).to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(TruncatedError):
        peek(path)
