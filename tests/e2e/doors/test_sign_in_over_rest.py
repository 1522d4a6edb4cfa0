"""What users and the admin do with curl about sessions and passwords, by way of Envoy and real processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from sandbox.clients import RestClient, rest_client
from tests.e2e.doors.running import ANALYST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.doors.running import Running

OLD = "a password to begin with"
NEW = "another password, better"


def reason(answer: httpx.Response) -> str:
    return next(str(detail["reason"]) for detail in answer.json()["details"] if detail["@type"].endswith("ErrorInfo"))


def login(client: RestClient, username: str, password: str) -> httpx.Response:
    return client.http.post("/api/v1/auth/login", json={"username": username, "password": password})


@pytest.fixture
def newcomer(running: Running) -> Iterator[tuple[str, RestClient]]:
    """The id of somebody whom the admin has just made, and a client at the Response Network."""
    email = "newcomer@example.org"
    body = {"username": "Newcomer", "email": email, "password": OLD, "rate_limit_per_day": 9}
    made = running.admin.http.post("/api/v1/admin/users", json=body)
    if made.status_code == httpx.codes.CONFLICT:
        listed = running.admin.http.get("/api/v1/admin/users", params={"username_prefix": "newcomer"})
        user_id = listed.json()["users"][0]["id"]
        running.admin.http.post(f"/api/v1/admin/users/{user_id}:setPassword", json={"password": OLD})
    else:
        user_id = made.json()["user"]["id"]
    with rest_client(running.pair.response.envoy) as client:
        yield user_id, client


def test_sessions_are_listed_and_ended_over_rest(running: Running) -> None:
    with rest_client(running.pair.request.envoy) as one, rest_client(running.pair.request.envoy) as other:
        for client in (one, other):
            client.sign_in(ANALYST.username, ANALYST.password)
        sessions = one.http.get("/api/v1/auth/sessions").json()["sessions"]
        current = [session["id"] for session in sessions if session.get("current")]
        assert len(current) == 1
        assert sessions[0]["address"]
        ended = other.http.post(f"/api/v1/auth/sessions/{current[0]}:end", json={})
        assert ended.status_code == httpx.codes.OK
        again = other.http.post(f"/api/v1/auth/sessions/{current[0]}:end", json={})
        assert (again.status_code, reason(again)) == (404, "NOT_FOUND")


def test_a_user_changes_his_own_password_where_passwords_live(
    running: Running, newcomer: tuple[str, RestClient]
) -> None:
    _, client = newcomer
    client.sign_in("newcomer", OLD)
    path, passwords = "/api/v1/users/me:changePassword", {"old_password": OLD, "new_password": NEW}
    assert client.http.post(path, json=passwords).status_code == httpx.codes.OK
    assert client.http.get("/api/v1/auth/me").status_code == httpx.codes.OK
    assert reason(login(client, "newcomer", OLD)) == "CREDENTIALS_WRONG"
    assert login(client, "NEWCOMER", NEW).status_code == httpx.codes.OK
    # On the other network there is no such call.
    with rest_client(running.pair.request.envoy) as there:
        there.sign_in(ANALYST.username, ANALYST.password)
        assert there.http.post(path, json=passwords).status_code == httpx.codes.NOT_FOUND


def test_the_admin_changes_ends_and_lets_in_again(running: Running, newcomer: tuple[str, RestClient]) -> None:
    user_id, client = newcomer
    path = f"/api/v1/admin/users/{user_id}"
    changed = running.admin.http.patch(path, json={"inherit": ["rate_limit_per_day"], "profile_type": "premium"})
    assert (changed.json()["user"]["rate_limit_per_day"], changed.json()["user"]["profile_type"]) == (10_000, "premium")
    for verb in ("endSessions", "deactivate", "deactivate", "reactivate"):
        assert running.admin.http.post(f"{path}:{verb}", json={}).status_code == httpx.codes.OK
    assert login(client, "newcomer", OLD).status_code == httpx.codes.OK
    listed = running.admin.http.get("/api/v1/admin/users", params={"order_by": "last_login desc", "page_size": 1})
    assert [user["username"] for user in listed.json()["users"]] == ["Newcomer"]


def test_a_name_that_is_guessed_at_has_to_wait(running: Running) -> None:
    with rest_client(running.pair.request.envoy) as client:
        answers = [login(client, "somebody-to-be-guessed", "guess") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert reason(answers[-1]) == "RATE_LIMITED"
    assert answers[-1].headers["retry-after"] == "1"
