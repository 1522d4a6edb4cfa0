"""Disks that are full or not mounted, folders and files that may not be read: what they may stop, and what not."""

from __future__ import annotations

import errno
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from airlock.common.v1 import network_pb2
from toy_networks import Fault

from common.batches.steps import Step
from common.errors import UnavailableError
from transfer.bundle.keyring import Keyring
from transfer.errors import SpoolError, spool_error
from transfer.spool.deliver import deliver
from transfer.spool.take import take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from toy_networks import Pair

NO_SPACE = OSError(errno.ENOSPC, "No space left on device")
NOT_ALLOWED = PermissionError(errno.EACCES, "Permission denied")


async def test_a_status_bundle_that_was_carried_before_its_sealing_was_committed_raises_no_alarm(pair: Pair) -> None:
    await pair.begin()
    pair.request.steps.step = Step.RENAME
    with pytest.raises(Fault):
        await pair.request.status(force=True)
    pair.response.take_in(*pair.request.waiting("status"))
    await pair.response.scan()
    await pair.response.status(force=True)
    pair.request.take_in(*pair.response.waiting())
    # The import comes before the next export, which would have counted the file.
    await pair.request.scan()
    assert (await pair.request.streams()).outgoing.alarm == ""


async def test_a_folder_that_cannot_be_listed_stops_no_import_and_is_named(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pair.begin()
    ids = await pair.request.add(2)
    await pair.request.export()
    pair.response.take_in(*pair.request.waiting())
    (pair.response.context.inbox.root / "lost+found").mkdir(mode=0o700)
    real = os.scandir

    def scandir(folder: Any) -> Any:
        if str(folder).endswith("lost+found"):
            raise NOT_ALLOWED
        return real(folder)

    monkeypatch.setattr("transfer.spool.inbox.os.scandir", scandir)
    report = await pair.response.scan()
    assert await pair.response.times_applied() == Counter(ids)
    assert [one.filename for one in report.left] == ["lost+found"]
    assert "Permission denied" in report.left[0].cause


async def test_a_file_that_may_not_be_read_is_named_with_its_cause(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    await pair.begin()
    await pair.request.add(2)
    await pair.request.export()
    pair.response.take_in(*pair.request.waiting("requests"))

    def refuse(path: Path) -> int:
        raise spool_error("Opening", path, NOT_ALLOWED)

    monkeypatch.setattr("transfer.spool.inbox.open_regular", refuse)
    report = await pair.response.scan()
    assert "Permission denied" in report.left[0].cause
    assert report.waiting == 0


async def test_no_room_for_the_copies_that_people_like_stops_nothing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pair.begin()
    await pair.request.add(2)

    def full(_source: Path, target: Path) -> None:
        raise spool_error("Writing", target, NO_SPACE)

    monkeypatch.setattr("transfer.spool.outbox.copy_durably", full)
    await pair.request.export()
    await pair.round_trip()
    assert await pair.request.states() == Counter(acknowledged=2)


async def test_a_kind_that_cannot_be_sealed_keeps_no_acknowledgement_back(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(2)

    async def no_room(*_arguments: Any) -> AsyncIterator[Any]:
        raise spool_error("Writing", "requests.pb.enc", NO_SPACE)
        yield

    pair.request.source.pieces = no_room  # type: ignore[method-assign]
    await pair.response.add(2)
    await pair.response.export()
    pair.request.take_in(*pair.response.waiting())
    await pair.request.scan()
    for _ in range(2):
        with pytest.raises(UnavailableError, match="could not be sealed"):
            await pair.request.export()
        pair.request.clock.advance(hours=1)
    pair.response.take_in(*pair.request.waiting())
    await pair.response.scan()
    assert await pair.response.states() == Counter(acknowledged=2)


async def test_an_outbox_that_is_not_mounted_gives_nothing_up(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(6)
    await pair.request.export()
    root = pair.request.context.outbox.root
    root.rename(root.with_name("not mounted"))
    with pytest.raises(UnavailableError, match="Mount its disk"):
        await pair.request.export()
    root.with_name("not mounted").rename(root)
    await pair.request.export()
    assert Counter(str(one.disposition) for one in await pair.request.exports())["voided"] == 0
    await pair.round_trip()
    assert await pair.request.states() == Counter(acknowledged=6)


async def test_an_inbox_that_is_not_mounted_is_no_empty_inbox(pair: Pair) -> None:
    root = pair.request.context.inbox.root
    root.rename(root.with_name("not mounted"))
    with pytest.raises(SpoolError, match="Mount its disk"):
        await pair.request.scan()


async def test_a_file_of_the_outbox_that_is_damaged_in_its_middle_is_replaced_by_another_bundle(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(2)
    await pair.request.export()
    (path,) = pair.request.waiting("requests")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    await pair.request.export()
    assert path not in pair.request.waiting()
    await pair.round_trip()
    assert await pair.request.states() == Counter(acknowledged=2)


async def test_a_bundle_that_is_refused_at_every_trip_lies_in_quarantine_once(pair: Pair, tmp_path: Path) -> None:
    await pair.begin()
    other_key = pair.request.with_keys(keyring=Keyring({"v1": bytes(32)}, "v1"))
    await pair.request.add(2)
    await other_key.export()
    stick = tmp_path / "stick"
    stick.mkdir()
    for _ in range(4):
        take(pair.request.context.outbox.root, stick)
        deliver(stick, pair.response.context.inbox.root, destination=network_pb2.NETWORK_RESPONSE)
        await pair.response.scan()
    (kept,) = pair.response.context.inbox.quarantine_folder.files()
    assert kept.reason["times"] == 4


async def test_a_file_that_was_copied_again_during_the_scan_is_not_set_aside_as_damaged(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(2)
    await pair.request.export()
    (bundle,) = pair.request.waiting("requests")
    inbox = pair.response.context.inbox
    dropped = inbox.root / "by hand.pb.enc"
    dropped.write_bytes(bundle.read_bytes()[:-1])
    (found,) = inbox.scan()
    assert found.error is not None
    dropped.write_bytes(bundle.read_bytes())
    with pytest.raises(SpoolError, match="has changed"):
        inbox.quarantine(found, found.error)
    assert [one.status for one in (await pair.response.scan()).batches] == ["completed"]
