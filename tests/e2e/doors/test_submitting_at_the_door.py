"""Batches and validation through Envoy: the session of docs/submitting.md as it stands, and what strangers send."""

from __future__ import annotations

import json
import re
import shutil
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from common.search.advice.warning import WarningKind
from sandbox.clients import rest_client
from tests.e2e.doors.running import ANALYST
from tests.e2e.doors.sessions import PYTHON, REPOSITORY, said_by, shell, shown_in, steps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.doors.running import Running

DOCUMENT = REPOSITORY / "docs" / "submitting.md"
BATCH = "/api/v1/requests:batch"
VALIDATE = "/api/v1/requests:validate"
# Spaces, a short form, a number that is no double, and letters beyond ASCII: all of it must arrive as it is.
BODY = """ {"query":{"bool": {"must":[{"match":{"name":"تهران"}}],
"filter":{"range":{"population":{"lt":9007199254740993}}}}}}""".replace("\n", " ")


@pytest.fixture
def analyst(running: Running) -> Iterator[httpx.Client]:
    """A signed-in user with a bare HTTP client."""
    with rest_client(running.pair.request.envoy) as client:
        client.sign_in(ANALYST.username, ANALYST.password)
        yield client.http


def submit(client: httpx.Client, *lines: str, **params: str) -> httpx.Response:
    """Lines as they are, with a break behind each."""
    content = "".join(f"{line}\n" for line in lines)
    headers = {"content-type": "application/x-ndjson"}
    return client.post(BATCH, params={"index": "cities"} | params, content=content, headers=headers)


def reason(answer: httpx.Response) -> str:
    """The reason that an error body gives."""
    return next(str(detail["reason"]) for detail in answer.json()["details"] if detail["@type"].endswith("ErrorInfo"))


def listed(client: httpx.Client) -> list[dict[str, Any]]:
    """The newest requests."""
    found: list[dict[str, Any]] = client.get("/api/v1/requests", params={"page_size": 200}).json()["requests"]
    return found


@pytest.mark.skipif(shutil.which("curl") is None, reason="the session is one with curl, which is not on this machine")
def test_the_document_shows_what_comes(running: Running, analyst: httpx.Client, tmp_path: Path) -> None:
    token = analyst.headers["authorization"].removeprefix("Bearer ")
    environment = shell(running.pair.request.envoy, token, tmp_path)
    document = DOCUMENT.read_text()
    played = list(steps(document))
    assert len(played) == document.count("\n$ ")
    for command, shown in played:
        said = said_by(["bash", "-euc", command], environment, tmp_path)
        assert shown_in(shown, said), f"{command}\nsaid\n{said}\nwhere the document shows\n{shown}"
    [program] = PYTHON.findall(document)
    assert re.fullmatch(
        r"(?:[A-Z]{2} [0-9a-f-]{36}\n){3}", said_by([sys.executable, "-c", program], environment, tmp_path)
    )


def test_every_warning_is_explained() -> None:
    explained = re.findall(r"^\| `([A-Z_]+)` \|", DOCUMENT.read_text(), re.MULTILINE)
    assert explained == [kind.name for kind in WarningKind]


def test_a_batch_is_stored_whole_and_byte_for_byte(running: Running, analyst: httpx.Client) -> None:
    answer = submit(analyst, "{}", BODY, '{"priority": 2}', "{}")
    assert answer.status_code == httpx.codes.OK
    first, second = answer.json()["requests"]
    assert (first["query_type"], second["query_type"], second["priority"]) == ("bool", "match_all", 2)
    assert [one["id"] for one in listed(analyst)[:2]] == [second["id"], first["id"]]
    told = analyst.post(VALIDATE, params={"index": "cities"}, content=BODY).json()
    assert "9007199254740993" in told["engine_body"]
    assert "تهران" in told["engine_body"]


def test_one_wrong_question_keeps_the_others_out(analyst: httpx.Client) -> None:
    before = listed(analyst)
    answer = submit(analyst, "{}", "{}", '{"priority": 9}', "{}")
    assert (answer.status_code, reason(answer)) == (403, "PERMISSION_MISSING")
    assert listed(analyst) == before


def test_a_batch_that_is_sent_again_gives_the_same_requests(analyst: httpx.Client) -> None:
    lines = [line for number in range(100) for line in (json.dumps({"idempotency_key": f"door-{number}"}), "{}")]
    first, again = submit(analyst, *lines), submit(analyst, *lines)
    assert first.json() == again.json()
    assert len(first.json()["requests"]) == 100


@pytest.mark.parametrize(
    ("content", "status", "expected"),
    [
        (b"", 400, "INVALID_FIELD"),
        (b"{}", 400, "INVALID_FIELD"),
        (b"{}\n{}\n" * 101, 400, "QUERY_LIMIT"),
        (b"\xff\xfe\n{}", 400, "INVALID_FIELD"),
        (b"{}\n\xff\xfe", 400, "QUERY_INVALID"),
        (b"{}\n\0", 400, "QUERY_INVALID"),
        (b"{}\n" + b"x" * 990_000, 400, "QUERY_LIMIT"),
        (b"\n" * 900_000, 400, "INVALID_FIELD"),
        (b"[" * 900_000 + b"\n{}", 400, "INVALID_FIELD"),
    ],
    ids=["nothing", "half", "too many", "no text", "no text in a body", "zero", "too long", "line breaks", "brackets"],
)
def test_what_strangers_send_is_refused_with_a_reason(
    analyst: httpx.Client, content: bytes, status: int, expected: str
) -> None:
    answer = analyst.post(BATCH, params={"index": "cities"}, content=content)
    assert (answer.status_code, reason(answer)) == (status, expected)


def test_the_door_itself_bounds_a_batch(analyst: httpx.Client) -> None:
    answer = analyst.post(BATCH, params={"index": "cities"}, content=b"{}\n" + b"x" * 1_100_000)
    assert answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE


def test_options_of_a_question_have_no_place_in_the_query_string_of_a_batch(analyst: httpx.Client) -> None:
    assert submit(analyst, "{}", "{}", priority="3").status_code == httpx.codes.BAD_REQUEST


@pytest.mark.parametrize(
    ("body", "params"),
    [
        ('{"query": {"mach": {"name": "Tehran"}}}', {}),
        ('{"query": {"match_all": {}}, "size": 1001}', {}),
        ("{}", {"index": "personnel"}),
        ("{}", {"index": "cities,flights"}),
        ("{}", {"priority": "9"}),
        ("{}", {"priority": "11"}),
        ("{}", {"not_after": "2020-01-01T00:00:00Z"}),
        ("", {}),
    ],
)
def test_validation_refuses_as_submission_does(analyst: httpx.Client, body: str, params: dict[str, str]) -> None:
    answers = [
        analyst.post(path, params={"index": "cities"} | params, content=body) for path in ("/api/v1/requests", VALIDATE)
    ]
    submitted, validated = [(one.status_code, reason(one), one.json()["message"]) for one in answers]
    assert submitted == validated
