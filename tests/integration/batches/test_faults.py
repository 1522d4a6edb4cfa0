"""Processes that die at every step, full disks and databases that go away: nothing is lost, nothing is doubled."""

from __future__ import annotations

import asyncio
import errno
import shutil
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import OperationalError
from toy_networks import Fault, FaultAt, ToySink

from common.batches import run_export
from common.batches.reports import ExportReport
from common.batches.steps import Step, kill_at
from common.errors import UnavailableError
from transfer.bundle.reader import summary
from transfer.errors import MalformedRecordError, spool_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from toy_networks import Pair

EXPORT_STEPS = (Step.FREEZE, Step.SEAL, Step.WRITE, Step.RENAME, Step.CONFIRM)
IMPORT_STEPS = (Step.STAGE, Step.APPLY, Step.COMMIT, Step.ARCHIVE)


# A process that dies while sealing leaves an open file behind.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("step", EXPORT_STEPS)
async def test_an_export_that_dies_is_finished_by_the_next_run(pair: Pair, step: Step) -> None:
    await pair.begin()
    ids = await pair.request.add(7)
    pair.request.steps.step, pair.request.steps.countdown = step, 2
    with pytest.raises(Fault):
        await pair.request.export()
    carried = {file.name: file.read_bytes() for file in pair.request.waiting("requests")}
    before = (await pair.request.streams()).outgoing.last_sequence
    await pair.request.export()
    now = {file.name: file.read_bytes() for file in pair.request.waiting("requests")}
    assert carried.items() <= now.items(), "bytes that a courier may have taken have changed"
    exports = [batch for batch in await pair.request.exports() if batch.record_count]
    assert [batch.record_count for batch in exports] == [1, 3, 3]
    assert {batch.status for batch in exports} == {"completed"}
    assert before in {batch.sequence for batch in exports}
    await pair.round_trip()
    assert await pair.response.times_applied() == Counter(ids)
    assert await pair.request.states() == {"acknowledged": 7}
    assert (await pair.request.streams()).outgoing.alarm == ""


@pytest.mark.parametrize("step", IMPORT_STEPS)
async def test_an_import_that_dies_is_finished_by_the_next_scan(pair: Pair, step: Step) -> None:
    await pair.begin()
    ids = await pair.request.add(7)
    await pair.request.export()
    pair.response.take_in(*pair.request.waiting())
    pair.response.steps.step, pair.response.steps.countdown = step, 2
    with pytest.raises(Fault):
        await pair.response.scan()
    report = await pair.response.scan()
    assert report.left == ()
    assert (await pair.response.scan()).batches == ()
    assert await pair.response.times_applied() == Counter(ids)
    await pair.round_trip()
    assert await pair.request.states() == {"acknowledged": 7}
    assert await pair.response.times_applied() == Counter(ids)


