"""Histories full of trouble, each drawn from its seed; `make rehearse` plays more and longer ones.

A seed that ever broke a rule becomes a test of its own here, named after what was wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.rehearsal.run import play_seed
from sandbox.rehearsal.servers import prepared
from sandbox.rehearsal.telling import seed_lines

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.postgres import EmbeddedPostgres
    from sandbox.rehearsal.servers import Servers
    from sandbox.valkey import EmbeddedValkey

# A process that "dies" here leaves its open files to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # Each takes ten seconds, on a machine that does nothing else.
    pytest.mark.timeout(600),
]

DAYS = 7
SEEDS = range(1, 21)


@pytest.fixture(scope="session")
def servers(postgres_server: EmbeddedPostgres, valkey_server: EmbeddedValkey, server_folder: Path) -> Servers:
    return prepared(postgres_server, valkey_server, server_folder / "rehearsal-search")


def play(seed: int, servers: Servers, folder: Path, days: int = DAYS) -> None:
    outcome = play_seed(seed, days, servers, folder / f"seed-{seed}")
    assert outcome.good, "\n".join(seed_lines(outcome))


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_doubled_or_left_open(seed: int, servers: Servers, tmp_path: Path) -> None:
    play(seed, servers, tmp_path)


def test_a_fork_that_only_its_receiver_sees_ends_with_a_new_epoch(servers: Servers, tmp_path: Path) -> None:
    """A database set back twice: a bundle of the time between comes late, and its own sender knows nothing of it."""
    play(5, servers, tmp_path, days=10)
