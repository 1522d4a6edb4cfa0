"""The transfer station that the command's tests stand at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.playing import prepare
from tests.unit.cli.station import Station

if TYPE_CHECKING:
    from pathlib import Path

    from transfer.bundle.keyring import GeneratedKeys


@pytest.fixture
def station(tmp_path: Path, keys: GeneratedKeys) -> Station:
    """An empty outbox, medium and inbox."""
    return Station(tmp_path, keys)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, keys: GeneratedKeys) -> Path:
    """The folder in which transcripts are played; copy it, then play."""
    root = tmp_path_factory.mktemp("prepared") / "station"
    prepare(root, keys)
    return root
