"""Bundles against JSON lines and one-shot AES-GCM, and against the sum of what cannot be avoided. Ratios of one run.

    python -m bench.bundle

Every side is measured in turn, several times over, in CPU time of this process; the medians are compared.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import zstandard
from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
from airlock.bundle.v1.frame_pb2 import RecordBlock
from airlock.bundle.v1.record_pb2 import OUTCOME_COMPLETED, Record, Response
from airlock.common.v1.network_pb2 import BUNDLE_KIND_RESPONSES, NETWORK_REQUEST, NETWORK_RESPONSE
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.report import Figure, report
from transfer.bundle.framing import encode_varint
from transfer.bundle.header import new_header, to_micros
from transfer.bundle.keyring import GeneratedKeys, Keyring, SigningKey, TrustedKeys, generate_keys
from transfer.bundle.limits import BLOCK_RECORDS
from transfer.bundle.reader import open_payload, verify_file
from transfer.bundle.writer import BundleWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

RECORDS = 50_000
REPEATS = 5
NONCE = bytes(12)
WORDS = ("city", "river", "north", "old", "new", "port", "lake", "hill", "san", "al", "bay", "sur", "nova", "grand")


@dataclass(frozen=True, slots=True)
class Row:
    """What a database gives back for one answer: about 1 KiB as a record."""

    request_id: uuid.UUID
    data: str
    sha256: bytes
    executed_at: datetime


def words(source: random.Random) -> str:
    """A text of 72 letters, of common words: shrinks well."""
    return " ".join(source.choices(WORDS, k=14))[:72]


def noise(source: random.Random) -> str:
    """A text of 72 letters, of noise in base64: shrinks by a quarter at most."""
    return base64.b64encode(source.randbytes(54)).decode()


def make_rows(text: Callable[[random.Random], str]) -> list[Row]:
    """The same rows at every call: answers of eight hits, about 1 KiB."""
    source = random.Random(1)
    rows = []
    for number in range(RECORDS):
        hits = [{"_id": f"{number}-{n}", "_score": 1.0, "_source": {"name": text(source)}} for n in range(8)]
        data = orjson.dumps({"took": 3, "hits": {"hits": hits}}).decode()
        digest = hashlib.sha256(data.encode()).digest()
        executed_at = datetime.fromtimestamp(1_767_225_600 + number, UTC)
        rows.append(Row(uuid.UUID(int=source.getrandbits(128)), data, digest, executed_at))
    return rows


def serialised(rows: Iterable[Row]) -> Iterator[bytes]:
    """Rows as records."""
    for row in rows:
        record = Record()
        response = record.response
        response.request_id = row.request_id.bytes
        response.outcome = OUTCOME_COMPLETED
        response.data = data = row.data.encode()
        response.total_length = len(data)
        response.sha256 = row.sha256
        response.executions = 1
        response.executed_at_micros = to_micros(row.executed_at)
        yield record.SerializeToString()


def random_records(count: int) -> Iterator[bytes]:
    """Records of 1 KiB of random bytes, each made when it is asked for."""
    source = random.Random(1)
    for _ in range(count):
        data = source.randbytes(940)
        response = Response(
            request_id=source.randbytes(16),
            outcome=OUTCOME_COMPLETED,
            total_length=len(data),
            sha256=hashlib.sha256(data).digest(),
            data=data,
            executions=1,
        )
        yield Record(response=response).SerializeToString()


class Bundles:
    """Rows to a bundle and back, as the services do it."""

    def __init__(self, folder: Path, keys: GeneratedKeys) -> None:
        self.path = folder / "bundle"
        self._keyring = Keyring.from_file(keys.keyring)
        self._signing_key = SigningKey.load(keys.response_signing_key)
        self._trusted = TrustedKeys.load(keys.response_public_key)

    def write(self, records: Iterable[bytes]) -> None:
        """Seals serialised records."""
        header = new_header(
            kind=BUNDLE_KIND_RESPONSES,
            source=NETWORK_RESPONSE,
            destination=NETWORK_REQUEST,
            batch_id=uuid.uuid4(),
            epoch=1,
            sequence=1,
            created_at=datetime.now(UTC),
            key_version="v1",
        )
        first = Acknowledgements(running_digest=bytes(32))
        with BundleWriter(self.path, header, self._keyring, self._signing_key, first) as writer:
            writer.add_records(records)
            writer.finish()

    def blocks(self) -> Iterator[RecordBlock]:
        """The blocks, every check made."""
        verified = verify_file(
            self.path, self._trusted, expected_source=NETWORK_RESPONSE, expected_destination=NETWORK_REQUEST
        )
        with open_payload(verified, self._keyring) as payload:
            for frame in payload:
                yield frame.records

    def read_blocks(self) -> None:
        """Reads to the end and keeps nothing."""
        for _ in self.blocks():
            pass

    def read_rows(self) -> None:
        """Reads into the values that an INSERT takes."""
        for block in self.blocks():
            rows = [(r.request_id, r.data, r.sha256, r.executed_at_micros) for r in (x.response for x in block.records)]
            assert rows


class JsonLines:
    """The same rows as JSON lines under one-shot AES-GCM, with orjson or the standard library."""

    def __init__(self, path: Path, dumps: Callable[[Any], bytes], loads: Callable[[bytes], Any]) -> None:
        self._path = path
        self._dumps = dumps
        self._loads = loads
        self._key = AESGCM(bytes(32))

    def write(self, rows: Iterable[Row]) -> None:
        """Rows to a file, durably."""
        lines = [
            self._dumps(
                {
                    "type": "response",
                    "request_id": str(row.request_id),
                    "status": "completed",
                    "result_data": json_of(row.data, self._loads),
                    "sha256": row.sha256.hex(),
                    "executions": 1,
                    "executed_at": row.executed_at.isoformat(),
                }
            )
            for row in rows
        ]
        data = self._key.encrypt(NONCE, b"\n".join(lines), None)
        checksum = hashlib.sha256(data).hexdigest()
        with self._path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        assert checksum

    def read(self) -> None:
        """The file back to the values that an INSERT takes."""
        data = self._path.read_bytes()
        assert hashlib.sha256(data).hexdigest()
        for line in self._key.decrypt(NONCE, data, None).split(b"\n"):
            row = self._loads(line)
            values = (
                uuid.UUID(row["request_id"]).bytes,
                self._dumps(row["result_data"]),
                bytes.fromhex(row["sha256"]),
                datetime.fromisoformat(row["executed_at"]),
            )
            assert values


def json_of(text: str, loads: Callable[[bytes], Any]) -> Any:  # noqa: ANN401 - any JSON
    """An answer as the object that a JSON line holds it as."""
    return loads(text.encode())


def least_work(records: list[bytes], path: Path) -> dict[str, Callable[[], object]]:
    """What no reader can avoid: hashing and decrypting the file, decompressing and parsing its blocks."""
    file = path.read_bytes()
    sealed = AESGCM(bytes(32)).encrypt(NONCE, file, None)
    blocks = [
        b"".join(b"\x0a" + encode_varint(len(record)) + record for record in records[start : start + BLOCK_RECORDS])
        for start in range(0, len(records), BLOCK_RECORDS)
    ]
    compressed = zstandard.ZstdCompressor(level=1).compress(b"".join(blocks))
    decrypted, decompressed = bytearray(len(file)), bytearray(1 << 20)

    def decompress() -> None:
        reader = zstandard.ZstdDecompressor().stream_reader(compressed)
        while reader.readinto(decompressed):
            pass

    return {
        "hash": lambda: hashlib.sha256(file).digest(),
        "decrypt": lambda: AESGCM(bytes(32)).decrypt_into(NONCE, sealed, None, decrypted),
        "parse": lambda: [RecordBlock.FromString(block) is None for block in blocks],
        "decompress": decompress,
    }


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one run."""
    start = time.process_time()
    work()
    return time.process_time() - start


