"""What operators call about streams, quarantine, reports and keys, over a real server with its sign-in and audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import grpc
import pytest
from airlock.ops.v1 import batches_pb2, import_report_pb2, keys_pb2, quarantine_pb2, streams_pb2
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2

from tests.integration.common.operating import audited
from transfer.spool.journal import Journal

if TYPE_CHECKING:
    from tests.integration.common.operating import Network


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    """The status and the reason of a call that is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    info = error_details_pb2.ErrorInfo()
    for key, value in caught.value.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                detail.Unpack(info)
    return caught.value.code(), info.reason


async def bring_status(source: Network, destination: Network) -> str:
    """One status bundle over the wire; its number."""
    await source.run("status")
    (bundle,) = (await source.waiting()).bundles
    await destination.bring(await source.fetch(bundle.batch_id))
    return str(bundle.sequence)


async def test_a_report_says_what_was_checked_and_who_brought_it(response: Network, request_side: Network) -> None:
    number = await bring_status(response, request_side)
    await request_side.scan()
    asked = import_report_pb2.GetImportReportRequest(number=number)
    (report,) = (await request_side.ops.GetImportReport(asked, metadata=request_side.bearer)).reports
    assert [check.name for check in report.checks] == [
        "file", "signature", "header", "direction", "stream", "key", "payload",
    ]  # fmt: skip
    assert {check.result for check in report.checks} == {"passed"}
    assert report.brought_by == "sara, over the wire"
    assert report.key_version == "v1"
    assert len(report.signer_key_id) == 64
    by_id = import_report_pb2.GetImportReportRequest(number=report.batch.id)
    again = await request_side.ops.GetImportReport(by_id, metadata=request_side.bearer)
    assert list(again.reports) == [report]
    unknown = request_side.ops.GetImportReport(
        import_report_pb2.GetImportReportRequest(number="77"), metadata=request_side.bearer
    )
    assert (await refusal(unknown))[0] is grpc.StatusCode.NOT_FOUND


async def test_a_refused_file_is_shown_with_its_next_step_released_and_discarded(
    response: Network, request_side: Network
) -> None:
    # A bundle that comes back to its sender is signed by nobody whom the sender trusts.
    await bring_status(response, response)
    await response.scan()
    await bring_status(response, response)
    await response.scan()
    listed = await response.ops.ListQuarantine(quarantine_pb2.ListQuarantineRequest(), metadata=response.bearer)
    (first, second) = listed.files
    assert first.defect == "unknown-signer"
    assert "carry it to the other one" in first.next_step
    asked = quarantine_pb2.GetQuarantinedFileRequest(name=first.name)
    shown = (await response.ops.GetQuarantinedFile(asked, metadata=response.bearer)).file
    assert shown == first
    assert UUID(shown.import_batch_id)
    release = quarantine_pb2.ReleaseQuarantinedFileRequest(name=first.name)
    await response.ops.ReleaseQuarantinedFile(release, metadata=response.bearer)
    await response.scan()
    discard = quarantine_pb2.DiscardQuarantinedFileRequest(name=second.name)
    await response.ops.DiscardQuarantinedFile(discard, metadata=response.bearer)
    left = (await response.ops.ListQuarantine(quarantine_pb2.ListQuarantineRequest(), metadata=response.bearer)).files
    assert [file.checksum for file in left] == [first.checksum], "released, it was judged again"
    gone = response.ops.GetQuarantinedFile(
        quarantine_pb2.GetQuarantinedFileRequest(name=second.name), metadata=response.bearer
    )
    assert (await refusal(gone))[0] is grpc.StatusCode.NOT_FOUND
    assert {("quarantine.released", first.name[:100]), ("quarantine.discarded", second.name[:100])} <= set(
        await audited(response)
    )


@pytest.mark.parametrize("name", ["../keys/keyring.json", "x.reason.json", ".hidden", "nothing"])
async def test_no_name_leads_out_of_quarantine(response: Network, name: str) -> None:
    for method, message in (
        (response.ops.ReleaseQuarantinedFile, quarantine_pb2.ReleaseQuarantinedFileRequest(name=name)),
        (response.ops.DiscardQuarantinedFile, quarantine_pb2.DiscardQuarantinedFileRequest(name=name)),
    ):
        assert (await refusal(method(message, metadata=response.bearer)))[0] is grpc.StatusCode.NOT_FOUND


