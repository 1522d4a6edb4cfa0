"""Whatever happens to a file on its way, the reader says so with a BundleError and with nothing else."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.bundle import sealed
from tests.vectors import craft
from transfer.bundle.peek import peek
from transfer.bundle.reader import summary
from transfer.errors import BundleError, FrameOrderError, HashMismatchError, TrailingBytesError, TruncatedError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    bundle = tmp_path / "bundle"
    sealed.seal(bundle, [craft.response(b'{"took":1}')])
    return bundle


def test_every_flipped_bit_is_found(path: Path) -> None:
    data = path.read_bytes()
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        path.write_bytes(changed)
        with pytest.raises(BundleError):
            sealed.read(path)


def test_every_cut_is_found(path: Path) -> None:
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(BundleError):
            sealed.read(path)
        if length > 16:
            with pytest.raises(TruncatedError):
                sealed.read(path)


@pytest.mark.parametrize("tail", [b"\x00", b"\n", bytes(700), b"\x89ALT", b"x" * 1000])
def test_bytes_behind_the_trailer_are_found(path: Path, tail: bytes) -> None:
    path.write_bytes(path.read_bytes() + tail)
    with pytest.raises((TrailingBytesError, TruncatedError)):
        sealed.read(path)


def test_a_whole_bundle_behind_another_is_not_taken_for_one(path: Path) -> None:
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(HashMismatchError):
        sealed.read(path)


def test_a_signed_header_cannot_be_moved_to_another_payload(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    sealed.seal(other, header=sealed.responses_header(2))
    head = sealed.verify(other).head
    data = path.read_bytes()
    path.write_bytes(head + data[len(sealed.verify(path).head) :])
    with pytest.raises(HashMismatchError):
        sealed.read(path)


def test_a_small_file_that_expands_into_much_costs_little(tmp_path: Path) -> None:
    """256 MiB of zeros behind a good beginning: each zero is an empty frame, and the first one ends the reading."""
    path = tmp_path / "bomb"
    compressor = zstandard.ZstdCompressor(level=1).compressobj()
    pieces = [compressor.compress(craft.framed(craft.acknowledgements()))]
    pieces += [compressor.compress(bytes(1 << 20)) for _ in range(256)]
    compressed = b"".join([*pieces, compressor.flush()])
    header = sealed.responses_header()
    path.write_bytes(craft.Craft(header=header, compressed=compressed, signer="response").build())
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(FrameOrderError):
            sealed.read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400), st.booleans())
def test_noise_is_refused_by_every_reader(tmp_path: Path, noise: bytes, begin_well: bool) -> None:
    path = tmp_path / "noise"
    path.write_bytes((craft.MAGIC + b"\x00\x01\x00\x00\x00\x00\x00\x10" if begin_well else b"") + noise)
    for look in (sealed.read, summary, peek):
        with pytest.raises(BundleError):
            look(path)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=300))
def test_a_faulty_sender_who_signs_noise_is_refused(tmp_path: Path, noise: bytes) -> None:
    path = tmp_path / "noise"
    header = sealed.responses_header()
    for file in (
        craft.Craft(header=header, payload=noise, signer="response"),
        craft.Craft(header=header, compressed=noise, signer="response"),
        craft.Craft(header=header, payload=craft.framed(craft.acknowledgements(), noise), signer="response"),
        craft.Craft(header=noise, signer="response"),
        craft.Craft(header=header, ciphertext=noise, signer="response"),
    ):
        path.write_bytes(file.build())
        with pytest.raises(BundleError):
            sealed.read(path)