def medians(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The median of several runs of each, taken in turn so that a slow minute slows all alike."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(REPEATS):
        for name, work in works.items():
            taken[name].append(seconds(work))
    return {name: statistics.median(values) for name, values in taken.items()}


def peak_growth() -> float:
    """MiB by which a fresh process grows over its idle size while it writes and reads a bundle of all records."""
    done = subprocess.run([sys.executable, "-m", "bench.bundle_memory"], check=True, capture_output=True, text=True)
    return float(done.stdout)


def measure_rows(title: str, rows: list[Row]) -> None:
    """Rows to a file and back, against JSON lines; and the file's checked read, against what cannot be avoided."""
    records = list(serialised(rows))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundles = Bundles(folder, generate_keys(folder / "keys"))
        fast = JsonLines(folder / "orjson", orjson.dumps, orjson.loads)
        plain = JsonLines(folder / "json", lambda value: json.dumps(value).encode(), json.loads)
        bundles.write(records)
        took = medians(
            {
                "write": lambda: bundles.write(serialised(rows)),
                "write orjson": lambda: fast.write(rows),
                "write json": lambda: plain.write(rows),
                "read": bundles.read_rows,
                "read blocks": bundles.read_blocks,
                "read orjson": fast.read,
                "read json": plain.read,
                **least_work(records, bundles.path),
            }
        )
        sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    least = took["hash"] + took["decrypt"] + took["parse"] + took["decompress"]
    report(
        f"{title}: {RECORDS:,} records of {sum(map(len, records)) // RECORDS:,} bytes, CPU time",
        [
            Figure("rows to file, JSON lines (orjson) / bundle", took["write orjson"] / took["write"], ">= 2.5"),
            Figure("rows to file, JSON lines (json) / bundle", took["write json"] / took["write"], ">= 3"),
            Figure("file to rows, JSON lines (orjson) / bundle", took["read orjson"] / took["read"], ">= 1.8"),
            Figure("file to rows, JSON lines (json) / bundle", took["read json"] / took["read"], ">= 2.8"),
            Figure(
                "checked read, (SHA-256 + AES-GCM + zstd + parse) / bundle, %", 100 * least / took["read blocks"], ""
            ),
            Figure("size of the file, bundle / JSON lines, %", 100 * sizes["bundle"] / sizes["orjson"], ""),
        ],
    )
    print_milliseconds(took)


def measure_checked_read(records: list[bytes]) -> None:
    """Records that do not shrink, so that decompression takes nothing and every byte is hashed and decrypted."""
    with tempfile.TemporaryDirectory() as name:
        bundles = Bundles(Path(name), generate_keys(Path(name) / "keys"))
        bundles.write(records)
        took = medians({"read blocks": bundles.read_blocks, **least_work(records, bundles.path)})
    least = took["hash"] + took["decrypt"] + took["parse"]
    report(
        f"Answers of random bytes: {RECORDS:,} records of {len(records[0]):,} bytes, CPU time",
        [Figure("checked read, (SHA-256 + AES-GCM + parse) / bundle, %", 100 * least / took["read blocks"], ">= 40")],
    )
    print_milliseconds(took)


def print_milliseconds(took: dict[str, float]) -> None:
    """The medians themselves."""
    print("  ms:", ", ".join(f"{name} {1000 * value:.0f}" for name, value in took.items()))


def main() -> None:
    """Measures and prints."""
    measure_rows("Answers of words", make_rows(words))
    measure_rows("Answers of noise", make_rows(noise))
    measure_checked_read(list(random_records(RECORDS)))
    report("Memory", [Figure("growth over the idle process, writing and reading, MiB", peak_growth(), "< 16")])


if __name__ == "__main__":
    main()
