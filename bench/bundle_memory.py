"""Prints by how many MiB this process grows while it writes and reads a bundle of 50,000 records of 1 KiB."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.bundle import RECORDS, Bundles, random_records
from transfer.bundle.keyring import generate_keys


def peak_mib() -> float:
    """The highest resident size of this program so far; what `getrusage` says would include the parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    msg = "this system does not tell the peak of a process"
    raise SystemExit(msg)


def main() -> None:
    """Warms every code path up with a small bundle, then measures a large one."""
    with tempfile.TemporaryDirectory() as name:
        bundles = Bundles(Path(name), generate_keys(Path(name) / "keys"))
        bundles.write(random_records(1))
        bundles.read_blocks()
        idle = peak_mib()
        # Each record is made when it is written, so that the rows themselves take no memory.
        bundles.write(random_records(RECORDS))
        bundles.read_blocks()
        print(f"{peak_mib() - idle:.2f}")


if __name__ == "__main__":
    main()
