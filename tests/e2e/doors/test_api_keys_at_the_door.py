"""API keys through Envoy: the session of docs/api-keys.md as it stands there, and what browsers and strangers send."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from sandbox.clients import rest_client
from sandbox.processes import PROGRAMS
from tests.e2e.doors.running import ANALYST
from tests.e2e.doors.sessions import shown_in, steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.doors.running import Running

REPOSITORY = Path(__file__).parents[3]
DOCUMENT = REPOSITORY / "docs" / "api-keys.md"
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def analyst(running: Running) -> Iterator[httpx.Client]:
    """A signed-in user with a bare HTTP client."""
    with rest_client(running.pair.request.envoy) as client:
        client.sign_in(ANALYST.username, ANALYST.password)
        yield client.http


@pytest.fixture
def anybody(running: Running) -> Iterator[httpx.Client]:
    """Nobody in particular."""
    with rest_client(running.pair.request.envoy) as client:
        yield client.http


@pytest.mark.skipif(shutil.which("curl") is None, reason="the session is one with curl, which is not on this machine")
def test_the_document_shows_what_comes(running: Running, analyst: httpx.Client, tmp_path: Path) -> None:
    door = running.pair.request.envoy
    environment = {
        "PATH": os.environ["PATH"],
        "URL": door.url,
        "CA": str(door.certificate.authority),
        "TOKEN": analyst.headers["authorization"].removeprefix("Bearer "),
        "PYTHONPATH": str(REPOSITORY / "gen"),
    }
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(PROGRAMS)
    document = DOCUMENT.read_text()
    [program] = PYTHON.findall(document)
    for command, shown in steps(document):
        if ":rotate" in command:
            # It stands before this command, and after the one that asks about cities.
            assert " cities" in said_by([sys.executable, "-c", program], environment, tmp_path)
        said = said_by(["bash", "-euc", command], environment, tmp_path)
        assert shown_in(shown, said), f"{command}\nsaid\n{said}\nwhere the document shows\n{shown}"
        if "KEY" not in environment:
            made = re.search(r'"id":"([0-9a-f-]{36})".*"key":"(ak_[^"]+)"', said)
            assert made is not None
            environment |= {"KEY_ID": made[1], "KEY": made[2]}


def said_by(command: list[str], environment: dict[str, str], folder: Path) -> str:
    """What the command says; it must succeed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def test_the_warning_is_a_header_of_the_answer(analyst: httpx.Client, anybody: httpx.Client) -> None:
    body = {"name": "short", "scopes": ["read_request"], "lifetime_days": 1}
    made = analyst.post("/api/v1/api-keys", json=body).json()
    answer = anybody.get("/api/v1/requests", headers={"x-api-key": made["key"]})
    assert answer.status_code == httpx.codes.OK
    assert answer.headers["x-airlock-key-expires"][:16] == made["api_key"]["expires_at"][:16]


@pytest.mark.parametrize("text", [b"ak_\xff\xfe\xfd", "ak_é".encode(), b"ak_%00", b"ak_" + b"a" * 5000, b"ak_;--"])
def test_bytes_that_are_no_key_are_unauthenticated(anybody: httpx.Client, text: bytes) -> None:
    answer = anybody.get("/api/v1/requests", headers=[(b"x-api-key", text)])
    assert answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.BAD_REQUEST}


def test_two_callers_in_one_call_are_refused(analyst: httpx.Client) -> None:
    body = {"name": "second", "scopes": ["read_request"], "lifetime_days": 1}
    key = analyst.post("/api/v1/api-keys", json=body).json()["key"]
    answer = analyst.get("/api/v1/requests", headers={"x-api-key": key})
    assert answer.status_code == httpx.codes.UNAUTHORIZED
    assert "two callers" in answer.json()["message"]


def test_a_key_of_this_network_opens_nothing_on_the_other(running: Running, analyst: httpx.Client) -> None:
    body = {"name": "third", "scopes": ["read_request"], "lifetime_days": 1}
    key = analyst.post("/api/v1/api-keys", json=body).json()["key"]
    with rest_client(running.pair.response.envoy) as client:
        answer = client.http.get("/api/v1/auth/me", headers={"x-api-key": key})
    assert answer.status_code == httpx.codes.UNAUTHORIZED
    assert "Request Network" in answer.json()["message"]
