"""A check never hangs, never raises, and never shows what a driver said."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy.exc import OperationalError

from common.database.transaction import Database
from common.health import checks
from common.health.checks import FolderCheck, HealthError, PostgresCheck, RedisCheck, look_at, look_at_all

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Part:
    name = "part"
    needed = True

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome

    async def __call__(self) -> str:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        if self.outcome is None:
            await asyncio.Event().wait()
        return str(self.outcome)


async def test_a_part_that_works_tells_what_it_is() -> None:
    state = await look_at(Part("version 3"))
    assert (state.healthy, state.detail) == (True, "version 3")
    assert state.latency_ms >= 0


async def test_a_database_that_is_away_is_told_with_the_next_step_whatever_was_asked_of_it() -> None:
    state = await look_at(Part(OperationalError("SELECT 1", None, Exception("secret host"))))
    assert "correct DATABASE_URL" in state.detail
    assert "secret" not in state.detail


async def test_a_part_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "TIMEOUT_SECONDS", 0.01)
    state = await look_at(Part(None))
    assert not state.healthy
    assert "No answer" in state.detail


async def test_a_finding_is_shown_and_a_drivers_text_is_not() -> None:
    found, broken = await look_at_all([Part(HealthError("Jammed. Open the lid.")), Part(ValueError("hunter2"))])
    assert (found.healthy, found.detail) == (False, "Jammed. Open the lid.")
    assert not broken.healthy
    assert "hunter2" not in broken.detail
    assert "ValueError" in broken.detail


async def test_a_folder_is_there_or_named(tmp_path: Path) -> None:
    assert (await look_at(FolderCheck("export_dir", tmp_path))).healthy
    missing = await look_at(FolderCheck("export_dir", tmp_path / "none"))
    assert "Run `migrate`, or correct EXPORT_DIR" in missing.detail


async def test_a_full_disk_is_unhealthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LEAST_FREE_BYTES", 2**80)
    state = await look_at(FolderCheck("export_dir", tmp_path))
    assert not state.healthy
    assert "MiB are free" in state.detail


async def test_servers_that_are_away_are_named_with_their_setting() -> None:
    database = Database("postgresql://user:hunter2@127.0.0.1:1/none")
    postgres, redis = await look_at_all([PostgresCheck(database), RedisCheck("redis://:hunter2@127.0.0.1:1/0")])
    await database.close()
    assert "DATABASE_URL" in postgres.detail
    assert "REDIS_URL" in redis.detail
    assert "hunter2" not in postgres.detail + redis.detail
