"""Writes the vectors that are missing, and never touches one that is there: `python -m tests.vectors.generate`.

Encryption draws a random salt, so a vector cannot be made again byte for byte; the frozen file is the vector.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tests.vectors import craft
from tests.vectors.bad_files import FILE, HEADER, KEY, SIGNER
from tests.vectors.bad_payloads import ANSWERS, PAYLOAD, RECORDS, REPLICATED
from tests.vectors.good import GOOD
from transfer.bundle.keyring import generate_keys

if TYPE_CHECKING:
    from tests.vectors.vector import Vector

VECTORS = Path(__file__).parent / "v1"
ALL = [*GOOD, *FILE, *SIGNER, *HEADER, *KEY, *PAYLOAD, *RECORDS, *REPLICATED, *ANSWERS]


def write_keys() -> None:
    """Keys for vectors only: they are public, so they must never protect anything."""
    if craft.KEYS.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        generate_keys(Path(folder) / "networks")
        generate_keys(Path(folder) / "strangers")
        shutil.copytree(Path(folder) / "networks", craft.KEYS)
        for suffix in (".key", ".pub"):
            shutil.copy(
                Path(folder) / "strangers" / f"request-signing{suffix}", craft.KEYS / f"stranger-signing{suffix}"
            )


def write(vector: Vector) -> bool:
    """Writes a vector and its expectation unless it is there; whether it was written."""
    path = VECTORS / f"{vector.name}.pb.enc"
    if path.exists():
        return False
    data = vector.make()
    expected = {
        "comment": vector.comment,
        "reader": vector.reader,
        "defect": vector.defect,
        "checksum": hashlib.sha256(data).hexdigest(),
        "made_at": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    if vector.payload is not None:
        plain = vector.payload()
        expected |= {"payload_bytes": len(plain), "payload_sha256": hashlib.sha256(plain).hexdigest()}
    path.write_bytes(data)
    path.with_suffix("").with_suffix(".json").write_text(json.dumps(expected, indent=2) + "\n")
    return True


def main() -> None:
    """Writes what is missing and says how much that was."""
    VECTORS.mkdir(exist_ok=True)
    write_keys()
    written = sum(write(vector) for vector in ALL)
    print(f"{written} of {len(ALL)} vectors were missing and are written")


if __name__ == "__main__":
    main()
