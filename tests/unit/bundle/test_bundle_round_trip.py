"""What is written is read again, and the writer keeps its limits."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from airlock.bundle.v1.frame_pb2 import ResultChunk
from airlock.common.v1 import network_pb2 as networks

from tests.unit.bundle import sealed
from tests.vectors import craft
from transfer.bundle.limits import BLOCK_BYTES, MAX_CHUNK_DATA, MAX_INLINE_DATA, MAX_RECORD
from transfer.bundle.reader import open_payload, summary, verify_file
from transfer.bundle.writer import BundleWriter
from transfer.errors import (
    LimitExceededError,
    MalformedHeaderError,
    NoSpaceError,
    NotABundleError,
    SpoolError,
    UnknownKeyVersionError,
    WrongDirectionError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from airlock.bundle.v1.record_pb2 import Record

NOISE = os.urandom(1 << 20)


def answer(length: int, offset: int = 0) -> Record:
    return craft.response(NOISE[offset : offset + length])


@pytest.mark.parametrize("length", [0, 1, 16_000, 16_384, 16_385, 32_768, 65_536, MAX_INLINE_DATA])
def test_answers_of_lengths_around_every_chunk_come_back(tmp_path: Path, length: int) -> None:
    path = tmp_path / "bundle"
    written = sealed.seal(path, [answer(length)] if length else [])
    frames = sealed.read(path)
    assert [record.response.data for frame in frames for record in frame.records.records] == (
        [NOISE[:length]] if length else []
    )
    assert written.size == path.stat().st_size
    assert written.checksum == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_last_chunk_may_be_of_every_length(tmp_path: Path) -> None:
    """The compressed payload ends at every place around a chunk's boundary, the boundary itself included."""
    path = tmp_path / "bundle"
    ends = set()
    for length in range(16_220, 16_330):
        sealed.seal(path, [answer(length)])
        assert sealed.read(path)[0].records.records[0].response.data == NOISE[:length]
        verified = sealed.verify(path)
        ends.add((verified.payload_end - verified.payload_offset - 56) % 16_400)
    assert {16, 17, 16_399} <= ends, "the range misses the boundary"


def test_a_long_answer_travels_in_chunks(tmp_path: Path) -> None:
    data = NOISE[:900_000]
    pieces = [
        ResultChunk(request_id=b"\x01" * 16, offset=offset, data=data[offset : offset + MAX_CHUNK_DATA])
        for offset in range(MAX_INLINE_DATA, len(data), MAX_CHUNK_DATA)
    ]
    path = tmp_path / "bundle"
    written = sealed.seal(path, [answer(3), craft.response(data, MAX_INLINE_DATA), *pieces, answer(5)])
    frames = sealed.read(path)
    assert (written.records, written.chunks) == (3, len(pieces))
    assert b"".join([frames[1].records.records[0].response.data, *(frame.chunk.data for frame in frames[2:-1])]) == data


