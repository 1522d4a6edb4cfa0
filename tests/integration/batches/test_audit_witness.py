"""Two networks witness each other's audit chain, so that neither can be rewritten without the other noticing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements, AuditHead
from sqlalchemy import func, select, text

from common.audit.chain import get_chain
from common.audit.record import AuditEntry, record
from common.audit.seal import seal_audit
from common.audit.segments import latest_segment
from common.audit.tables import audit_logs, audit_witnesses
from common.audit.verify import verify_audit
from common.batches.tables import export_batches
from common.batches.witness import heads_to_tell, witness
from transfer.bundle.reader import summary
from transfer.custody.state import BundleNumber

if TYPE_CHECKING:
    import pytest
    from toy_networks import Pair, ToyNetwork

    from common.audit.chain import ChainView

TEN = 10


async def seal(network: ToyNetwork) -> int:
    """One more segment; its number."""
    async with network.database.transaction() as transaction:
        await record(transaction.connection, AuditEntry("user.updated"))
    assert (await seal_audit(network.database))["segments"] == 1
    return (await head(network)).segment


async def head(network: ToyNetwork) -> AuditHead:
    async with network.database.transaction() as transaction:
        segment = await latest_segment(transaction.connection)
    assert segment is not None
    return AuditHead(segment=segment.number, digest=segment.digest)


async def chain(network: ToyNetwork) -> ChainView:
    async with network.database.transaction() as transaction:
        return await get_chain(transaction.connection)


async def actions(network: ToyNetwork, like: str) -> list[str]:
    async with network.database.transaction() as transaction:
        found = select(audit_logs.c.action).where(audit_logs.c.action.like(like)).order_by(audit_logs.c.id)
        return list(await transaction.connection.scalars(found))


async def first_frame(network: ToyNetwork) -> Acknowledgements:
    """That of the newest bundle."""
    newest = select(export_batches.c.first_frame).order_by(export_batches.c.sequence.desc()).limit(1)
    async with network.database.transaction() as transaction:
        frame = await transaction.connection.scalar(newest)
    assert frame is not None
    return Acknowledgements.FromString(frame)


async def reach_past(network: ToyNetwork, statement: str) -> None:
    """What the owner of a database can do to its trail."""
    async with network.database.transaction() as transaction:
        await transaction.connection.execute(text("SET LOCAL session_replication_role = replica"))
        await transaction.connection.execute(text(statement))


async def rewrite(network: ToyNetwork, *, segments: int) -> None:
    """Somebody changes a row and seals everything anew, so that the chain is right in itself."""
    await reach_past(network, "UPDATE audit_logs SET action = 'nothing.happened' WHERE action = 'user.updated'")
    await reach_past(network, "DELETE FROM audit_segments")
    async with network.database.transaction() as transaction:
        rows = await transaction.connection.scalar(select(func.count()).select_from(audit_logs))
    await seal_audit(network.database, segment_rows=-(-(rows or 0) // segments))
    assert (await verify_audit(network.database)).mismatch == ""


async def test_each_network_knows_the_others_head_and_has_its_own_confirmed(pair: Pair) -> None:
    await pair.begin()
    for _ in range(3):
        await seal(pair.request)
    await seal(pair.response)
    ours, theirs = await head(pair.request), await head(pair.response)
    await pair.request.status(force=True)
    await pair.response.status(force=True)
    await pair.round_trip()
    for network, own, other in ((pair.request, ours, theirs), (pair.response, theirs, ours)):
        view = await chain(network)
        assert view.peer_head is not None
        assert view.witnessed_by_peer is not None
        assert (view.peer_head.number, view.peer_head.digest) == (other.segment, other.digest)
        assert (view.witnessed_by_peer.number, view.witnessed_by_peer.digest) == (own.segment, own.digest)
        assert view.witnessed_by_peer.agrees
        assert not view.mismatches
        assert not await actions(network, "audit.%mismatch")


async def test_a_chain_that_was_rewritten_in_one_network_is_found_in_both_and_stops_nothing(pair: Pair) -> None:
    await pair.begin()
    await seal(pair.response)
    await seal(pair.response)
    await pair.response.status(force=True)
    await pair.round_trip()
    assert (await chain(pair.response)).witnessed_by_peer is not None
    await rewrite(pair.response, segments=2)
    await pair.request.status(force=True)
    await pair.round_trip()
    await pair.request.add(2)
    await pair.request.export()
    await pair.round_trip()
    mine, theirs = await chain(pair.response), await chain(pair.request)
    assert [row.chain for row in mine.mismatches] == ["own"]
    assert [row.chain for row in theirs.mismatches] == ["peer"]
    assert await actions(pair.response, "audit.%mismatch") == ["audit.chain_mismatch"], "one alarm for one finding"
    assert await actions(pair.request, "audit.%mismatch") == ["audit.peer_chain_mismatch"]
    assert not (await pair.response.streams()).outgoing.alarm
    assert not (await pair.request.streams()).outgoing.alarm
    assert (await pair.request.states())["acknowledged"] == 2


async def test_a_rewritten_chain_that_outgrew_what_was_seen_is_found_by_an_earlier_head(pair: Pair) -> None:
    await pair.begin()
    for _ in range(2):
        await seal(pair.response)
        await pair.response.status(force=True)
        await pair.round_trip()
    seen = await head(pair.response)
    await rewrite(pair.response, segments=5)
    await pair.response.status(force=True)
    pair.request.take_in(*pair.response.waiting())
    await pair.request.scan()
    assert not (await chain(pair.request)).mismatches, "it cannot tell by the new head alone"
    async with pair.request.database.transaction() as transaction:
        even = (await heads_to_tell(transaction.connection, draw=2 * (seen.segment - 1)))["witnessed_audit_head"]
        odd = (await heads_to_tell(transaction.connection, draw=1))["witnessed_audit_head"]
    assert (even, odd) == (seen, await head(pair.response))
    async with pair.response.database.transaction() as transaction:
        message = Acknowledgements(running_digest=bytes(32), witnessed_audit_head=even)
        await witness(transaction.connection, BundleNumber(2**40, 1), message, pair.response.clock())
    assert await actions(pair.response, "audit.%mismatch") == ["audit.chain_mismatch"]


async def test_a_chain_that_ends_earlier_than_it_was_seen_is_found(pair: Pair) -> None:
    await pair.begin()
    for _ in range(3):
        await seal(pair.response)
    await pair.response.status(force=True)
    await pair.round_trip()
    await reach_past(pair.response, "DELETE FROM audit_segments WHERE number > 1")
    await reach_past(pair.response, "DELETE FROM audit_logs WHERE id > (SELECT last_id FROM audit_segments)")
    await pair.response.status(force=True)
    await pair.round_trip()
    assert await actions(pair.response, "audit.%mismatch") == ["audit.chain_mismatch"]
    assert await actions(pair.request, "audit.%mismatch") == ["audit.peer_chain_mismatch"]
    # As after a backup: the chain grows on, is seen as other than before, and beyond that nobody is alarmed any more.
    for _ in range(3):
        await seal(pair.response)
        await pair.response.status(force=True)
        await pair.round_trip()
    assert len(await actions(pair.response, "audit.%mismatch")) == 1
    assert len(await actions(pair.request, "audit.%mismatch")) == 2
    view = await chain(pair.request)
    assert view.peer_head is not None
    assert (view.peer_head.number, view.peer_head.agrees) == (4, True)


async def test_heads_are_told_only_to_a_peer_that_reads_the_schema(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfer.custody.acknowledgements.SCHEMA_MINOR", 1)
    await pair.begin()
    await seal(pair.request)
    await pair.request.status(force=True)
    (bundle,) = pair.request.waiting()
    assert summary(bundle).header.schema_minor == 1
    assert not (await first_frame(pair.request)).HasField("audit_head")
    monkeypatch.undo()
    # The other network is upgraded, and says so.
    await pair.response.status(force=True)
    await pair.round_trip()
    await pair.request.status(force=True)
    assert (await first_frame(pair.request)).HasField("audit_head")
    assert {summary(bundle).header.schema_minor for bundle in pair.request.waiting()} == {2}


async def test_an_older_bundle_witnesses_nothing(pair: Pair) -> None:
    await pair.begin()
    await seal(pair.response)
    await pair.response.status(force=True)
    (older,) = pair.response.waiting()
    kept = older.with_name("kept")
    kept.write_bytes(older.read_bytes())
    newest = await seal(pair.response)
    await pair.response.add(1)
    await pair.response.export()
    pair.request.take_in(*pair.response.waiting())
    await pair.request.scan()
    pair.request.take_in(kept)
    await pair.request.scan()
    view = await chain(pair.request)
    assert view.peer_head is not None
    assert view.peer_head.number == newest
    assert not view.mismatches


async def test_what_is_said_again_is_kept_once(pair: Pair) -> None:
    await pair.begin()
    await seal(pair.request)
    for _ in range(3):
        await pair.request.status(force=True)
        await pair.round_trip()
    for network in (pair.request, pair.response):
        async with network.database.transaction() as transaction:
            rows = (await transaction.connection.execute(select(audit_witnesses))).all()
        assert len(rows) == 1


async def test_a_peer_that_names_numbers_at_will_raises_alarms_and_nothing_else(pair: Pair) -> None:
    await pair.begin()
    await seal(pair.response)

    async def says(sequence: int, **heads: Any) -> None:
        message = Acknowledgements(running_digest=bytes(32), **heads)
        async with pair.response.database.transaction() as transaction:
            moment = pair.response.clock()
            await witness(transaction.connection, BundleNumber(2**40, sequence), message, moment)

    await says(1, witnessed_audit_head=AuditHead(segment=2**63 - 1, digest=b"x" * 32))
    await says(2, witnessed_audit_head=await head(pair.response), audit_head=AuditHead(segment=9, digest=b"a" * 32))
    await says(3, audit_head=AuditHead(segment=9, digest=b"b" * 32))
    await says(4, audit_head=AuditHead(segment=3, digest=b"c" * 32))
    await says(5, audit_head=AuditHead(segment=TEN, digest=b"d" * 32))
    assert await actions(pair.response, "audit.%mismatch") == [
        "audit.chain_mismatch",
        "audit.peer_chain_mismatch",
        "audit.peer_chain_mismatch",
    ]
    view = await chain(pair.response)
    assert view.witnessed_by_peer is not None
    assert view.peer_head is not None
    assert (view.witnessed_by_peer.agrees, view.peer_head.agrees, view.peer_head.number) == (True, True, TEN)
    assert len(view.mismatches) == 3
