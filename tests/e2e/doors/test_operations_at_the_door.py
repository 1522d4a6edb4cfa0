"""What operators do with curl: streams, quarantine, reports and keys of real processes, by way of Envoy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sandbox.clients import rest_client
from sandbox.waiting import wait_until
from tests.e2e.doors.running import ANALYST

if TYPE_CHECKING:
    import httpx

    from tests.e2e.doors.running import Running

ROUTES = (
    ("GET", "/api/v1/admin/streams"),
    ("GET", "/api/v1/admin/streams/bundles"),
    ("POST", "/api/v1/admin/streams:resend"),
    ("POST", "/api/v1/admin/streams:void"),
    ("POST", "/api/v1/admin/streams:declareEpoch"),
    ("POST", "/api/v1/admin/streams:acceptEpoch"),
    ("GET", "/api/v1/admin/quarantine"),
    ("GET", "/api/v1/admin/quarantine/x.pb.enc"),
    ("POST", "/api/v1/admin/quarantine/x.pb.enc:release"),
    ("POST", "/api/v1/admin/quarantine/x.pb.enc:discard"),
    ("GET", "/api/v1/admin/batches/imports/1"),
    ("GET", "/api/v1/admin/keys"),
    ("POST", f"/api/v1/admin/keys/{'0' * 64}:revoke"),
    ("GET", "/api/v1/admin/audit"),
    ("GET", "/api/v1/admin/audit:export"),
    ("GET", "/api/v1/admin/audit:verify"),
    ("GET", "/api/v1/admin/audit/chain"),
)


def reason(answer: httpx.Response) -> str:
    return next(str(detail["reason"]) for detail in answer.json()["details"] if detail["@type"].endswith("ErrorInfo"))


def call(running: Running, method: str, path: str, **options: Any) -> httpx.Response:
    return running.operator.http.request(method, path, **options)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_only_operators_come_in(running: Running, method: str, path: str) -> None:
    body = {"json": {}} if method == "POST" else {}
    with rest_client(running.pair.request.envoy) as client:
        assert client.http.request(method, path, **body).status_code == 401
        client.sign_in(ANALYST.username, ANALYST.password)
        refused = client.http.request(method, path, **body)
    assert (refused.status_code, reason(refused)) == (403, "PERMISSION_MISSING")


def test_streams_bundles_and_keys_are_shown(running: Running) -> None:
    streams = call(running, "GET", "/api/v1/admin/streams").json()
    assert streams["network"] == "NETWORK_REQUEST"
    assert int(streams["incoming"]["cumulative"]) >= 1
    received = call(running, "GET", "/api/v1/admin/streams/bundles", params={"incoming": "true"}).json()["bundles"]
    assert {bundle["disposition"] for bundle in received} <= {"DISPOSITION_APPLIED", "DISPOSITION_VOIDED"}
    keys = call(running, "GET", "/api/v1/admin/keys").json()
    assert [key["state"] for key in keys["signing_keys"]] == ["signs"]
    assert "PRIVATE" not in str(keys)


def test_an_import_is_reported(running: Running) -> None:
    (report, *_) = call(running, "GET", "/api/v1/admin/batches/imports/1").json()["reports"]
    assert {check["result"] for check in report["checks"]} == {"passed"}
    assert report["brought_by"] != ""


def test_a_refused_file_is_released_by_its_name(running: Running) -> None:
    inbox = running.pair.request.import_dir
    (inbox / "users" / "nonsense.pb.enc").write_bytes(b"nonsense, and not on its way any more")
    names: list[str] = []

    def set_aside() -> bool:
        call(running, "POST", "/api/v1/admin/imports:scan", json={})
        files = call(running, "GET", "/api/v1/admin/quarantine").json()["files"]
        names[:] = [file["name"] for file in files if file["original"].endswith("nonsense.pb.enc")]
        return bool(names)

    wait_until(set_aside, what="the file in quarantine", limit_seconds=30)
    shown = call(running, "GET", f"/api/v1/admin/quarantine/{names[0]}").json()["file"]
    assert shown["defect"] == "not-a-bundle"
    assert call(running, "POST", f"/api/v1/admin/quarantine/{names[0]}:release", json={}).status_code == 200
    wait_until(set_aside, what="the file in quarantine again", limit_seconds=30)
    assert call(running, "POST", f"/api/v1/admin/quarantine/{names[0]}:discard", json={}).status_code == 200
    gone = call(running, "GET", f"/api/v1/admin/quarantine/{names[0]}")
    assert (gone.status_code, reason(gone)) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "body", "status", "why"),
    [
        ("streams:void", {"numbers": "999999", "reason": "a test"}, 404, "NOT_FOUND"),
        ("streams:void", {"numbers": "7-3", "reason": "a test"}, 400, "INVALID_FIELD"),
        ("streams:void", {"numbers": "1"}, 400, "INVALID_FIELD"),
        ("streams:resend", {"numbers": ""}, 400, "INVALID_FIELD"),
        ("streams:acceptEpoch", {"epoch": "1"}, 400, "WRONG_STATE"),
        ("streams:declareEpoch", {}, 400, "INVALID_FIELD"),
        ("keys/nothing:revoke", {"reason": "a test"}, 400, "INVALID_FIELD"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_reason(
    running: Running, path: str, body: dict[str, str], status: int, why: str
) -> None:
    answer = call(running, "POST", f"/api/v1/admin/{path}", json=body)
    assert (answer.status_code, reason(answer)) == (status, why)