def test_a_block_closes_at_128_records_and_at_128_kib(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    sealed.seal(path, [answer(10)] * 300 + [answer(70_000)] * 3)
    blocks = [frame.records for frame in sealed.read(path)]
    assert [len(block.records) for block in blocks] == [128, 128, 45, 1, 1]
    assert all(block.ByteSize() <= BLOCK_BYTES for block in blocks)


def test_the_reader_counts_what_it_gave_out(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    written = sealed.seal(path, [answer(10)] * 130)
    with open_payload(sealed.verify(path), craft.keyring()) as payload:
        with pytest.raises(ValueError, match="not been read"):
            _ = payload.counts
        assert len(list(payload)) == 2
        assert list(payload) == []
        counts = payload.counts
    assert (counts.records, counts.chunks, counts.payload_bytes) == (130, 0, written.payload_bytes)


def test_a_verified_bundle_says_what_its_header_says(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    written = sealed.seal(path)
    verified = sealed.verify(path)
    assert (verified.kind, verified.batch_id, verified.created_at) == (
        networks.BUNDLE_KIND_RESPONSES,
        sealed.BATCH,
        sealed.NOW,
    )
    assert (verified.digest, verified.checksum, verified.size) == (written.digest, written.checksum, written.size)
    assert verified.signer == craft.signing_key("response").key_id
    assert path.read_bytes().startswith(verified.head)


def test_a_summary_needs_no_key(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    written = sealed.seal(path, [answer(10)])
    shown = summary(path)
    assert (shown.digest, shown.checksum, shown.size) == (written.digest, written.checksum, written.size)
    assert shown.header == sealed.responses_header()
    assert 16 + shown.header_bytes + shown.ciphertext_bytes + shown.trailer_bytes == shown.size
    assert [one.key_id for one in shown.signatures] == [craft.signing_key("response").key_id]


def test_the_same_rows_sealed_twice_give_other_bytes(tmp_path: Path) -> None:
    assert sealed.seal(tmp_path / "a", [answer(9)]).digest != sealed.seal(tmp_path / "b", [answer(9)]).digest


def test_any_direction_is_taken_when_none_is_expected(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    sealed.seal(path)
    trusted = craft.trusted("response")
    assert verify_file(path, trusted, expected_source=None, expected_destination=None).size
    with pytest.raises(WrongDirectionError, match="from response to request and does not belong here"):
        verify_file(path, trusted, expected_source=networks.NETWORK_REQUEST, expected_destination=None)


def test_writing_and_reading_keep_to_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    record = answer(1_000).SerializeToString()
    tracemalloc.start()
    try:
        with sealed.writer(path) as bundle:
            for _ in range(5_000):
                bundle.add_record(record)
            bundle.finish()
        with open_payload(sealed.verify(path), craft.keyring()) as payload:
            for _ in payload:
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20, "5 MB of records went through"


def test_records_and_chunks_beyond_their_limits_are_refused(tmp_path: Path) -> None:
    with sealed.writer(tmp_path / "bundle") as bundle:
        with pytest.raises(LimitExceededError, match="record"):
            bundle.add_record(bytes(MAX_RECORD + 1))
        with pytest.raises(LimitExceededError, match="chunk"):
            bundle.add_chunk(ResultChunk(data=bytes(MAX_CHUNK_DATA + 1)))


def test_an_unfinished_bundle_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    with sealed.writer(path) as bundle:
        bundle.add_record(answer(10).SerializeToString())
    assert not path.exists()
    with pytest.raises(LimitExceededError), sealed.writer(path) as bundle:
        bundle.add_record(bytes(MAX_RECORD + 1))
    assert not path.exists()


def test_what_an_earlier_attempt_left_is_replaced_and_a_link_is_not_written_through(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "bundle"
    victim.write_bytes(b"precious")
    path.symlink_to(victim)
    sealed.seal(path)
    assert victim.read_bytes() == b"precious"
    assert sealed.read(path) == []


def test_a_header_that_no_reader_takes_is_not_written(tmp_path: Path) -> None:
    header = sealed.responses_header()
    header.sequence = 0
    with pytest.raises(MalformedHeaderError, match="sequence"):
        sealed.seal(tmp_path / "bundle", header=header)
    with pytest.raises(UnknownKeyVersionError):
        sealed.seal(tmp_path / "bundle", header=sealed.responses_header(key_version="v7"))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bundle"

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoSpaceError, match=r"No space left on device.*Free space"):
        sealed.seal(path)
    assert not path.exists()


def test_a_disk_that_takes_no_more_stops_the_writer_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        with pytest.raises(SpoolError, match=r"Writing .*bundle failed"):
            sealed.seal(path, [answer(100_000, offset) for offset in range(0, 900_000, 100_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not path.exists()


def test_links_folders_and_pipes_are_not_bundles(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    sealed.seal(path)
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SpoolError):
        sealed.verify(tmp_path / "link")
    with pytest.raises(NotABundleError):
        sealed.verify(tmp_path / "pipe")
    with pytest.raises(NotABundleError):
        sealed.verify(tmp_path)
    with pytest.raises(SpoolError, match="No such file"):
        sealed.verify(tmp_path / "missing")


def test_rendered_acknowledgements_travel_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    rendered = sealed.NOTHING_SEEN.SerializeToString()
    key = craft.signing_key("response")
    with BundleWriter(path, sealed.responses_header(), craft.keyring(), key, rendered) as bundle:
        bundle.add_records([answer(1).SerializeToString(), answer(2).SerializeToString()])
        bundle.finish()
    with open_payload(sealed.verify(path), craft.keyring()) as payload:
        assert payload.acknowledgements == sealed.NOTHING_SEEN
