"""What an operator decides about streams: giving numbers up, offering them again, beginning a new epoch."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, insert, select, update
from test_refusals import forge, reasons
from toy_networks import applied, to_send

from common.batches.epochs import accept_epoch, declare_epoch, release_of_epoch
from common.batches.give_up import offer_again, void_numbers
from common.batches.steps import Step
from common.batches.tables import INCOMING, export_batches, import_batches, stream_bundles, streams
from common.database.transaction import Database
from common.errors import NotFoundError, WrongStateError
from transfer.bundle.keyring import Keyring
from transfer.custody.state import Disposition
from transfer.errors import SpoolError
from transfer.spool.inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sqlalchemy import Table
    from toy_networks import Pair, ToyNetwork

    from common.batches.batch_rows import ExportBatchRow
    from common.batches.epochs import BegunEpoch


def sources(network: ToyNetwork) -> dict[int, object]:
    return {network.source.kind: network.source}


async def void(network: ToyNetwork, numbers: Sequence[int]) -> list[ExportBatchRow]:
    async with network.database.transaction() as transaction:
        return await void_numbers(transaction.connection, network.context, sources(network), numbers)  # type: ignore[arg-type]


async def declare(network: ToyNetwork) -> BegunEpoch:
    async with network.database.transaction() as transaction:
        return await declare_epoch(transaction.connection, network.context, sources(network))  # type: ignore[arg-type]


async def accept(network: ToyNetwork, epoch: int) -> tuple[str, ...]:
    async with network.database.transaction() as transaction:
        await accept_epoch(transaction.connection, network.context, sources(network), epoch)  # type: ignore[arg-type]
    return await release_of_epoch(network.context, epoch)


@asynccontextmanager
async def another_connection(network: ToyNetwork) -> AsyncIterator[ToyNetwork]:
    """The same network as another process sees it, with connections of its own."""
    database = Database(network.database.url, pool_size=2)
    try:
        yield network.with_context(database=database)
    finally:
        await database.close()


async def obstacles(network: ToyNetwork, numbers: Sequence[int]) -> list[str]:
    async with network.database.transaction() as transaction:
        return [one.obstacle for one in await offer_again(transaction.connection, network.context, numbers)]


async def test_the_rows_of_a_voided_bundle_go_out_in_another_and_arrive_once(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(3)
    (sealed,) = (await pair.request.export()).batches
    (lost,) = pair.request.waiting("requests")
    content = lost.read_bytes()
    assert [one.sequence for one in await void(pair.request, [sealed.sequence])] == [sealed.sequence]
    assert await pair.request.states() == Counter(pending=3)
    await pair.request.export()
    assert lost not in pair.request.waiting("requests"), "a voided file is not carried"
    # The lost stick turns up after all, once before and once after the new bundle.
    again = lost.with_name("found.pb.enc")
    again.write_bytes(content)
    pair.response.take_in(again)
    await pair.response.scan()
    again.unlink()
    await pair.round_trip()
    assert await pair.request.states() == Counter(acknowledged=3)
    assert (await pair.request.streams()).outgoing.alarm == ""
    assert len(await pair.response.times_applied()) == 3


async def test_a_refused_number_stays_until_its_sender_voids_it(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(1)
    (sealed,) = (await pair.request.export()).batches
    stranger = pair.response.with_keys(keyring=Keyring({"v9": bytes(range(32))}, "v9"))
    stranger.take_in(*pair.request.waiting("requests"))
    await stranger.scan()
    await pair.response.status(force=True)
    pair.request.take_in(*pair.response.waiting())
    await pair.request.scan()
    assert (await pair.request.streams()).outgoing.refused == str(sealed.sequence)
    await void(pair.request, [sealed.sequence])
    await pair.request.export()
    await pair.round_trip()
    assert await pair.request.states() == Counter(acknowledged=1)
    assert (await pair.response.streams()).incoming.refused_count == 0


@pytest.mark.parametrize("state", ["acknowledged", "voided"])
async def test_what_is_settled_cannot_be_given_up(pair: Pair, state: str) -> None:
    await pair.begin()
    await pair.request.add(1)
    (sealed,) = (await pair.request.export()).batches
    if state == "acknowledged":
        await pair.round_trip()
    else:
        await void(pair.request, [sealed.sequence])
    with pytest.raises(WrongStateError, match=f"{sealed.sequence} is {state}"):
        await void(pair.request, [sealed.sequence])


async def test_a_number_that_was_never_given_is_named_and_nothing_is_voided(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(1)
    (sealed,) = (await pair.request.export()).batches
    with pytest.raises(NotFoundError, match="no bundle 900-901"):
        await void(pair.request, [sealed.sequence, 900, 901])
    assert await pair.request.states() == Counter(exported=1)


async def test_offering_again_says_what_stands_against_it(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(7)
    first, second, third = (await pair.request.export()).batches
    assert await obstacles(pair.request, [first.sequence, second.sequence]) == ["", ""]
    pair.request.context.outbox.final_path(first.kind, first.filename).unlink()
    await void(pair.request, [second.sequence])
    missing, voided, good = await obstacles(pair.request, [one.sequence for one in (first, second, third)])
    assert "missing or damaged" in missing
    assert "is voided" in voided
    assert good == ""


async def test_a_new_epoch_sends_every_unconfirmed_row_again_and_both_sides_agree(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(2)
    await pair.response.add(2)
    await pair.request.export()
    await pair.response.export()
    begun = await declare(pair.request)
    assert begun.epoch > begun.previous
    assert await pair.request.states() == Counter(pending=2)
    await pair.request.export()
    pair.response.take_in(*pair.request.waiting())
    waits = (await pair.response.scan()).batches
    assert {one.defect for one in waits} == {"later-epoch"}
    released = await accept(pair.response, begun.epoch)
    assert len(released) == len(waits)
    await pair.response.export()
    await pair.round_trip()
    await pair.round_trip()
    for network in (pair.request, pair.response):
        streams = await network.streams()
        assert (streams.outgoing.epoch, streams.incoming.epoch) == (begun.epoch, begun.epoch)
        assert (streams.outgoing.alarm, streams.incoming.missing) == ("", "")
        assert await network.states() == Counter(acknowledged=2)
        exported = {one.disposition for one in await network.exports() if one.epoch == begun.previous}
        assert exported <= {Disposition.ACKNOWLEDGED, Disposition.RETIRED, Disposition.VOIDED}


async def test_two_declared_epochs_end_in_the_later_one(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(2)
    ours = await declare(pair.request)
    pair.response.clock.advance(minutes=1)
    theirs = await declare(pair.response)
    assert theirs.epoch > ours.epoch
    await pair.request.export()
    await pair.response.status(force=True)
    await pair.exchange()
    await accept(pair.request, theirs.epoch)
    await pair.request.export()
    await pair.round_trip()
    assert await pair.request.states() == Counter(acknowledged=2)


async def test_a_fork_that_only_its_receiver_sees_ends_with_the_epoch_that_its_sender_is_asked_for(
    pair: Pair, tmp_path: Path
) -> None:
    """The stick with a number's first bundle comes after its second one was acknowledged: the sender is content."""
    await pair.begin()
    backup = await rows_of(pair.request, _EVERYTHING)
    await pair.request.add(1)
    await pair.request.export()
    late = Path(shutil.copy(pair.request.waiting("requests")[0], tmp_path / "late.pb.enc"))
    await restore(pair.request, backup)
    await pair.request.add(2)
    await pair.request.export()
    await pair.round_trip()
    pair.response.take_in(late)
    await pair.response.scan()
    assert "fork" in reasons(pair.response)
    assert (await pair.response.streams()).incoming.alarm
    assert not (await pair.request.streams()).outgoing.alarm
    begun = await declare(pair.request)
    await pair.request.status(force=True)
    await pair.exchange()
    await accept(pair.response, begun.epoch)
    await pair.round_trip()
    for network in (pair.request, pair.response):
        view = await network.streams()
        assert (view.outgoing.epoch, view.outgoing.alarm, view.incoming.alarm) == (begun.epoch, "", "")
    assert await pair.request.states() == Counter(acknowledged=2)
    assert set((await pair.response.times_applied()).values()) == {1}


