"""Bundles that cross: in order, out of order, twice, late, with and without faults of the courier."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from toy_networks import STATUS

if TYPE_CHECKING:
    from toy_networks import Pair


async def test_the_request_network_waits_for_its_first_bundle(pair: Pair) -> None:
    await pair.request.add(1)
    report = await pair.request.export()
    assert report.waiting_for_first_bundle
    assert report.summary == "waiting for the first bundle of the other network"
    assert await pair.request.states() == {"pending": 1}


async def test_rows_cross_once_and_are_acknowledged(pair: Pair) -> None:
    await pair.begin()
    ids = await pair.request.add(7)
    report = await pair.request.export()
    assert [batch.record_count for batch in report.batches] == [3, 3, 1]
    assert report.records == 7
    assert await pair.request.states() == {"exported": 7}
    await pair.round_trip()
    assert await pair.response.times_applied() == Counter(ids)
    assert await pair.request.states() == {"acknowledged": 7}
    await pair.request.export()
    outgoing = (await pair.request.streams()).outgoing
    assert outgoing.acknowledged_up_to == outgoing.last_sequence
    assert pair.request.waiting() == []
    assert len(pair.request.context.outbox.acknowledged()) >= 3


async def test_a_bundle_that_comes_twice_is_a_success_that_says_what_it_was(pair: Pair) -> None:
    await pair.begin()
    ids = await pair.request.add(2)
    await pair.request.export()
    files = pair.request.waiting()
    pair.response.take_in(*files)
    first = await pair.response.scan()
    pair.response.take_in(*files)
    second = await pair.response.scan()
    (applied,) = [batch for batch in first.batches if batch.record_count]
    (repeat,) = [batch for batch in second.batches if batch.sequence == applied.sequence]
    assert repeat.status == "duplicate"
    assert str(applied.id) in repeat.error_message
    assert await pair.response.times_applied() == Counter(ids)
    assert (await pair.response.scan()).batches == ()


async def test_bundles_in_reverse_order_are_all_applied(pair: Pair) -> None:
    await pair.begin()
    ids = await pair.request.add(9)
    await pair.request.export()
    for file in sorted(pair.request.waiting(), key=lambda path: path.stat().st_mtime_ns, reverse=True):
        pair.response.take_in(file)
        await pair.response.scan()
    assert await pair.response.times_applied() == Counter(ids)
    incoming = (await pair.response.streams()).incoming
    assert incoming.cumulative == incoming.highest_seen
    assert incoming.missing == ""


async def test_a_lost_bundle_is_a_visible_gap_until_it_is_brought(pair: Pair) -> None:
    await pair.begin()
    ids = await pair.request.add(9)
    report = await pair.request.export()
    first, lost, last = report.batches
    files = {file.name: file for file in pair.request.waiting()}
    pair.response.take_in(files[first.filename], files[last.filename])
    await pair.response.scan()
    incoming = (await pair.response.streams()).incoming
    assert (incoming.cumulative, incoming.missing) == (first.sequence, str(lost.sequence))
    await pair.response.status(force=True)
    pair.request.take_in(*pair.response.waiting())
    await pair.request.scan()
    assert await pair.request.states() == {"acknowledged": 6, "exported": 3}
    await pair.request.export()
    assert [file.name for file in pair.request.waiting()] == [lost.filename]
    await pair.round_trip()
    assert await pair.response.times_applied() == Counter(ids)
    assert await pair.request.states() == {"acknowledged": 9}


async def test_news_is_told_in_a_status_bundle_when_nothing_else_is_sent_for_ten_minutes(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(1)
    await pair.request.export()
    pair.response.take_in(*pair.request.waiting())
    await pair.response.scan()
    assert (await pair.response.export()).batches == ()
    pair.response.clock.advance(minutes=10)
    report = await pair.response.export()
    assert [batch.kind for batch in report.batches] == [STATUS]
    pair.response.clock.advance(minutes=60)
    assert (await pair.response.export()).batches == ()
    pair.request.take_in(*pair.response.waiting())
    await pair.request.scan()
    assert await pair.request.states() == {"acknowledged": 1}


async def test_two_quiet_networks_send_nothing(pair: Pair) -> None:
    await pair.begin()
    for _ in range(3):
        pair.request.clock.advance(minutes=30)
        pair.carry()
        await pair.request.scan()
        await pair.response.scan()
        assert (await pair.request.export()).batches == ()
        assert (await pair.response.export()).batches == ()


async def test_a_newer_bundle_makes_unacknowledged_status_bundles_superfluous(pair: Pair) -> None:
    await pair.begin()
    await pair.response.status(force=True)
    (status,) = pair.response.waiting()
    late_status = status.read_bytes()
    await pair.response.add(1)
    report = await pair.response.export()
    assert report.voided == 1
    assert [file.parent.name for file in pair.response.waiting()] == ["responses"]
    await pair.round_trip()
    assert (await pair.response.streams()).outgoing.in_flight <= 1
    (pair.request.context.inbox.root / "late.pb.enc").write_bytes(late_status)
    (late,) = (await pair.request.scan()).batches
    assert late.status == "duplicate"
    assert "gave it up" in (late.error_message or "")
