"""The audit trail with curl: what real processes wrote is searched, exported, checked and verified by way of Envoy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.clients import rest_client
from sandbox.crossing import cross
from sandbox.waiting import wait_until
from tests.e2e.doors.running import ANALYST

if TYPE_CHECKING:
    from tests.e2e.doors.running import Running

CHECKER = Path(__file__).parents[3] / "docs" / "examples" / "check_audit.py"
AUDIT = "/api/v1/admin/audit"


def found(running: Running, **filters: Any) -> list[dict[str, Any]]:
    """Entries, the newest first."""
    entries: list[dict[str, Any]] = running.operator.call("GET", AUDIT, params=filters)["entries"]
    return entries


def test_sign_ins_and_bundles_are_found(running: Running) -> None:
    (signed_in, *_) = found(running, action_prefix="auth.signed_in", page_size=1)
    assert signed_in["outcome"] == "AUDIT_OUTCOME_OK"
    assert signed_in["address"] in {"127.0.0.1", "::1"}
    assert "httpx" in signed_in["user_agent"]
    assert signed_in["metadata"]["username"]
    (applied, *_) = found(running, action_prefix="bundle.applied", page_size=1)
    assert len(applied["metadata"]["digest"]) == 64


def test_a_refused_call_is_in_the_trail_within_seconds(running: Running) -> None:
    with rest_client(running.pair.request.envoy) as client:
        client.sign_in(ANALYST.username, ANALYST.password)
        assert client.http.get(AUDIT).status_code == 403

    def is_there() -> bool:
        rows = found(running, action_prefix="call.refused", outcome="AUDIT_OUTCOME_REFUSED")
        return any(row["resource_id"].endswith("/ListAuditEntries") and row["response_status"] == 7 for row in rows)

    wait_until(is_there, what="the refusal", limit_seconds=20)


def test_an_export_is_checked_by_the_documented_program_and_verified_by_the_service(
    running: Running, tmp_path: Path
) -> None:
    def is_sealed() -> bool:
        return "head" in running.operator.call("GET", f"{AUDIT}/chain")

    wait_until(is_sealed, what="the first segment", limit_seconds=30)
    content = running.operator.read(f"{AUDIT}:export?first_segment=1")
    assert "end" in json.loads(content.splitlines()[-1])
    file = tmp_path / "audit.jsonl"
    file.write_bytes(content)
    checked = subprocess.run([sys.executable, str(CHECKER), str(file)], capture_output=True, text=True, check=False)
    assert checked.stdout.startswith("right: segments 1 to "), checked.stderr
    seen = running.operator.call("GET", f"{AUDIT}:verify")
    assert (seen["mismatch_segment"], seen["next_segment"]) == ("0", "0")


def test_each_network_saw_the_others_chain(running: Running) -> None:
    wait_until(lambda: "head" in running.admin.call("GET", f"{AUDIT}/chain"), what="a segment there", limit_seconds=30)
    for _ in range(2):
        cross("status", running.searching, running.asking, running.pair.stick)
        cross("status", running.asking, running.searching, running.pair.stick)
    ours, theirs = (caller.call("GET", f"{AUDIT}/chain") for caller in (running.operator, running.admin))
    assert ours["peer_head"]["agrees"]
    assert theirs["peer_head"]["agrees"]
    assert ours["mismatches"] == theirs["mismatches"] == []
