"""The service as a process: its commands, and an executor that is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest
import redis
from typer.testing import CliRunner

from common.auth.passwords import PasswordHasher
from common.batches.steps import Step
from common.database.transaction import Database
from common.policy.index import AllowedIndex
from response_svc.adapters.users import PostgresUsers
from response_svc.app import build_app
from response_svc.cli import cli
from response_svc.search.embedded import load_index
from response_svc.settings import ResponseSettings
from response_svc.usecases.change_users import UserContext
from sandbox.policy_rows import put_indices
from tests.integration.response_svc.world import Arrivals, make_user, question
from tests.unit.common.permission_table import services_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.postgres import EmbeddedPostgres
    from transfer.bundle.keyring import GeneratedKeys

PASSWORD = "a password for tests"
EXECUTE = """
import asyncio
from response_svc.app import build_app
from response_svc.settings import ResponseSettings
async def main():
    app = await build_app(ResponseSettings.from_environment())
    await app.executors.run()
    await app.close()
asyncio.run(main())
"""


@pytest.fixture
def migrated_url(postgres_server: EmbeddedPostgres, migrated: str) -> Iterator[str]:
    name = f"process_{uuid4().hex}"
    yield postgres_server.create_database(name, template=migrated)
    postgres_server.drop_database(name)


@pytest.fixture
def environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, migrated_url: str, redis_url: str, keys: GeneratedKeys
) -> dict[str, str]:
    """The service's environment, in a folder without a `.env`."""
    variables = {
        "SANDBOX": "true",
        "DATABASE_URL": migrated_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": "the secret of the response network in tests",
        "ENCRYPTION_KEYRING_FILE": str(keys.keyring),
        "SIGNING_KEY_FILE": str(keys.response_signing_key),
        "PEER_SIGNING_KEYS_FILE": str(keys.request_public_key),
        "EXPORT_DIR": str(tmp_path / "export"),
        "IMPORT_DIR": str(tmp_path / "import"),
        "EMBEDDED_SEARCH_DIR": str(tmp_path / "search"),
        "ARGON2_TIME_COST": "1",
        "ARGON2_MEMORY_KIB": "8",
        "ARGON2_PARALLELISM": "1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ADMIN_PASSWORD", raising=False)
    monkeypatch.chdir(tmp_path)
    return variables


