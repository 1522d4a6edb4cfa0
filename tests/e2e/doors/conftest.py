"""The tests of this folder share two running networks, which are started once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.doors.running import Running, run_networks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_itemcollected(item: pytest.Item) -> None:
    """The first one waits for everything to start."""
    item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def running(server_folder: Path) -> Iterator[Running]:
    """Both networks as real processes behind their Envoys, with users who have crossed the gap."""
    with run_networks(server_folder) as started:
        yield started