async def test_an_epoch_that_nobody_declared_cannot_be_accepted(pair: Pair) -> None:
    await pair.begin()
    present = (await pair.request.streams()).outgoing.epoch
    with pytest.raises(WrongStateError, match="nothing to accept"):
        await accept(pair.request, present + 5)
    with pytest.raises(WrongStateError, match="present one"):
        await accept(pair.request, present)


async def test_an_epoch_far_in_the_future_is_refused_and_the_real_one_can_be_accepted(
    pair: Pair, tmp_path: Path
) -> None:
    await pair.begin()
    forge(pair.response, (2**63 - 1, 1), tmp_path / "x.pb.enc")
    pair.request.take_in(tmp_path / "x.pb.enc")
    await pair.request.scan()
    assert reasons(pair.request) == ["implausible-epoch"]
    with pytest.raises(WrongStateError, match="nothing to accept"):
        await accept(pair.request, 2**63 - 1)
    begun = await declare(pair.response)
    await pair.response.status(force=True)
    pair.request.take_in(*pair.response.waiting())
    await pair.request.scan()
    await accept(pair.request, begun.epoch)
    await pair.round_trip()
    assert (await pair.request.streams()).incoming.epoch == begun.epoch
    later = await declare(pair.request)
    assert later.epoch < 2**40


