"""Migrations happen whole or not at all, and two runs at once are harmless."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import ProgrammingError

from common.database.migrations import migrate, migration_state
from common.database.transaction import sqlalchemy_url

if TYPE_CHECKING:
    from pathlib import Path

ENV = """
from common.database.metadata import shared_metadata
from common.database.migrations import run_env

run_env([shared_metadata])
"""
FIRST = """
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.execute("CREATE TABLE one (id int)")
"""
SECOND = """
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.execute("CREATE TABLE two (id int)")
    op.execute({statement!r})
"""


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(ENV)
    (tmp_path / "versions" / "0001_first.py").write_text(FIRST)
    return tmp_path


def tables(url: str) -> set[str]:
    engine = create_engine(sqlalchemy_url(url))
    found = set(inspect(engine).get_table_names())
    engine.dispose()
    return found - {"alembic_version"}


def test_an_empty_database_is_brought_to_the_newest_schema_and_twice_is_harmless(
    database_url: str, scripts: Path
) -> None:
    before = migration_state(database_url, str(scripts))
    assert (before.current, before.newest, before.is_current) == (None, "0001", False)
    for _ in range(2):
        assert migrate(database_url, str(scripts)).is_current
    assert tables(database_url) == {"one"}


def test_two_runs_at_once_are_harmless(database_url: str, scripts: Path) -> None:
    (scripts / "versions" / "0002_second.py").write_text(SECOND.format(statement="SELECT pg_sleep(0.1)"))
    with ThreadPoolExecutor(2) as threads:
        # Alembic keeps its own context in module globals, so two runs share a process only one after the other;
        # the lock of the first is held by hand instead.
        engine = create_engine(sqlalchemy_url(database_url))
        with engine.begin() as connection:
            from common.database.exclusive import lock_number

            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": lock_number("migrations")})
            second = threads.submit(migrate, database_url, str(scripts))
            waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            while not connection.execute(waiting).scalar():
                assert not second.done()
            assert tables(database_url) == set()
        assert second.result(timeout=30).current == "0002"
        engine.dispose()


def test_a_migration_that_fails_leaves_nothing_behind(database_url: str, scripts: Path) -> None:
    (scripts / "versions" / "0002_second.py").write_text(SECOND.format(statement="SELECT broken"))
    with pytest.raises(ProgrammingError):
        migrate(database_url, str(scripts))
    assert tables(database_url) == set()
    assert migration_state(database_url, str(scripts)).current is None
