"""The commands that both services have: what they say when something is missing, and their exit codes."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from airlock.common.v1 import network_pb2
from sqlalchemy import text
from typer.testing import CliRunner

from common.cli.check import configured_values
from common.cli.main import make_cli
from common.cli.service import Service
from common.database.migrations import migrate
from common.database.transaction import Database
from common.health.checks import HealthError
from common.keys import load_keys
from common.settings import NetworkSettings, load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from transfer.bundle.keyring import GeneratedKeys

ENV = """
from common.database.migrations import run_env

run_env([])
"""
FIRST = """
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.execute("CREATE TABLE one (id int)")
"""


class Settings(NetworkSettings):
    network = network_pb2.NETWORK_REQUEST


class NoUsers:
    name = "users"
    needed = False

    async def __call__(self) -> str:
        raise HealthError("No users bundle yet. Bring one.")


async def never_built(_settings: Settings) -> Any:
    raise AssertionError("this command does not build the app")


def run(folder: Path, command: str, *, extra: bool = False, build_app: Any = never_built) -> Any:
    service: Service[Settings, Any] = Service(
        name="airlock-test",
        settings=Settings,
        build_app=build_app,
        jobs=lambda _settings: (),
        migrations=str(folder / "migrations"),
        checks=lambda _settings, _database: [NoUsers()] if extra else [],
    )
    return CliRunner().invoke(make_cli(service), [command])


@pytest.fixture
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str, keys: GeneratedKeys
) -> Path:
    """A folder with migrations, and an environment that lacks nothing."""
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    (tmp_path / "migrations" / "env.py").write_text(ENV)
    (tmp_path / "migrations" / "versions" / "0001_first.py").write_text(FIRST)
    for name in NetworkSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    values = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": secrets.token_hex(32),
        "EXPORT_DIR": str(tmp_path / "out"),
        "IMPORT_DIR": str(tmp_path / "in"),
        "ENCRYPTION_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "SIGNING_KEY_FILE": str(keys.request_signing_key),
        "PEER_SIGNING_KEYS_FILE": str(keys.response_public_key),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    # The runner's standard output is closed after each command; the log of this process must not end up there.
    monkeypatch.setattr("common.logging.configure", lambda _settings, _component: None)
    return tmp_path


def test_migrate_makes_tables_and_folders_and_then_nothing_is_wrong(folder: Path) -> None:
    before = run(folder, "check")
    assert before.exit_code == 1
    assert "no tables yet. Run `airlock-test migrate`" in before.output
    assert "There is no folder" in before.output
    for _ in range(2):
        migrated = run(folder, "migrate")
        assert migrated.exit_code == 0, migrated.output
    assert (folder / "in").is_dir()
    after = run(folder, "check")
    assert after.exit_code == 0, after.output
    assert "wrong" not in after.output


def test_a_role_that_is_missing_and_the_other_networks_database_are_refused_with_the_next_step(
    folder: Path, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("MIGRATION_DATABASE_URL", database_url)
    monkeypatch.setenv("DATABASE_URL", database_url.replace("//postgres@", "//nobody@"))
    missing = run(folder, "migrate")
    assert missing.exit_code == 1
    assert 'CREATE ROLE "nobody" LOGIN' in missing.output
    monkeypatch.setenv("DATABASE_URL", database_url)
    migrate(database_url, "response_svc:migrations", network="response")
    for command in ("migrate", "check"):
        refused = run(folder, command)
        assert refused.exit_code == 1
        assert "The database belongs to the Response Network. Name this network's own" in refused.output


def test_check_warns_of_a_role_that_owns_the_tables_outside_the_sandbox(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(folder, "migrate").exit_code == 0
    warned = run(folder, "check")
    assert "warning: postgres owns the tables" in warned.output
    assert warned.exit_code == 0
    monkeypatch.setenv("SANDBOX", "true")
    assert "warning" not in run(folder, "check").output


def test_check_shows_no_secret(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@127.0.0.1:1/0")
    shown = run(folder, "check")
    assert "hunter2" not in shown.output
    assert shown.exit_code == 1
    assert "Redis does not answer" in shown.output
    values = dict(configured_values(load_settings(Settings)))
    assert values["SECRET_KEY"] == "set"
    assert values["ENCRYPTION_KEY"] == "set"
    assert values["REDIS_URL"].startswith("redis://:***@127.0.0.1")


def test_check_names_a_database_that_is_away(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:hunter2@127.0.0.1:1/none")
    shown = run(folder, "check")
    assert shown.exit_code == 1
    assert "The database does not answer" in shown.output
    assert "hunter2" not in shown.output
    migrated = run(folder, "migrate")
    assert migrated.exit_code == 1
    assert "nothing was changed" in migrated.output
    assert "hunter2" not in migrated.output


def test_check_names_a_key_that_cannot_be_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "bad.key").write_text("no key")
    monkeypatch.setenv("SIGNING_KEY_FILE", str(folder / "bad.key"))
    shown = run(folder, "check")
    assert shown.exit_code == 1
    assert "bad.key" in shown.output


def test_check_shows_what_the_service_itself_looks_at(folder: Path) -> None:
    run(folder, "migrate")
    shown = run(folder, "check", extra=True)
    assert shown.exit_code == 1
    assert "No users bundle yet. Bring one." in shown.output


@pytest.mark.parametrize("command", ["serve", "worker", "scheduler", "migrate"])
def test_no_command_starts_with_settings_to_correct(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("SECRET_KEY", "changeme")
    monkeypatch.delenv("REDIS_URL")
    refused = run(folder, command)
    assert refused.exit_code == 2
    assert "2 of its settings" in refused.output
    assert "SECRET_KEY" in refused.output
    assert "REDIS_URL" in refused.output
    assert "changeme" not in refused.output


async def reads_tables(settings: Settings) -> Any:
    database = Database(settings.database_url.get_secret_value(), pool_size=1)
    try:
        async with database.transaction() as transaction:
            await transaction.connection.execute(text("SELECT 1 FROM one"))
    finally:
        await database.close()


async def loads_keys(settings: Settings) -> Any:
    load_keys(settings)


@pytest.mark.parametrize("command", ["serve", "worker"])
@pytest.mark.parametrize(
    ("change", "build_app", "advice"),
    [
        ({}, reads_tables, "Run `airlock-test migrate`"),
        ({"DATABASE_URL": "postgresql://user:hunter2@127.0.0.1:1/none"}, reads_tables, "correct DATABASE_URL"),
        ({"SIGNING_KEY_FILE": "bad.key"}, loads_keys, "bad.key"),
    ],
)
def test_what_stops_a_start_is_said_in_one_line_with_the_next_step(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: str, change: dict[str, str], build_app: Any, advice: str
) -> None:
    (folder / "bad.key").write_text("no key")
    monkeypatch.setenv("SERVE_PROCESSES", "1")
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    refused = run(folder, command, build_app=build_app)
    assert refused.exit_code == 1
    assert advice in refused.output
    assert "Traceback" not in refused.output
    assert "hunter2" not in refused.output