async def test_two_operators_may_release_the_bundles_of_an_epoch_at_once(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pair.begin()
    begun = await declare(pair.response)
    await pair.response.status(force=True)
    await pair.response.add(7)
    await pair.response.export()
    pair.request.take_in(*pair.response.waiting())
    await pair.request.scan()
    inbox = pair.request.context.inbox
    waiting = inbox.quarantine_folder.files()
    async with pair.request.database.transaction() as transaction:
        await accept_epoch(transaction.connection, pair.request.context, sources(pair.request), begun.epoch)  # type: ignore[arg-type]
    inbox.release(waiting[0].name)
    monkeypatch.setattr(type(inbox.quarantine_folder), "files", lambda _: waiting)
    assert len(await release_of_epoch(pair.request.context, begun.epoch)) == len(waiting) - 1


async def test_an_epoch_declared_while_a_bundle_is_being_sealed_waits_for_it(pair: Pair) -> None:
    await pair.begin()
    ids = await pair.request.add(1)
    errors: list[BaseException] = []

    def declare_elsewhere() -> None:
        async def run() -> None:
            async with another_connection(pair.request) as twin:
                await declare(twin)

        try:
            asyncio.run(run())
        except Exception as error:  # noqa: BLE001 - whatever it is, the test reports it
            errors.append(error)

    thread = threading.Thread(target=declare_elsewhere)

    class AtRename:
        def __call__(self, step: Step) -> None:
            if step == Step.RENAME and thread.ident is None:
                thread.start()
                thread.join(1.5)

    await pair.request.with_context(steps=AtRename()).export()
    await asyncio.to_thread(thread.join)
    assert errors == []
    await pair.request.export()
    begun = (await pair.request.streams()).outgoing.epoch
    pair.response.take_in(*pair.request.waiting())
    await pair.response.scan()
    await accept(pair.response, begun)
    await pair.round_trip()
    assert set(ids) == set(await pair.response.times_applied())


async def test_a_network_without_an_epoch_declares_none(pair: Pair) -> None:
    with pytest.raises(WrongStateError, match="first bundle"):
        await declare(pair.request)


async def test_an_archived_bundle_that_a_restored_database_forgot_is_applied_again(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(2)
    await pair.request.export()
    pair.response.take_in(*pair.request.waiting())
    await pair.response.scan()
    async with pair.response.database.transaction() as transaction:
        await transaction.connection.execute(delete(applied))
        await transaction.connection.execute(delete(import_batches).where(import_batches.c.batch_type == "requests"))
        await transaction.connection.execute(
            delete(stream_bundles).where(stream_bundles.c.direction == INCOMING, stream_bundles.c.kind == "requests")
        )
        back = {"last_sequence": 1, "cumulative": 1}
        await transaction.connection.execute(update(streams).where(streams.c.direction == INCOMING).values(back))
    restarted = pair.response.with_context(inbox=Inbox(pair.response.context.inbox.root, pair.response.clock))
    assert [one.status for one in (await restarted.scan()).batches] == ["completed"]
    assert set((await restarted.times_applied()).values()) == {1}
    assert (await restarted.scan()).batches == ()


async def test_a_bundle_that_was_released_and_applied_after_the_backup_is_brought_back(pair: Pair) -> None:
    await pair.begin()
    ids = await pair.request.add(1)
    await pair.request.export()
    without_the_key = pair.response.with_keys(keyring=Keyring({"v9": bytes(32)}, "v9"))
    without_the_key.take_in(*pair.request.waiting())
    await without_the_key.scan()
    backup = await rows_of(pair.response)
    (file,) = pair.response.context.inbox.quarantine_folder.files()
    pair.response.context.inbox.release(file.name)
    await pair.response.scan()
    await restore(pair.response, backup)
    restarted = pair.response.with_context(inbox=Inbox(pair.response.context.inbox.root, pair.response.clock))
    await restarted.scan()
    assert await restarted.times_applied() == Counter(ids)


async def test_an_archive_that_could_not_be_compared_is_compared_by_the_next_scan(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pair.begin()
    restarted = pair.response.with_context(inbox=Inbox(pair.response.context.inbox.root, pair.response.clock))
    with monkeypatch.context() as broken:

        def fails() -> list[str]:
            msg = "the disk has a fault"
            raise SpoolError(msg)

        broken.setattr(restarted.context.inbox, "archived", fails)
        with pytest.raises(SpoolError):
            await restarted.scan()
    assert not restarted.context.inbox.archive_was_compared
    await restarted.scan()
    assert restarted.context.inbox.archive_was_compared


_RECEIVED = (import_batches, stream_bundles, streams, applied)
_EVERYTHING = (*_RECEIVED, export_batches, to_send)


async def rows_of(network: ToyNetwork, tables: Sequence[Table] = _RECEIVED) -> dict[Table, list[dict[str, Any]]]:
    async with network.database.transaction() as transaction:
        return {
            table: [dict(row) for row in (await transaction.connection.execute(select(table))).mappings()]
            for table in tables
        }


async def restore(network: ToyNetwork, backup: dict[Table, list[dict[str, Any]]]) -> None:
    async with network.database.transaction() as transaction:
        for table, rows in backup.items():
            await transaction.connection.execute(delete(table))
            if rows:
                await transaction.connection.execute(insert(table), rows)
