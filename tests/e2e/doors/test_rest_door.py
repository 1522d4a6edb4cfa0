"""What callers meet at the REST door: good calls, and each kind of bad one with its status and its reason."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import psycopg
import pytest

from common.auth.accounts import Account
from common.auth.tokens import TokenIssuer
from common.clock import now
from common.policy.limits import BASIC
from sandbox.clients import rest_client
from tests.e2e.doors.running import ANALYST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.doors.running import Running

JSON = {"content-type": "application/json"}
# Spaces, a short form, a number that is no double, and letters beyond ASCII: all of it must arrive as it is.
BODY = """{ "query":{"bool": {"must": [{"match":{"alternate_names":"تهران"}}],
"filter":{"range":{"population":{"lt":9007199254740993}}}} } }"""


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


def reason(answer: httpx.Response) -> str:
    """The reason that an error body gives."""
    return next(str(detail["reason"]) for detail in answer.json()["details"] if detail["@type"].endswith("ErrorInfo"))


def violations(answer: httpx.Response) -> list[dict[str, Any]]:
    """The fields that an error body complains about."""
    details = answer.json()["details"]
    return next(detail["field_violations"] for detail in details if detail["@type"].endswith("BadRequest"))


def submit(client: httpx.Client, body: str = BODY, **params: Any) -> httpx.Response:
    """Asks for cities unless told otherwise."""
    return client.post("/api/v1/requests", params={"index": "cities"} | params, content=body, headers=JSON)


def test_health_needs_no_sign_in(anybody: httpx.Client) -> None:
    for path in ("/health", "/health/ready"):
        assert anybody.get(path).status_code == httpx.codes.OK
    refused = anybody.get("/health/detailed")
    assert (refused.status_code, reason(refused)) == (401, "CREDENTIALS_MISSING")


def test_a_body_arrives_byte_for_byte(running: Running, analyst: httpx.Client) -> None:
    answer = submit(analyst)
    assert answer.status_code == httpx.codes.OK
    with psycopg.connect(running.pair.request.postgres.url("airlock")) as connection:
        query = "SELECT body FROM requests WHERE id = %s"
        [stored] = connection.execute(query, [answer.json()["request"]["id"]]).fetchone() or [b""]
    assert bytes(stored) == BODY.encode()


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(anybody: httpx.Client) -> None:
    answers = [
        anybody.post("/api/v1/auth/login", json={"username": name, "password": "wrong"})
        for name in (ANALYST.username, "nobody")
    ]
    assert [(answer.status_code, reason(answer)) for answer in answers] == [(401, "CREDENTIALS_WRONG")] * 2
    assert answers[0].json()["message"] == answers[1].json()["message"]


def test_an_expired_token_is_told_apart_from_a_forged_one(running: Running, anybody: httpx.Client) -> None:
    late = forged_token(running, running.pair.request.environment()["SECRET_KEY"], age=timedelta(hours=2))
    answer = anybody.get("/api/v1/auth/me", headers={"authorization": f"Bearer {late}"})
    assert (answer.status_code, reason(answer)) == (401, "TOKEN_EXPIRED")
    forged = forged_token(running, "a secret of somebody else's, and long enough", age=timedelta())
    answer = anybody.get("/api/v1/auth/me", headers={"authorization": f"Bearer {forged}"})
    assert (answer.status_code, reason(answer)) == (401, "TOKEN_INVALID")


def test_a_token_of_the_other_network_does_not_count(running: Running, anybody: httpx.Client) -> None:
    answer = anybody.get("/api/v1/auth/me", headers={"authorization": f"Bearer {running.admin.token}"})
    assert (answer.status_code, reason(answer)) == (401, "TOKEN_INVALID")


def test_another_users_request_is_not_found(running: Running, analyst: httpx.Client) -> None:
    request_id = submit(analyst).json()["request"]["id"]
    with rest_client(running.pair.request.envoy) as other:
        other.sign_in(running.stranger.person.username, running.stranger.person.password)
        for path in (f"/api/v1/requests/{request_id}", f"/api/v1/requests/{request_id}/result"):
            answer = other.http.get(path)
            assert (answer.status_code, reason(answer)) == (404, "NOT_FOUND")
        assert other.http.get("/api/v1/requests").json()["requests"] == []


@pytest.mark.parametrize(
    ("body", "params", "status", "expected"),
    [
        ('{"query": {"mach": {"name": "Tehran"}}}', {}, 400, "QUERY_INVALID"),
        ('{"query": {"match_all": {}}, "size": 1001}', {}, 400, "QUERY_LIMIT"),
        ('{"query": ', {}, 400, "QUERY_INVALID"),
        ('{"query": {"match_all": {}}, "query": {"match_all": {}}}', {}, 400, "QUERY_INVALID"),
        (BODY, {"index": "personnel"}, 403, "INDEX_NOT_ALLOWED"),
        (BODY, {"index": "cities,flights"}, 400, "QUERY_INVALID"),
        (BODY, {"priority": "9"}, 403, "PERMISSION_MISSING"),
        (BODY, {"priority": "11"}, 400, "INVALID_FIELD"),
        (json.dumps({"query": {"match": {"name": "x" * 300_000}}}), {}, 400, "QUERY_LIMIT"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_a_bad_question_is_refused_before_the_trip(
    analyst: httpx.Client, body: str, params: dict[str, str], status: int, expected: str
) -> None:
    answer = submit(analyst, body, **params)
    assert (answer.status_code, reason(answer)) == (status, expected)
    assert answer.json()["message"]


def test_a_misspelt_key_is_named_with_its_path_and_the_nearest_valid_name(analyst: httpx.Client) -> None:
    [violation] = violations(submit(analyst, '{"query": {"bool": {"must": [{"mach": {"name": "Tehran"}}]}}}'))
    assert violation["field"] == "query.bool.must[0].mach"
    assert "match" in violation["description"]


def test_the_same_idempotency_key_gives_the_same_request(analyst: httpx.Client) -> None:
    ids = {submit(analyst, idempotency_key="once").json()["request"]["id"] for _ in range(2)}
    assert len(ids) == 1
    other = submit(analyst, '{"query": {"match_all": {}}}', idempotency_key="once")
    assert (other.status_code, reason(other)) == (409, "IDEMPOTENCY_CONFLICT")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing/here", 404),
        ("GET", "/api/v1/nothing", 404),
        ("DELETE", "/api/v1/requests", 404),
        ("POST", "/api/v1/requests?index=cities&prioriti=3", 400),
        ("GET", "/api/v1/requests?page_size=many", 400),
    ],
)
def test_refusals_of_the_door_itself_have_the_same_shape(
    analyst: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = analyst.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()) == {"code", "message", "details"}


def test_a_body_beyond_the_limit_of_the_door_is_refused(analyst: httpx.Client) -> None:
    assert submit(analyst, "x" * 1_100_000).status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE


def test_every_answer_has_a_request_id_and_tells_browsers_to_be_careful(anybody: httpx.Client) -> None:
    headers = anybody.get("/health", headers={"x-request-id": "of-my-own"}).headers
    assert headers["x-request-id"] not in {"", "of-my-own"}
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_plain_http_is_sent_to_tls(running: Running) -> None:
    door = running.pair.request.envoy
    answer = httpx.get(f"http://localhost:{door.plain_port}/health?a=1")
    assert answer.status_code == httpx.codes.PERMANENT_REDIRECT
    assert answer.headers["location"] == f"{door.url}/health?a=1"


def test_the_request_network_has_no_way_to_make_a_user(running: Running) -> None:
    answer = running.operator.http.post("/api/v1/admin/users", json={"username": "intruder"})
    assert answer.status_code == httpx.codes.NOT_FOUND


def forged_token(running: Running, secret: str, *, age: timedelta) -> str:
    """A token as this network makes them, so long ago."""
    issuer = TokenIssuer(network="request", secret=secret, lifetime=timedelta(hours=1), clock=lambda: now() - age)
    account = Account(
        user_id=UUID(running.analyst.user_id),
        username=ANALYST.username,
        full_name="",
        role="user",
        profile_type="basic",
        limits=BASIC,
        is_active=True,
        password_hash="",
    )
    return issuer.issue(account, account.user_id, now() - age).text
