"""Settings are refused all at once, each with its variable, its cause and what to do."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING

import pytest
from airlock.common.v1 import network_pb2

from common.settings import NetworkSettings, SettingsError, load_settings

if TYPE_CHECKING:
    from pathlib import Path


class Settings(NetworkSettings):
    network = network_pb2.NETWORK_REQUEST


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A complete, good environment, in a folder without a `.env`."""
    for name in NetworkSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("own.key", "peer.pub"):
        (tmp_path / name).write_text("key")
    values = {
        "DATABASE_URL": "postgresql://user:hunter2@localhost/requests",
        "REDIS_URL": "redis://localhost/0",
        "SECRET_KEY": secrets.token_hex(32),
        "EXPORT_DIR": "out",
        "IMPORT_DIR": "in",
        "ENCRYPTION_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "SIGNING_KEY_FILE": "own.key",
        "PEER_SIGNING_KEYS_FILE": "peer.pub",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def problems() -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(Settings)
    assert all(problem.next_step for problem in caught.value.problems)
    return {problem.variable: problem.cause for problem in caught.value.problems}


def test_a_complete_environment_is_accepted(environment: pytest.MonkeyPatch) -> None:
    settings = load_settings(Settings)
    assert settings.owner_database_url == "postgresql://user:hunter2@localhost/requests"
    assert settings.network_name == "request"


def test_every_problem_is_reported_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATABASE_URL")
    environment.setenv("REDIS_URL", "http://localhost")
    environment.setenv("SECRET_KEY", "changeme")
    environment.setenv("SERVE_PROCESSES", "0")
    environment.setenv("SIGNING_KEY_FILE", "nowhere.key")
    environment.delenv("ENCRYPTION_KEY")
    assert set(problems()) == {
        "DATABASE_URL",
        "REDIS_URL",
        "SECRET_KEY",
        "SERVE_PROCESSES",
        "SIGNING_KEY_FILE",
        "ENCRYPTION_KEYRING_FILE",
    }


@pytest.mark.parametrize(
    "secret", ["short", "a" * 64, "change-me-" + "0123456789" * 6, "<put-a-long-random-secret-key-in-here>"]
)
def test_a_weak_secret_is_refused_outside_the_sandbox(environment: pytest.MonkeyPatch, secret: str) -> None:
    environment.setenv("SECRET_KEY", secret)
    assert set(problems()) == {"SECRET_KEY"}
    environment.setenv("SANDBOX", "true")
    assert load_settings(Settings).secret_key.get_secret_value() == secret


@pytest.mark.parametrize("key", ["no base64!", base64.b64encode(bytes(16)).decode()])
def test_a_key_of_another_form_is_refused_also_in_the_sandbox(environment: pytest.MonkeyPatch, key: str) -> None:
    environment.setenv("ENCRYPTION_KEY", key)
    environment.setenv("SANDBOX", "true")
    assert set(problems()) == {"ENCRYPTION_KEY"}


def test_a_key_that_is_not_random_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ENCRYPTION_KEY", base64.b64encode(bytes(32)).decode())
    assert set(problems()) == {"ENCRYPTION_KEY"}


def test_a_problem_never_shows_the_secret(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SECRET_KEY", "sesame")
    environment.setenv("DATABASE_URL", "mysql://root:hunter2@localhost")
    with pytest.raises(SettingsError) as caught:
        load_settings(Settings)
    assert "sesame" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_settings_never_print_their_secrets(environment: pytest.MonkeyPatch) -> None:
    settings = load_settings(Settings)
    assert "hunter2" not in repr(settings)
    assert settings.secret_key.get_secret_value() not in repr(settings)


def test_a_secret_may_come_from_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = secrets.token_hex(32)
    (tmp_path / "secret").write_text(f"{secret}\n")
    environment.delenv("SECRET_KEY")
    environment.setenv("SECRET_KEY_FILE", str(tmp_path / "secret"))
    assert load_settings(Settings).secret_key.get_secret_value() == secret


def test_a_secret_named_twice_is_refused(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("other")
    environment.setenv("SECRET_KEY_FILE", str(tmp_path / "secret"))
    assert "both SECRET_KEY and SECRET_KEY_FILE" in problems()["SECRET_KEY"]


def test_a_missing_secret_file_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("SECRET_KEY")
    environment.setenv("SECRET_KEY_FILE", "/nowhere/secret")
    assert "/nowhere/secret" in problems()["SECRET_KEY"]


def test_a_huge_secret_file_is_not_read(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(bytes(20_000))
    environment.delenv("SECRET_KEY")
    environment.setenv("SECRET_KEY_FILE", str(tmp_path / "film"))
    assert "longer than" in problems()["SECRET_KEY"]


def test_dotenv_is_read_and_variables_win_over_it(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=DEBUG\nWORKER_COUNT=3\n")
    environment.setenv("WORKER_COUNT", "5")
    settings = load_settings(Settings)
    assert (settings.log_level, settings.worker_count) == ("DEBUG", 5)


@pytest.mark.parametrize("folder", ["out", "out/in", "."])
def test_import_and_export_folders_must_lie_apart(environment: pytest.MonkeyPatch, folder: str) -> None:
    environment.setenv("IMPORT_DIR", folder)
    assert set(problems()) == {"IMPORT_DIR"}


def test_the_audit_trail_is_kept_for_a_year_and_never_less_than_30_days(environment: pytest.MonkeyPatch) -> None:
    assert load_settings(Settings).keep_audit_days == 365
    environment.setenv("KEEP_AUDIT_DAYS", "30")
    assert load_settings(Settings).keep_audit_days == 30
    environment.setenv("KEEP_AUDIT_DAYS", "29")
    assert set(problems()) == {"KEEP_AUDIT_DAYS"}


def test_processes_listen_apart(environment: pytest.MonkeyPatch) -> None:
    settings = load_settings(Settings)
    assert settings.listen_address(1) == "unix:.airlock/run/request-1.sock"
    environment.setenv("GRPC_LISTEN", "127.0.0.1:7000")
    assert load_settings(Settings).listen_address(2) == "127.0.0.1:7002"
    environment.setenv("GRPC_LISTEN", "unix:/run/one.sock")
    assert set(problems()) == {"GRPC_LISTEN"}


def test_a_process_kills_itself_in_the_sandbox_only(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AIRLOCK_KILL_AT", "sealed")
    assert set(problems()) == {"AIRLOCK_KILL_AT"}
    environment.setenv("SANDBOX", "true")
    assert load_settings(Settings).airlock_kill_at == "sealed"


def test_another_algorithm_cannot_be_configured(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("JWT_ALGORITHM", "none")
    assert set(problems()) == {"JWT_ALGORITHM"}
