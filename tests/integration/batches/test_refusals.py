"""Bundles that may not be applied, and acknowledgements that show a restored database."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
from airlock.common.v1 import network_pb2
from sqlalchemy import delete, update
from toy_networks import REQUESTS, STATUS, toy_record

from common.batches.stream_rows import begin_epoch
from common.batches.tables import OUTGOING, stream_bundles, streams
from common.errors import StreamStoppedError
from common.handlers.batches import streams as shown
from transfer.bundle.header import new_header
from transfer.bundle.keyring import Keyring
from transfer.bundle.writer import BundleWriter

if TYPE_CHECKING:
    from pathlib import Path

    from airlock.bundle.v1.header_pb2 import BundleHeader
    from toy_networks import Pair, ToyNetwork

    from transfer.custody.state import BundleNumber


def forge(
    sender: ToyNetwork,
    number: BundleNumber | tuple[int, int],
    path: Path,
    *,
    acknowledgements: Acknowledgements | None = None,
    keyring: Keyring | None = None,
    **header_fields: int,
) -> Path:
    """A well-signed bundle with any number, with one record of its own."""
    epoch, sequence = number if isinstance(number, tuple) else (number.epoch, number.sequence)
    context = sender.context
    header: BundleHeader = new_header(
        kind=sender.source.kind,
        source=context.network,
        destination=context.peer,
        batch_id=uuid4(),
        epoch=epoch,
        sequence=sequence,
        created_at=sender.clock(),
        key_version="v1",
    )
    for name, value in header_fields.items():
        setattr(header, name, value)
    first = acknowledgements or Acknowledgements(running_digest=bytes(32))
    with BundleWriter(path, header, keyring or context.keys().keyring, context.keys().signing_key, first) as writer:
        writer.add_record(toy_record(sender.source.kind, uuid4()).SerializeToString())
        writer.finish()
    return path


def reasons(network: ToyNetwork) -> list[str]:
    return [one.reason["defect"] for one in network.context.inbox.quarantine_folder.files()]


async def test_a_tampered_file_is_quarantined_and_the_others_are_applied(pair: Pair) -> None:
    await pair.begin()
    ids = await pair.request.add(9)
    report = await pair.request.export()
    files = sorted(pair.request.waiting())
    pair.response.take_in(*files)
    victim = min(pair.response.context.inbox.root.glob("*.pb.enc"))
    whole = victim.read_bytes()
    damaged = bytearray(whole)
    damaged[len(damaged) // 2] ^= 1
    victim.write_bytes(damaged)
    scan = await pair.response.scan()
    (failed,) = [batch for batch in scan.batches if batch.status == "failed"]
    assert failed.defect == "hash-mismatch"
    assert failed.kind is None
    assert "bring the file again" in (failed.error_message or "")
    assert reasons(pair.response) == ["hash-mismatch"]
    assert (await pair.response.times_applied()).total() in {6, 8, 9}
    victim.write_bytes(whole)
    await pair.response.scan()
    assert await pair.response.times_applied() == Counter(ids)
    assert report.records == 9


async def test_names_that_are_no_text_keep_no_file_in_the_inbox(pair: Pair) -> None:
    await pair.begin()
    ids = await pair.request.add(2)
    await pair.request.export()
    [bundle] = pair.request.waiting("requests")
    # As a medium brings them that was written in another character set.
    folder = pair.response.context.inbox.root / os.fsdecode(b"d\xe9but")
    folder.mkdir()
    (folder / os.fsdecode(b"bundle \xff.pb.enc")).write_bytes(bundle.read_bytes())
    (folder / os.fsdecode(b"damaged \xfe.pb.enc")).write_bytes(bundle.read_bytes()[:-1])
    pair.response.clock.advance(minutes=1)
    report = await pair.response.scan()
    assert report.left == ()
    assert sorted((batch.status, batch.filename) for batch in report.batches) == [
        ("completed", "bundle \ufffd.pb.enc"),
        ("failed", "damaged \ufffd.pb.enc"),
    ]
    assert await pair.response.times_applied() == Counter(ids)
    assert list(folder.iterdir()) == []


async def test_a_refused_number_is_told_to_its_sender_and_tried_again_when_it_comes_again(
    pair: Pair, tmp_path: Path
) -> None:
    await pair.begin()
    other_key = pair.request.with_keys(keyring=Keyring({"v1": bytes(32)}, "v1"))
    ids = await pair.request.add(2)
    await other_key.export()
    (file,) = pair.request.waiting("requests")
    pair.response.take_in(file)
    (refused,) = (await pair.response.scan()).batches
    assert (refused.status, refused.defect, refused.kind) == ("failed", "wrong-key", REQUESTS)
    (kept,) = pair.response.context.inbox.quarantine_folder.files()
    assert kept.reason["sequence"] == refused.sequence
    assert (await pair.response.streams()).incoming.refused_count == 1
    await pair.round_trip()
    (batch,) = [one for one in await pair.request.exports() if one.record_count]
    assert (batch.disposition, batch.refused_reason) == ("sealed", "wrong-key")
    assert await pair.request.states() == {"exported": 2}

    given_the_key = pair.response.with_keys(keyring=Keyring({"v1": bytes(32)}, "v1"))
    pair.response.take_in(file)
    await given_the_key.scan()
    assert await pair.response.times_applied() == Counter(ids)
    assert (await pair.response.streams()).incoming.refused_count == 0
    await pair.round_trip()
    assert await pair.request.states() == {"acknowledged": 2}


async def test_a_bundle_of_a_later_schema_is_refused_with_its_number(pair: Pair, tmp_path: Path) -> None:
    await pair.begin()
    epoch = (await pair.request.streams()).outgoing.epoch
    header_bytes = forge(pair.request, (epoch, 50), tmp_path / "made.pb.enc")
    # The writer refuses to make such a file, so it is told that it is of this schema until it signs.
    from transfer.bundle import header as header_module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(header_module, "SCHEMA_MINOR", 7)
        forge(pair.request, (epoch, 51), header_bytes, schema_minor=7)
    pair.response.take_in(header_bytes)
    (refused,) = (await pair.response.scan()).batches
    assert (refused.defect, refused.sequence) == ("schema-version", 51)
    assert "Upgrade" in (refused.error_message or "")
    assert (await pair.response.streams()).incoming.highest_seen == 51


async def test_the_same_number_with_other_bytes_is_a_fork(pair: Pair, tmp_path: Path) -> None:
    await pair.begin()
    await pair.request.add(1)
    report = await pair.request.export()
    await pair.round_trip()
    (sealed,) = [batch for batch in report.batches if batch.kind == REQUESTS]
    fork = forge(pair.request, (sealed.epoch, sealed.sequence), tmp_path / "fork.pb.enc")
    pair.response.take_in(fork)
    (refused,) = (await pair.response.scan()).batches
    assert (refused.status, refused.defect) == ("failed", "fork")
    assert reasons(pair.response) == ["fork"]
    assert "seen before with other bytes" in (await pair.response.streams()).incoming.alarm
    assert (await pair.response.times_applied()).total() == 1


async def test_a_bundle_of_an_earlier_epoch_is_set_aside_and_is_news(pair: Pair, tmp_path: Path) -> None:
    await pair.begin()
    epoch = (await pair.response.streams()).incoming.epoch
    old = forge(pair.request, (epoch - 1, 1), tmp_path / "old.pb.enc")
    pair.response.take_in(old)
    (aside,) = (await pair.response.scan()).batches
    assert aside.defect == "earlier-epoch"
    assert reasons(pair.response) == []
    assert await pair.response.times_applied() == Counter()
    pair.response.clock.advance(minutes=11)
    assert [batch.kind for batch in (await pair.response.export()).batches] == [STATUS]


async def test_a_bundle_of_a_later_epoch_waits_in_quarantine_until_the_epoch_is_accepted(
    pair: Pair, tmp_path: Path
) -> None:
    await pair.begin()
    epoch = (await pair.response.streams()).incoming.epoch + 100
    later = forge(pair.request, (epoch, 1), tmp_path / "later.pb.enc")
    pair.response.take_in(later)
    (waits,) = (await pair.response.scan()).batches
    assert waits.defect == "later-epoch"
    (kept,) = pair.response.context.inbox.quarantine_folder.files()
    async with pair.response.database.transaction() as transaction:
        await begin_epoch(transaction.connection, epoch, pair.response.clock())
    pair.response.context.inbox.release(kept.name)
    (applied,) = (await pair.response.scan()).batches
    assert applied.status == "completed"


async def test_acknowledgements_ahead_of_our_numbers_stop_exports(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(4)
    await pair.request.export()
    pair.response.take_in(*pair.request.waiting())
    await pair.response.scan()
    # The Request Network's database is restored from a backup that knows nothing of the last export.
    async with pair.request.database.transaction() as transaction:
        kept = 1
        await transaction.connection.execute(
            delete(stream_bundles).where(stream_bundles.c.direction == OUTGOING, stream_bundles.c.sequence > kept)
        )
        await transaction.connection.execute(
            update(streams).where(streams.c.direction == OUTGOING).values(last_sequence=kept, cumulative=0)
        )
        await transaction.connection.execute(
            update(streams).where(streams.c.direction == OUTGOING).values(running_digest=bytes(32), peer_state=None)
        )
    await pair.response.add(1)
    await pair.response.export()
    pair.request.take_in(*pair.response.waiting())
    scan = await pair.request.scan()
    assert all(batch.status in {"completed", "duplicate"} for batch in scan.batches), "records are applied all the same"
    with pytest.raises(StreamStoppedError, match=r"restored from a backup.*Declare a new epoch"):
        await pair.request.export()
    assert "restored" in (await pair.request.streams()).outgoing.alarm
    assert (await pair.request.states())["acknowledged"] == 0


async def test_acknowledgements_in_an_older_bundle_change_nothing(pair: Pair) -> None:
    await pair.begin()
    await pair.response.status(force=True)
    (older,) = [(file.name, file.read_bytes()) for file in pair.response.waiting()]
    await pair.request.add(1)
    await pair.request.export()
    pair.response.take_in(*pair.request.waiting())
    await pair.response.scan()
    await pair.response.add(1)
    await pair.response.export()
    pair.request.take_in(*pair.response.waiting())
    await pair.request.scan()
    assert await pair.request.states() == {"acknowledged": 1}
    (pair.request.context.inbox.root / older[0]).write_bytes(older[1])
    await pair.request.scan()
    outgoing = (await pair.request.streams()).outgoing
    assert outgoing.alarm == ""


async def test_acknowledgements_that_contradict_themselves_refuse_the_bundle(pair: Pair, tmp_path: Path) -> None:
    await pair.begin()
    epoch = (await pair.response.streams()).incoming.epoch
    wrong = Acknowledgements(
        epoch=epoch, cumulative=3, running_digest=bytes(32), highest_seen=1, highest_digest=bytes(32)
    )
    bundle = forge(pair.request, (epoch, 9), tmp_path / "wrong.pb.enc", acknowledgements=wrong)
    pair.response.take_in(bundle)
    (refused,) = (await pair.response.scan()).batches
    assert refused.defect == "malformed-frame"
    assert await pair.response.times_applied() == Counter()


async def test_a_kind_without_a_place_is_refused(pair: Pair, tmp_path: Path) -> None:
    await pair.begin()
    epoch = (await pair.request.streams()).incoming.epoch
    settings = replace(pair.response, source=replace_kind(pair.response, network_pb2.BUNDLE_KIND_SETTINGS))
    path = tmp_path / "settings.pb.enc"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("test_refusals.toy_record", lambda _kind, one: table_state())
        forge(settings, (epoch, 40), path)
    pair.request.take_in(path)
    (refused,) = (await pair.request.scan()).batches
    assert refused.defect == "required-feature"
    assert "settings" in (refused.error_message or "")


def replace_kind(network: ToyNetwork, kind: int) -> object:
    return type(network.source)(kind)


def table_state() -> object:
    from airlock.bundle.v1.record_pb2 import Record
    from airlock.bundle.v1.replication_pb2 import TableState

    return Record(table_state=TableState(snapshot=True, revision=1, table_digest=bytes(32)))


async def test_a_bundle_that_announces_no_possible_key_is_quarantined_and_blocks_no_scan(
    pair: Pair, tmp_path: Path
) -> None:
    await pair.begin()
    epoch = (await pair.request.streams()).outgoing.epoch
    announces = Acknowledgements(running_digest=bytes(32), announced_signing_key=b"short")
    forge(pair.request, (epoch, 2), tmp_path / "x.pb.enc", schema_minor=1, acknowledgements=announces)
    pair.response.take_in(tmp_path / "x.pb.enc")
    await pair.response.scan()
    assert not (await pair.response.scan()).left
    assert reasons(pair.response) == ["malformed-frame"]


async def test_a_number_far_ahead_leaves_the_streams_readable(pair: Pair, tmp_path: Path) -> None:
    await pair.begin()
    epoch = (await pair.request.streams()).outgoing.epoch
    forge(pair.request, (epoch, 2**63 - 1), tmp_path / "x.pb.enc")
    pair.response.take_in(tmp_path / "x.pb.enc")
    await pair.response.scan()
    view = shown(pair.response.context.network, await pair.response.streams())
    assert view.incoming.highest_seen == 2**63 - 1
