"""API keys through Envoy: the session of docs/api-keys.md as it stands there, and what browsers and strangers send."""

from __future__ import annotations

import re
import shutil
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from sandbox.clients import rest_client
from tests.e2e.doors.running import ANALYST
from tests.e2e.doors.sessions import PYTHON, REPOSITORY, said_by, shell, shown_in, steps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.doors.running import Running

DOCUMENT = REPOSITORY / "docs" / "api-keys.md"


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
    token = analyst.headers["authorization"].removeprefix("Bearer ")
    environment = shell(running.pair.request.envoy, token, tmp_path)
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
