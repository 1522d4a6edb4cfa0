"""What a program meets that reads results over REST in each of their forms, and how it sees that nothing is missing."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from sandbox.clients import rest_client
from sandbox.demo_queries import Question
from tests.e2e.doors.running import ANALYST
from tests.e2e.doors.test_rest_door import reason, violations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.doors.running import Running

LONG = b'{"query":{"match_all":{}},"size":1000,"sort":[{"population":"desc"}]}'
NO_HITS = b'{"size":0,"aggs":{"by_country":{"terms":{"field":"country_code"}}}}'


@dataclass(frozen=True, slots=True)
class Results:
    """Two answers that have come back."""

    http: httpx.Client
    long: str
    no_hits: str

    def get(self, request_id: str, **params: Any) -> httpx.Response:
        return self.http.get(f"/api/v1/requests/{request_id}/result", params=params)


@pytest.fixture(scope="module")
def results(running: Running) -> Iterator[Results]:
    """They are asked for once."""
    asked = [running.analyst.submit_over_rest(Question("cities", body), 5) for body in (LONG, NO_HITS)]
    running.settle()
    with rest_client(running.pair.request.envoy) as client:
        client.sign_in(ANALYST.username, ANALYST.password)
        yield Results(client.http, *asked)


def test_json_says_its_length_and_its_digest(results: Results) -> None:
    answer = results.get(results.long)
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["x-airlock-bytes"]) == len(answer.content) > 256 * 1024
    digest = base64.b64encode(hashlib.sha256(answer.content).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert results.get(results.long, format="json").content == answer.content


def test_lines_are_the_hits_of_the_json(results: Results) -> None:
    answer = results.get(results.long, format="ndjson")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == f'attachment; filename="{results.long}.ndjson"'
    hits = results.get(results.long).json()["hits"]["hits"]
    assert [json.loads(line) for line in answer.content.splitlines()] == hits
    assert int(answer.headers["x-airlock-hits"]) == len(hits) == 1000


def test_a_table_has_the_columns_that_are_named_in_either_spelling(results: Results) -> None:
    answer = results.get(results.long, format="csv", columns=["_id,name", "population"])
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["x-airlock-hits"] == "1000"
    hits = results.get(results.long).json()["hits"]["hits"]
    expected = [[hit["_id"], hit["_source"]["name"], str(hit["_source"]["population"])] for hit in hits]
    rows = list(csv.reader(io.StringIO(answer.text, newline=""), strict=True))
    assert rows == [["_id", "name", "population"], *expected]
    whole = results.get(results.long, format="csv", spreadsheet="true")
    assert whole.content.startswith(b"\xef\xbb\xbf_id,_score,")


def test_no_hits_are_an_empty_body_or_a_line_of_names(results: Results) -> None:
    lines, table = (results.get(results.no_hits, format=form) for form in ("ndjson", "csv"))
    assert (lines.status_code, lines.content, lines.headers["x-airlock-hits"]) == (200, b"", "0")
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert (table.content, table.headers["x-airlock-hits"]) == (b"_id,_score\r\n", "0")


def test_a_wrong_form_is_refused_and_the_right_ones_are_named(results: Results) -> None:
    answer = results.get(results.long, format="xml")
    assert (answer.status_code, reason(answer)) == (400, "INVALID_FIELD")
    [violation] = violations(answer)
    assert violation["field"] == "format"
    assert all(form in violation["description"] for form in ("json", "ndjson", "csv"))
    assert results.get(results.long, formt="csv").status_code == httpx.codes.BAD_REQUEST


def test_what_breaks_on_the_way_is_shorter_than_its_headers_say(running: Running, results: Results) -> None:
    whole = results.get(results.long)
    with psycopg.connect(running.pair.request.postgres.url("airlock")) as connection:
        piece = "FROM result_chunks WHERE id = %s AND n = 1"
        [kept] = connection.execute(f"SELECT data {piece}", [results.long]).fetchone() or [b""]
        connection.execute(f"DELETE {piece}", [results.long])
        connection.commit()
        try:
            broken = results.get(results.long)
            assert (broken.status_code, len(broken.content)) == (200, 256 * 1024)
            assert int(broken.headers["x-airlock-bytes"]) == len(whole.content) > len(broken.content)
            refused = results.get(results.long, format="ndjson")
            assert (refused.status_code, reason(refused)) == (503, "UNAVAILABLE")
        finally:
            connection.execute("INSERT INTO result_chunks (id, n, data) VALUES (%s, 1, %s)", [results.long, kept])