async def test_a_bundle_carried_before_its_sealing_was_committed_is_acknowledged_without_alarm(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(2)
    pair.request.steps.step = Step.RENAME
    with pytest.raises(Fault):
        await pair.request.export()
    pair.response.take_in(*pair.request.waiting())
    await pair.response.scan()
    await pair.response.status(force=True)
    pair.request.take_in(*pair.response.waiting())
    await pair.request.scan()
    assert (await pair.request.streams()).outgoing.alarm == ""
    assert await pair.request.states() == {"acknowledged": 2}


async def test_a_full_disk_while_sealing_leaves_the_batch_for_the_next_run(pair: Pair) -> None:
    await pair.begin()
    ids = await pair.request.add(2)
    full = OSError(errno.ENOSPC, "No space left on device")
    steps = pair.request.steps
    steps.step, steps.error = Step.SEAL, lambda: spool_error("Writing", "x.pb.enc", full)
    with pytest.raises(UnavailableError, match=r"could not be sealed.*Free space") as refused:
        await pair.request.export()
    assert refused.value.metadata["defect"] == "no-space"
    sealing = pair.request.context.outbox.root / ".sealing"
    assert list(sealing.iterdir()) == []
    (stuck,) = [batch for batch in await pair.request.exports() if batch.record_count]
    assert stuck.status == "processing"
    assert "Free space" in (stuck.error_message or "")
    await pair.request.export()
    (sealed,) = [batch for batch in await pair.request.exports() if batch.record_count]
    assert (sealed.sequence, sealed.status, sealed.error_message) == (stuck.sequence, "completed", None)
    await pair.round_trip()
    assert await pair.response.times_applied() == Counter(ids)


async def test_a_source_that_loses_a_row_between_claim_and_file_is_stopped(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(2)

    class Forgetful(type(pair.request.source)):  # type: ignore[misc]
        async def pieces(self, connection: object, batch: object) -> AsyncIterator[list[bytes]]:
            async for piece in super().pieces(connection, batch):
                yield list(piece)
                break

    forgetful = pair.request.with_context()
    forgetful.source = Forgetful(pair.request.source.kind)
    with pytest.raises(Exception, match="claimed with 2 records and has 1"):
        await forgetful.export()
    assert pair.request.waiting("requests") == []


async def test_a_database_that_goes_away_leaves_the_file_in_the_inbox(pair: Pair) -> None:
    await pair.begin()
    ids = await pair.request.add(2)
    await pair.request.export()
    pair.response.take_in(*pair.request.waiting())
    ToySink.error = OperationalError("INSERT", {}, Exception("the server closed the connection"))
    report = await pair.response.scan()
    assert [one.cause for one in report.left] == ["the database does not answer"]
    assert await pair.response.times_applied() == Counter()
    assert not any(batch.status == "failed" for batch in await pair.response.imports())
    await pair.response.scan()
    assert await pair.response.times_applied() == Counter(ids)


async def test_a_refusal_that_cannot_be_noted_leaves_the_file_and_no_private_copy(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pair.begin()
    await pair.request.add(2)
    await pair.request.export()
    pair.response.take_in(*pair.request.waiting("requests"))
    ToySink.error = MalformedRecordError("A record is wrong.")

    async def away(*_: object, **__: object) -> None:
        raise OperationalError("INSERT", {}, Exception("the server closed the connection"))

    monkeypatch.setattr("common.batches.run_import.refuse_bundle", away)
    report = await pair.response.scan()
    assert [one.cause for one in report.left] == ["the database does not answer"]
    assert list((pair.response.context.inbox.root / ".staging").iterdir()) == []


async def test_a_sink_that_fails_does_not_stop_the_other_files(pair: Pair) -> None:
    await pair.begin()
    ids = await pair.request.add(7)
    await pair.request.export()
    pair.response.take_in(*pair.request.waiting())
    ToySink.error = KeyError("a bug")
    report = await pair.response.scan()
    assert [one.cause for one in report.left] == ["KeyError; see the log"]
    assert report.records == 4
    await pair.response.scan()
    assert await pair.response.times_applied() == Counter(ids)


async def test_one_run_at_a_time_and_the_other_says_so(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(6)
    reports = await asyncio.gather(pair.request.export(), pair.request.export())
    assert sorted(report.skipped for report in reports) in ([False, False], [False, True])
    assert sum(report.records for report in reports) == 6
    scans = await asyncio.gather(pair.response.scan(), pair.response.scan())
    assert any(not scan.skipped for scan in scans)


async def test_two_runs_side_by_side_without_the_lock_double_nothing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def broken_lock(*_args: object, **_options: object) -> AsyncIterator[bool]:
        yield True

    await pair.begin()
    monkeypatch.setattr(run_export, "exclusively", broken_lock)
    ids = await pair.request.add(12)
    results = await asyncio.gather(*(pair.request.export() for _ in range(3)), return_exceptions=True)
    # One run may find that another has moved a file before it; the next run finds everything in order.
    assert all(isinstance(result, ExportReport | UnavailableError) for result in results)
    await pair.request.export()
    sealed = [batch for batch in await pair.request.exports() if batch.record_count]
    assert sum(batch.record_count for batch in sealed) == 12
    assert len({batch.sequence for batch in sealed}) == len(sealed) == 4
    digests = {file.name: summary(file).digest for file in pair.request.waiting()}
    assert all(digests[batch.filename] == batch.digest for batch in sealed)
    await pair.round_trip()
    assert await pair.response.times_applied() == Counter(ids)
    assert (await pair.request.streams()).outgoing.alarm == ""


async def test_a_lost_export_file_is_given_up_and_its_rows_go_out_again(pair: Pair, tmp_path: Path) -> None:
    await pair.begin()
    ids = await pair.request.add(2)
    await pair.request.export()
    (lost,) = pair.request.waiting("requests")
    shutil.move(lost, tmp_path / "on the stick.pb.enc")
    report = await pair.request.export()
    assert (report.voided, report.records) == (1, 2)
    await pair.round_trip()
    assert await pair.response.times_applied() == Counter(ids)
    pair.response.take_in(tmp_path / "on the stick.pb.enc")
    (late,) = (await pair.response.scan()).batches
    assert late.status == "duplicate"
    assert await pair.response.times_applied() == Counter(ids)
    outgoing = (await pair.request.streams()).outgoing
    assert (outgoing.in_flight, outgoing.alarm) == (0, "")


async def test_an_unacknowledged_file_among_the_acknowledged_ones_is_brought_back(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(2)
    await pair.request.export()
    (file,) = pair.request.waiting("requests")
    bytes_before = file.read_bytes()
    pair.request.context.outbox.acknowledge(file.name)
    report = await pair.request.export()
    assert report.voided == 0
    assert file.read_bytes() == bytes_before


async def test_a_changed_export_file_is_set_aside_and_its_rows_go_out_again(pair: Pair) -> None:
    await pair.begin()
    ids = await pair.request.add(2)
    await pair.request.export()
    (file,) = pair.request.waiting("requests")
    file.write_bytes(file.read_bytes()[:-40])
    report = await pair.request.export()
    assert (report.voided, report.records) == (1, 2)
    await pair.round_trip()
    assert await pair.response.times_applied() == Counter(ids)


def test_an_unknown_step_to_die_at_is_refused_with_the_names() -> None:
    with pytest.raises(ValueError, match="the steps are freeze, seal"):
        kill_at("nowhere")


def test_every_step_but_the_named_one_passes() -> None:
    kill_at("apply")(Step.SEAL)
    steps = FaultAt()
    steps(Step.SEAL)
    assert steps.passed == {Step.SEAL: 1}