def admins(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT username FROM users WHERE role = 'admin'")]


@pytest.mark.usefixtures("environment")
class TestCreateAdmin:
    def test_the_password_is_asked_for_twice(self, migrated_url: str) -> None:
        typed = f"{PASSWORD}\nsomething else\n{PASSWORD}\n{PASSWORD}\n"
        result = CliRunner().invoke(cli, ["create-admin", "--username", "head"], input=typed)
        assert result.exit_code == 0, result.output
        assert admins(migrated_url) == ["head"]
        assert PASSWORD not in result.output

    def test_the_password_comes_from_a_file(self, migrated_url: str, tmp_path: Path) -> None:
        (tmp_path / "password").write_text(f"{PASSWORD}\n")
        result = CliRunner().invoke(cli, ["create-admin", "--password-file", str(tmp_path / "password")])
        assert result.exit_code == 0, result.output
        assert admins(migrated_url) == ["admin"]

    def test_a_second_admin_is_refused(self, migrated_url: str) -> None:
        environment = {"ADMIN_PASSWORD": PASSWORD}
        assert CliRunner().invoke(cli, ["create-admin"], env=environment).exit_code == 0
        second = CliRunner().invoke(cli, ["create-admin", "--username", "second"], env=environment)
        assert second.exit_code == 1
        assert "There is an admin already" in second.output
        assert admins(migrated_url) == ["admin"]

    def test_a_short_password_is_refused(self, migrated_url: str) -> None:
        result = CliRunner().invoke(cli, ["create-admin"], env={"ADMIN_PASSWORD": "short"})
        assert result.exit_code == 1
        assert "at least 10 characters" in result.output
        assert admins(migrated_url) == []

    def test_a_password_file_that_is_not_there_is_named(self, migrated_url: str) -> None:
        result = CliRunner().invoke(cli, ["create-admin", "--password-file", "nowhere"])
        assert result.exit_code == 1
        assert "nowhere" in result.output
        assert admins(migrated_url) == []


def passwords_fit(url: str, password: str) -> bool:
    with psycopg.connect(url) as connection:
        [row] = connection.execute("SELECT hashed_password FROM users WHERE role = 'admin'").fetchall()
    return asyncio.run(PasswordHasher.cheapest().verify(row[0], password))


@pytest.mark.usefixtures("environment")
class TestResetAdminPassword:
    def test_it_sets_the_password_ends_the_sessions_and_is_audited(self, migrated_url: str, tmp_path: Path) -> None:
        assert CliRunner().invoke(cli, ["create-admin"], env={"ADMIN_PASSWORD": PASSWORD}).exit_code == 0
        (tmp_path / "password").write_text("the forgotten one\n")
        result = CliRunner().invoke(cli, ["reset-admin-password", "--password-file", str(tmp_path / "password")])
        assert result.exit_code == 0, result.output
        assert "forgotten" not in result.output
        assert passwords_fit(migrated_url, "the forgotten one")
        with psycopg.connect(migrated_url) as connection:
            assert connection.execute("SELECT session_version > 0, revision FROM users").fetchall() == [(True, 2)]
            assert connection.execute("SELECT reason FROM session_endings").fetchall() == [
                ("password reset on the host",)
            ]
            actions = connection.execute("SELECT action FROM audit_logs ORDER BY id").fetchall()
        assert actions == [("user.created",), ("user.password_reset_on_host",)]

    def test_what_it_changed_travels_with_the_next_courier(self, redis_url: str) -> None:
        """Not after the next sweep: whoever resets a password that was stolen carries the bundle at once."""
        with redis.Redis.from_url(redis_url) as server:
            for number, command in enumerate(("create-admin", "reset-admin-password"), start=1):
                assert CliRunner().invoke(cli, [command], env={"ADMIN_PASSWORD": PASSWORD}).exit_code == 0
                assert server.xlen("airlock:response:jobs") == number

    def test_with_redis_away_it_works_all_the_same(self, migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
        for command in ("create-admin", "reset-admin-password"):
            assert CliRunner().invoke(cli, [command], env={"ADMIN_PASSWORD": PASSWORD}).exit_code == 0
        assert admins(migrated_url) == ["admin"]

    def test_without_an_admin_it_says_how_to_make_one(self) -> None:
        result = CliRunner().invoke(cli, ["reset-admin-password"], env={"ADMIN_PASSWORD": PASSWORD})
        assert result.exit_code == 1
        assert "airlock-response create-admin" in result.output

    def test_a_short_password_is_refused(self, migrated_url: str) -> None:
        assert CliRunner().invoke(cli, ["create-admin"], env={"ADMIN_PASSWORD": PASSWORD}).exit_code == 0
        assert CliRunner().invoke(cli, ["reset-admin-password"], env={"ADMIN_PASSWORD": "short"}).exit_code == 1
        assert passwords_fit(migrated_url, PASSWORD)


@pytest.mark.usefixtures("environment")
def test_of_two_create_admin_at_once_from_two_processes_one_makes_him(migrated_url: str) -> None:
    program = "import sys; from response_svc.cli import main; sys.argv = ['airlock-response', *sys.argv[1:]]; main()"
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ADMIN_PASSWORD": PASSWORD}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, "create-admin", "--username", name, "--email", f"{name}@example.org"],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("first", "second")
    ]
    said = [process.communicate(timeout=60)[1] for process in started]
    assert sorted(process.returncode for process in started) == [0, 1]
    assert "there can only be one" in "".join(said)
    assert len(admins(migrated_url)) == 1


@pytest.mark.usefixtures("environment")
def test_check_says_that_there_is_no_admin_yet_and_how_to_make_one() -> None:
    result = CliRunner().invoke(cli, ["check", "--plain"])
    assert result.exit_code == 1
    assert "wrong  admin: There is no admin yet. Run `airlock-response create-admin`." in result.output


@pytest.mark.usefixtures("environment")
async def test_the_service_opens_and_closes_everything() -> None:
    app = await build_app(ResponseSettings.from_environment())
    assert {service.name for service in app.rpc_services} == services_of("response")
    assert await app.executors.run() == {}
    await app.close()


async def one_waiting_request(url: str, folder: Path) -> None:
    """A user's request that waits, and an index that can answer it."""
    load_index(folder, "cities", {"properties": {"name": {"type": "text"}}}, [{"_id": "1", "name": "Tehran"}])
    database = Database(url)
    user = await make_user(UserContext(database, PostgresUsers(), PasswordHasher.cheapest()))
    await put_indices(database, AllowedIndex("cities", "", {"name": "text"}))
    await Arrivals(database).arrive(question(user))
    await database.close()


async def execute() -> dict[str, int]:
    """What the executors of a fresh process do."""
    app = await build_app(ResponseSettings.from_environment())
    try:
        return await app.executors.run()
    finally:
        await app.close()


def test_a_request_whose_process_is_killed_is_answered_by_the_next(
    environment: dict[str, str], migrated_url: str
) -> None:
    asyncio.run(one_waiting_request(migrated_url, Path(environment["EMBEDDED_SEARCH_DIR"])))
    path = os.pathsep.join(sys.path)
    killing = {**os.environ, "PYTHONPATH": path, "AIRLOCK_KILL_AT": Step.EXECUTE_ANSWERED}
    killed = subprocess.run([sys.executable, "-c", EXECUTE], env=killing, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    with psycopg.connect(migrated_url, autocommit=True) as connection:
        assert connection.execute("SELECT status FROM incoming_requests").fetchall() == [("processing",)]
        connection.execute("UPDATE incoming_requests SET lease_expires_at = now() - interval '1 second'")
        assert asyncio.run(execute()) == {"returned": 1, "completed": 1}
        assert connection.execute("SELECT outcome, executions FROM query_results").fetchall() == [("completed", 2)]
