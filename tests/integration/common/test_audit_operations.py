"""The audit trail over a real server: searched, paged, exported, verified, and shown so that no text does harm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import grpc
import pytest
from airlock.ops.v1 import audit_pb2 as pb
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from common.audit.seal import seal_audit
from common.audit.tables import FAILED
from tests.integration.common.test_custody_operations import refusal
from tests.integration.common.trail import HOSTILE, look, reach_past, trail, write

if TYPE_CHECKING:
    from common.database.transaction import Database
    from tests.integration.common.operating import Network


async def listed(network: Network, **fields: Any) -> Any:
    return await network.ops.ListAuditEntries(pb.ListAuditEntriesRequest(**fields), metadata=network.bearer)


async def found(network: Network, **fields: Any) -> list[str]:
    return [entry.action for entry in (await listed(network, **fields)).entries]


async def exported(network: Network, **fields: Any) -> list[Any]:
    call = network.ops.ExportAudit(pb.ExportAuditRequest(**fields), metadata=network.bearer)
    pieces = [piece async for piece in call]
    assert {piece.content_type for piece in pieces} == {"application/x-ndjson"}
    return [json.loads(line) for line in b"".join(piece.data for piece in pieces).splitlines()]


async def test_rows_are_found_by_each_of_their_sides(response: Network, database: Database) -> None:
    one, two = uuid4(), uuid4()
    await write(database, "user.created", user_id=one, address="192.0.2.7", resource_type="user", resource_id="a")
    await write(database, "user.deactivated", user_id=two, address="192.0.2.99", resource_type="user", resource_id="b")
    await write(database, "job.run", resource_type="job", resource_id="clean_up", outcome=FAILED, address="2001:db8::1")
    assert await found(response, user_id=str(one)) == ["user.created"]
    assert await found(response, action_prefix="user.") == ["user.deactivated", "user.created"], "the newest first"
    assert await found(response, action_prefix="user_") == [], "a prefix is no pattern"
    assert await found(response, resource_type="user", resource_id="b") == ["user.deactivated"]
    assert await found(response, outcome=pb.AUDIT_OUTCOME_FAILED) == ["job.run"]
    assert await found(response, address="192.0.2.7") == ["user.created", "auth.signed_in"]
    assert len(await found(response, address="192.0.2.0/24", action_prefix="user.")) == 2
    assert await found(response, address="2001:db8::/32") == ["job.run"]
    assert await found(response, user_id=str(uuid4())) == []


async def test_rows_are_found_by_time(response: Network, database: Database) -> None:
    await write(database, "job.run")
    [(moment,)] = await look(database, "SELECT clock_timestamp()")
    await write(database, "user.created")
    at = Timestamp()
    at.FromDatetime(moment)
    assert await found(response, after=at) == ["user.created"]
    assert await found(response, before=at) == ["job.run", "auth.signed_in"]


async def test_pages_neither_repeat_nor_leave_out_while_rows_are_added(response: Network, database: Database) -> None:
    await write(database, *(f"job.n{number}" for number in range(5)))
    seen, token = [], ""
    while True:
        page = await listed(response, action_prefix="job.", page_size=2, page_token=token)
        seen += [entry.action for entry in page.entries]
        await write(database, "job.later")
        token = page.next_page_token
        if not token:
            break
    assert seen == ["job.n4", "job.n3", "job.n2", "job.n1", "job.n0"]
    other = listed(response, action_prefix="user.", page_token=(await listed(response, page_size=1)).next_page_token)
    assert await refusal(other) == (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")


@pytest.mark.parametrize("wrong", [{"address": "300.1.1.1"}, {"user_id": "x"}, {"action_prefix": "A'; --"}])
async def test_what_is_no_filter_is_refused(response: Network, wrong: dict[str, Any]) -> None:
    assert await refusal(listed(response, **wrong)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")


async def test_a_strangers_text_is_shown_harmlessly(response: Network, database: Database) -> None:
    metadata = {"username": HOSTILE, "name": "می\u200cروم"}
    await write(database, "auth.sign_in_refused", user_agent=HOSTILE, resource_id=HOSTILE, metadata=metadata)
    (entry,) = (await listed(response, action_prefix="auth.sign_in_refused")).entries
    told = json_format.MessageToDict(entry.metadata)
    for text in (entry.user_agent, entry.resource_id, told["username"]):
        assert text.isprintable()
        assert "\\u000a" in text
        assert "\\u001b[2J" in text
        assert "\\u202e" in text
    assert told["name"] == "می\u200cروم", "a joiner is a letter's business"


async def test_an_export_is_noted_and_ends_with_its_count(response: Network, database: Database) -> None:
    await write(database, "one", "two")
    await seal_audit(database)
    *rows, end = await exported(response)
    assert [row["action"] for row in rows] == ["auth.signed_in", "one", "two", "audit.exported"]
    assert end == {"end": {"rows": 4}}
    segment, *rows, end = await exported(response, first_segment=1)
    assert (segment["segment"]["number"], len(rows), end) == (1, 3, {"end": {"rows": 3}})
    [first, second] = await trail(database, "audit.exported")
    assert (first.user_id is not None, second.request_data) == (True, {"first": 1, "last": 0})


async def test_an_export_by_time_and_by_segments_at_once_is_refused(response: Network) -> None:
    call = response.ops.ExportAudit(
        pb.ExportAuditRequest(first_segment=1, after=Timestamp(seconds=1)), metadata=response.bearer
    )
    assert (await refusal(call.read()))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_chain_is_shown_and_verified(response: Network, database: Database) -> None:
    chain = await response.ops.GetAuditChain(pb.GetAuditChainRequest(), metadata=response.bearer)
    assert (chain.HasField("head"), chain.unsealed_rows) == (False, 1)
    await write(database, "one")
    await seal_audit(database)
    await write(database, "two")
    chain = await response.ops.GetAuditChain(pb.GetAuditChainRequest(), metadata=response.bearer)
    assert (chain.head.number, chain.head.rows, chain.unsealed_rows) == (1, 2, 1)
    assert not chain.HasField("peer_head")
    seen = await response.ops.VerifyAudit(pb.VerifyAuditRequest(), metadata=response.bearer)
    assert (seen.segments, seen.rows, seen.mismatch_segment, seen.next_segment) == (1, 2, 0, 0)
    await reach_past(database, "UPDATE audit_logs SET user_id = NULL WHERE action = 'auth.signed_in'")
    seen = await response.ops.VerifyAudit(pb.VerifyAuditRequest(), metadata=response.bearer)
    assert (seen.mismatch_segment, seen.mismatch) == (1, "a row differs from what was sealed")


async def test_only_operators_and_the_admin_read_the_trail(response: Network) -> None:
    from airlock.common.v1 import permission_pb2

    from common.auth.permissions import ROLE_PERMISSIONS

    holders = {role for role, held in ROLE_PERMISSIONS.items() if permission_pb2.PERMISSION_READ_AUDIT in held}
    assert holders == {"operator", "admin"}
    for call in (
        response.ops.ListAuditEntries(pb.ListAuditEntriesRequest()),
        response.ops.VerifyAudit(pb.VerifyAuditRequest()),
        response.ops.GetAuditChain(pb.GetAuditChainRequest()),
        response.ops.ExportAudit(pb.ExportAuditRequest()).read(),
    ):
        assert await refusal(call) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")


async def test_bundles_are_in_the_trail_with_who_asked_for_them(response: Network, request_side: Network) -> None:
    await response.run("status")
    (bundle,) = (await response.waiting()).bundles
    await request_side.bring(await response.fetch(bundle.batch_id))
    await request_side.scan()
    [sealed] = await trail(response.context.database, "bundle.sealed")
    [applied] = await trail(request_side.context.database, "bundle.applied")
    assert (sealed.resource_type, sealed.resource_id) == ("export_batch", bundle.batch_id)
    assert sealed.user_id == applied.user_id is not None
    assert sealed.metadata["kind"] == applied.metadata["kind"] == "status"
    assert sealed.metadata["digest"] == applied.metadata["digest"]
    assert sealed.metadata["number"] == applied.metadata["number"]
    assert applied.metadata["brought_by"] == "sara, over the wire"
    await request_side.bring(await response.fetch(bundle.batch_id))
    await response.bring(await response.fetch(bundle.batch_id))
    await request_side.scan()
    await response.scan()
    assert len(await trail(request_side.context.database, "bundle.repeated")) == 1
    [refused] = await trail(response.context.database, "bundle.quarantined")
    assert (refused.outcome, refused.metadata["defect"]) == ("refused", "unknown-signer")
