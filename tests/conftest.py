"""The servers and keys that tests share. Each pytest process starts its own servers once, when a test first asks."""

from __future__ import annotations

import gc
import itertools
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from sandbox.postgres import EmbeddedPostgres
from sandbox.valkey import DATABASES, EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transfer.bundle.keyring import GeneratedKeys

# A machine that is busy with something else for a moment has found no counterexample.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
database_numbers = itertools.count(1)
SHARING = "tests/e2e/doors/"
"""The tests below this folder share running networks, which only one process shall start."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    """The marks that xdist 3.8 groups tests by have no effect with pytest 9.2, so folders group them."""
    return Scheduling(config, log)


class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types.
    """Gives each test to whichever process is free, but those that share something to one."""

    def _split_scope(self, nodeid: str) -> str:
        return SHARING if nodeid.startswith(SHARING) else nodeid


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A short path that PostgreSQL's user may enter, which pytest's own folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="airlock-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server(server_folder: Path) -> Iterator[EmbeddedPostgres]:
    """One PostgreSQL, its durable settings off."""
    with EmbeddedPostgres(server_folder / "postgres", durable=False) as server:
        yield server


@pytest.fixture
def database_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """The libpq URL of a fresh, empty database."""
    name = f"test_{next(database_numbers)}"
    yield postgres_server.create_database(name)
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def valkey_server(server_folder: Path) -> Iterator[EmbeddedValkey]:
    """One Valkey."""
    with EmbeddedValkey(server_folder / "valkey") as server:
        yield server


@pytest.fixture
def redis_url(valkey_server: EmbeddedValkey) -> str:
    """The URL of an empty logical database that no other test uses now."""
    url = valkey_server.url(1 + next(database_numbers) % (DATABASES - 1))
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> GeneratedKeys:
    """The keyring and both networks' signing keys, as `transfer keygen` writes them."""
    from transfer.bundle.keyring import generate_keys

    return generate_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(autouse=True)
def collected(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test in which processes "die" leaves to the garbage collector is not held against the next one."""
    yield
    if any("Unraisable" in str(mark.args) for mark in request.node.iter_markers("filterwarnings")):
        gc.collect()
