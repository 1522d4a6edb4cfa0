"""The servers and keys that tests share. Each pytest process starts its own servers once, when a test first asks."""

from __future__ import annotations

import gc
import itertools
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox.postgres import EmbeddedPostgres
from sandbox.valkey import DATABASES, EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transfer.bundle.keyring import GeneratedKeys

database_numbers = itertools.count(1)


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
    """The URL of an empty logical database that no other test of this process uses."""
    return valkey_server.url(1 + next(database_numbers) % (DATABASES - 1))


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