async def test_streams_show_where_each_bundle_is(response: Network) -> None:
    await response.run("status")
    (bundle,) = (await response.waiting()).bundles
    journal = Journal.of_spool(response.context.outbox.root)
    journal.write(journal.entry("init", medium="stick-7", medium_id="m7", note="response-to-request"))
    epoch = (await response.streams()).outgoing.epoch
    took = journal.entry("took", medium="stick-7", medium_id="m7", file=bundle.filename, epoch=epoch, sequence=1)
    journal.write(took)
    streams = await response.streams()
    assert json_format.MessageToDict(streams.outgoing.media[0]) == {"name": "stick-7", "bundles": 1}
    assert (streams.outgoing.in_flight, streams.outgoing.on_no_medium) == (1, 0)
    assert streams.outgoing.in_flight_bytes > 0
    listed = await response.ops.ListStreamBundles(streams_pb2.ListStreamBundlesRequest(), metadata=response.bearer)
    (shown,) = listed.bundles
    assert (shown.sequence, list(shown.media)) == (1, ["stick-7"])
    assert shown.disposition == batches_pb2.DISPOSITION_SEALED
    journal.write(journal.entry("lost", medium="stick-7", medium_id="m7"))
    streams = await response.streams()
    assert (len(streams.outgoing.media), streams.outgoing.on_no_medium) == (0, 1)
    acknowledged = streams_pb2.ListStreamBundlesRequest(dispositions=[batches_pb2.DISPOSITION_ACKNOWLEDGED])
    assert not (await response.ops.ListStreamBundles(acknowledged, metadata=response.bearer)).bundles


async def test_an_operator_resends_voids_and_begins_an_epoch_and_each_is_audited(response: Network) -> None:
    await response.run("status")
    resend = streams_pb2.ResendBundlesRequest(numbers="1")
    (offered,) = (await response.ops.ResendBundles(resend, metadata=response.bearer)).bundles
    assert offered.obstacle == ""
    void = streams_pb2.VoidBundlesRequest(numbers="1", reason="the stick went into the river")
    (voided,) = (await response.ops.VoidBundles(void, metadata=response.bearer)).batches
    assert voided.disposition == batches_pb2.DISPOSITION_SEALED, "as it was when it was given up"
    twice = response.ops.VoidBundles(void, metadata=response.bearer)
    assert await refusal(twice) == (grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    wrong = response.ops.ResendBundles(streams_pb2.ResendBundlesRequest(numbers="7-3"), metadata=response.bearer)
    assert (await refusal(wrong))[0] is grpc.StatusCode.INVALID_ARGUMENT
    present = (await response.streams()).outgoing.epoch
    declare = streams_pb2.DeclareEpochRequest(reason="restored last night's backup", ending_epoch=present)
    begun = await response.ops.DeclareEpoch(declare, metadata=response.bearer)
    assert begun.epoch > begun.previous_epoch
    in_another_shell = response.ops.DeclareEpoch(declare, metadata=response.bearer)
    assert await refusal(in_another_shell) == (grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    accept = response.ops.AcceptEpoch(streams_pb2.AcceptEpochRequest(epoch=begun.epoch), metadata=response.bearer)
    assert await refusal(accept) == (grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    assert [action for action, _ in await audited(response) if action.startswith("custody.")] == [
        "custody.resend",
        "custody.void",
        "custody.epoch_declared",
    ]


async def test_keys_are_listed_without_a_key_and_a_revoked_one_stays_revoked(response: Network) -> None:
    listed = await response.ops.ListKeys(keys_pb2.ListKeysRequest(), metadata=response.bearer)
    assert [(key.version, key.state) for key in listed.encryption_keys] == [("v1", "active")]
    assert [key.state for key in listed.signing_keys] == ["signs"]
    (peer,) = listed.peer_signing_keys
    assert peer.state == "file"
    request = keys_pb2.RevokeSigningKeyRequest(key_id=peer.key_id, reason="the laptop was stolen")
    assert (await response.ops.RevokeSigningKey(request, metadata=response.bearer)).trusted_keys == 0
    listed = await response.ops.ListKeys(keys_pb2.ListKeysRequest(), metadata=response.bearer)
    assert [key.state for key in listed.peer_signing_keys] == ["revoked"]
    assert ("keys.revoked", peer.key_id) in await audited(response)
