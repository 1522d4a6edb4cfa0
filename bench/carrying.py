"""`transfer take` and `deliver` of 2 GB in bundles of 64 MiB, against `cp`, `sync` and two `sha256sum` of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
from airlock.bundle.v1.frame_pb2 import ResultChunk
from airlock.bundle.v1.record_pb2 import OUTCOME_COMPLETED, Record, Response
from airlock.common.v1 import network_pb2

from bench.report import Figure, report
from transfer.bundle.header import filename_of, new_header
from transfer.bundle.keyring import Keyring, SigningKey, generate_keys
from transfer.bundle.writer import BundleWriter
from transfer.spool.deliver import deliver
from transfer.spool.inbox import Inbox
from transfer.spool.outbox import Outbox
from transfer.spool.take import take

if TYPE_CHECKING:
    from collections.abc import Callable

BUNDLES: Final = 30
BUNDLE_BYTES: Final = 64 * 1024 * 1024
CHUNK: Final = 256 * 1024
REPEATS: Final = 3


def sealed_bundles(folder: Path) -> None:
    """Fills an outbox with bundles of answers that do not shrink."""
    keys = generate_keys(folder.parent / "keys")
    keyring, signing_key = Keyring.from_file(keys.keyring), SigningKey.load(keys.response_signing_key)
    Outbox(folder).make_folders()
    noise = os.urandom(CHUNK)
    for number in range(1, BUNDLES + 1):
        header = new_header(
            kind=network_pb2.BUNDLE_KIND_RESPONSES,
            source=network_pb2.NETWORK_RESPONSE,
            destination=network_pb2.NETWORK_REQUEST,
            batch_id=uuid4(),
            epoch=1_767_225_600,
            sequence=number,
            created_at=datetime.now(UTC),
            key_version=keyring.current,
        )
        path = folder / "responses" / filename_of(header)
        with BundleWriter(path, header, keyring, signing_key, Acknowledgements(running_digest=bytes(32))) as writer:
            _fill(writer, noise)
            writer.finish()


def _fill(writer: BundleWriter, noise: bytes) -> None:
    """Two answers of a little less than 32 MiB; each chunk differs, or it would be compressed away."""
    for _ in range(2):
        request_id = uuid4().bytes
        total = BUNDLE_BYTES // 2 - CHUNK
        record = Response(request_id=request_id, outcome=OUTCOME_COMPLETED, total_length=total, sha256=bytes(32))
        writer.add_record(Record(response=record).SerializeToString())
        for offset in range(0, total, CHUNK):
            piece = os.urandom(64) + noise[64:] if offset % (8 * CHUNK) else os.urandom(CHUNK)
            writer.add_chunk(ResultChunk(request_id=request_id, offset=offset, data=piece))


def by_hand(source: Path, target: Path) -> float:
    """Seconds that a careful person takes with the system's own programs: copied, flushed, compared."""
    began = time.perf_counter()
    subprocess.run(["cp", "-r", str(source), str(target)], check=True)
    subprocess.run(["sync", "-f", str(target)], check=True)
    for folder in (source, target):
        files = sorted(str(path) for path in folder.rglob("*.pb.enc"))
        subprocess.run(["sha256sum", *files], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Turn by turn, each time onto an emptied medium and into an emptied inbox."""
    with tempfile.TemporaryDirectory(prefix="airlock-bench-") as name:
        folder = Path(name)
        outbox, medium, inbox, copy = (folder / part for part in ("outbox", "medium", "inbox", "copy"))
        sealed_bundles(outbox)
        seconds: dict[str, list[float]] = {"take": [], "deliver": [], "by hand": []}
        for _ in range(REPEATS):
            for place in (medium, inbox, copy):
                shutil.rmtree(place, ignore_errors=True)
            medium.mkdir()
            Inbox(inbox).make_folders()
            seconds["by hand"].append(by_hand(outbox, copy))
            seconds["take"].append(timed(lambda: take(outbox, medium)))
            seconds["deliver"].append(timed(lambda: deliver(medium, inbox)))
        size = sum(path.stat().st_size for path in outbox.rglob("*.pb.enc"))
    middle = {what: median(times) for what, times in seconds.items()}
    title = (
        f"carrying: {size / 1e9:.1f} GB in {BUNDLES} bundles; cp, sync and two sha256sum take {middle['by hand']:.1f} s"
    )
    report(
        title,
        [
            Figure("take, as fast as that", middle["by hand"] / middle["take"], "≥ 0.70"),
            Figure("deliver, as fast as that", middle["by hand"] / middle["deliver"], "≥ 0.70"),
        ],
    )


if __name__ == "__main__":
    main()
