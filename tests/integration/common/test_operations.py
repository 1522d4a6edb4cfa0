"""Operations and transfer over real servers of both networks: a bundle is made, carried over the wire, and imported."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import grpc
import pytest
from airlock.common.v1 import network_pb2
from airlock.ops.v1 import batches_pb2 as ops
from airlock.ops.v1 import jobs_pb2
from sqlalchemy import select

from common.audit.tables import audit_logs
from common.jobs.runs import run_job
from tests.integration.common.operating import JOBS, Network

if TYPE_CHECKING:
    from pathlib import Path

    from common.auth.accounts import Account
    from common.database.transaction import Database


async def refused(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    code: grpc.StatusCode = caught.value.code()
    return code


async def test_a_bundle_crosses_over_the_wire(response: Network, request_side: Network) -> None:
    made = (await response.run("status")).batches[0]
    (waiting,) = (await response.waiting()).bundles
    assert (waiting.batch_id, waiting.checksum) == (made.id, made.checksum)
    content = await response.fetch(waiting.batch_id)
    assert hashlib.sha256(content).hexdigest() == waiting.checksum
    assert len(content) == waiting.size_bytes

    for _ in range(2):
        received = await request_side.bring(content)
        assert (received.checksum, received.size_bytes) == (waiting.checksum, waiting.size_bytes)
    (imported,) = (await request_side.scan()).batches
    assert (imported.source_batch_id, imported.sequence) == (made.id, 1)
    assert imported.status == ops.BATCH_STATUS_COMPLETED
    incoming = (await request_side.streams()).incoming
    assert (incoming.cumulative, incoming.highest_seen, incoming.missing_count) == (1, 1, 0)

    (back,) = (await request_side.run("status")).batches
    await response.bring(await request_side.fetch(back.id))
    await response.scan()
    outgoing = (await response.streams()).outgoing
    assert (outgoing.acknowledged_up_to, outgoing.in_flight) == (1, 0)
    assert not (await response.waiting()).bundles
    assert await refused(response.fetch(made.id)) is grpc.StatusCode.FAILED_PRECONDITION


async def test_batches_are_listed_page_by_page(response: Network) -> None:
    made = [(await response.run("status")).batches[0].id for _ in range(3)]
    token, seen = "", []
    while True:
        page = await response.ops.ListExportBatches(
            ops.ListExportBatchesRequest(page_size=2, page_token=token), metadata=response.bearer
        )
        seen += [batch.id for batch in page.batches]
        if not (token := page.next_page_token):
            break
    assert seen == made[::-1]
    none = await response.ops.ListExportBatches(
        ops.ListExportBatchesRequest(kind=network_pb2.BUNDLE_KIND_USERS), metadata=response.bearer
    )
    assert not none.batches


async def test_who_asked_is_in_the_audit_trail(response: Network, database: Database, sara: Account) -> None:
    made = (await response.run("status")).batches[0]
    await response.fetch(made.id)
    await response.scan()
    async with database.transaction() as transaction:
        rows = (
            await transaction.connection.execute(select(audit_logs).where(audit_logs.c.user_id == sara.user_id))
        ).all()
    actions = {row.action: row.resource_id for row in rows}
    assert actions["ops.export_run"] == "status"
    assert actions["transfer.bundle_sent"] == made.id
    assert "ops.imports_scanned" in actions


async def test_a_kind_that_this_network_does_not_send_is_named(response: Network) -> None:
    assert await refused(response.run("requests")) is grpc.StatusCode.INVALID_ARGUMENT
    assert await refused(response.run("secrets")) is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_unknown_bundle_is_not_found(response: Network) -> None:
    assert await refused(response.fetch(str(uuid4()))) is grpc.StatusCode.NOT_FOUND
    assert await refused(response.fetch("../../etc/passwd")) is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_waiting_bundle_whose_file_is_gone_says_what_brings_it_back(response: Network) -> None:
    made = (await response.run("status")).batches[0]
    response.context.outbox.final_path(made.kind, made.filename).unlink()
    assert await refused(response.fetch(made.id)) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("content", [b"", b"not a bundle", b"\x89ALK\r\n\x1a\n" + bytes(100)])
async def test_what_is_no_whole_bundle_never_reaches_the_inbox(request_side: Network, content: bytes) -> None:
    assert await refused(request_side.bring(content)) is grpc.StatusCode.INVALID_ARGUMENT
    assert not request_side.context.inbox.scan()


async def test_a_cut_upload_leaves_nothing_behind(response: Network, request_side: Network, tmp_path: Path) -> None:
    content = await response.fetch((await response.run("status")).batches[0].id)
    assert await refused(request_side.bring(content[:-1])) is grpc.StatusCode.INVALID_ARGUMENT
    left = [path for path in (tmp_path / "request" / "in").rglob("*") if path.is_file()]
    assert left == []


async def test_jobs_are_listed_with_their_last_run_also_when_there_was_none(
    response: Network, database: Database
) -> None:
    await run_job(JOBS[0], object(), database)
    reply = await response.ops.ListJobs(jobs_pb2.ListJobsRequest(), metadata=response.bearer)
    ran, never = reply.jobs
    assert (ran.name, ran.schedule, ran.last_succeeded, ran.last_summary) == ("idle", "every 30 s", True, "2 things")
    assert (never.name, never.schedule, never.HasField("last_started_at")) == ("never", "when woken", False)
