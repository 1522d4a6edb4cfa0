"""How many cases the fuzz tests try, and the bound on memory that each of them keeps to.

`make test` tries a fixed number, the same cases each time. `make fuzz`, which is the profile `fuzz` of hypothesis,
tries random ones, many more. The bound on time is the deadline of a case.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MORE_MEMORY_KIB = 256 * 1024

settings.register_profile("fuzz", max_examples=20_000, deadline=5000, print_blob=True)


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """Fails a test during which the process grew by more than reading any small file may cost."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < MORE_MEMORY_KIB, f"the process grew by {grown} KiB"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one file that every case of a module overwrites."""
    return tmp_path_factory.mktemp("fuzz") / "bundle.pb.enc"
