"""The outbox: bundles appear whole, are adopted after a crash, and move away when no one needs to carry them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from airlock.common.v1 import network_pb2 as networks

from tests.unit.bundle import sealed
from tests.vectors import craft
from transfer.bundle.header import filename_of
from transfer.bundle.names import LATEST_NAME, sidecar_filename
from transfer.bundle.peek import PeekedEnds, peek
from transfer.errors import SpoolError
from transfer.spool.durable import temporary_beside
from transfer.spool.outbox import Outbox, PublishedBundle

if TYPE_CHECKING:
    from pathlib import Path

    from airlock.bundle.v1.header_pb2 import BundleHeader


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    outbox = Outbox(tmp_path / "exports")
    outbox.make_folders()
    return outbox


def header(sequence: int, epoch: int = 1_767_225_600) -> BundleHeader:
    return sealed.responses_header(sequence, epoch=epoch, batch_id=UUID(int=10 * epoch + sequence))


def publish(outbox: Outbox, head: BundleHeader) -> PublishedBundle:
    temporary = outbox.temporary_path(filename_of(head))
    bundle = sealed.seal(temporary, [craft.response(b"{}")], head)
    return outbox.publish(temporary, head, bundle)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_published_bundle_has_its_sidecar_and_its_copy(outbox: Outbox) -> None:
    published = publish(outbox, header(1))
    name = filename_of(header(1))
    folder = outbox.root / "responses"
    assert published.path == folder / name == outbox.final_path(networks.BUNDLE_KIND_RESPONSES, name)
    assert names(folder) == {name, sidecar_filename(name), LATEST_NAME}
    assert (folder / LATEST_NAME).read_bytes() == published.path.read_bytes()
    assert json.loads((folder / sidecar_filename(name)).read_text())["checksum"] == published.checksum
    assert not published.adopted
    assert names(outbox.root / ".sealing") == set()


def test_sealing_the_same_batch_again_adopts_the_file_that_may_have_been_carried(outbox: Outbox) -> None:
    first = publish(outbox, header(1))
    data = first.path.read_bytes()
    second = publish(outbox, header(1))
    assert second.adopted
    assert (second.digest, second.checksum, second.size) == (first.digest, first.checksum, first.size)
    assert first.path.read_bytes() == data
    assert names(outbox.root / ".sealing") == set()


def test_a_crash_after_the_rename_is_completed_by_adopting(outbox: Outbox) -> None:
    published = publish(outbox, header(1))
    (published.path.parent / LATEST_NAME).unlink()
    published.path.with_name(sidecar_filename(published.path.name)).unlink()
    adopted = outbox.adopt(header(1), records=1)
    assert adopted is not None
    assert adopted.digest == published.digest
    assert len(names(published.path.parent)) == 3


def test_a_changed_key_does_not_keep_a_file_from_being_adopted(outbox: Outbox) -> None:
    published = publish(outbox, header(1))
    rotated = header(1)
    rotated.key_version = "v2"
    adopted = outbox.adopt(rotated, records=1)
    assert adopted is not None
    sidecar = published.path.with_name(sidecar_filename(published.path.name))
    assert json.loads(sidecar.read_text())["encryption"]["key_version"] == "v1"


def test_there_is_nothing_to_adopt_before_the_rename(outbox: Outbox) -> None:
    assert outbox.adopt(header(1), records=1) is None


def test_a_damaged_file_is_sealed_again(outbox: Outbox) -> None:
    published = publish(outbox, header(1))
    published.path.write_bytes(published.path.read_bytes()[:-7])
    again = publish(outbox, header(1))
    assert not again.adopted
    assert again.path.stat().st_size == again.size


def test_another_bundle_under_this_name_is_not_adopted(outbox: Outbox) -> None:
    other = header(1)
    other.sequence = 9
    path = outbox.final_path(networks.BUNDLE_KIND_RESPONSES, filename_of(header(1)))
    sealed.seal(path, header=other)
    with pytest.raises(SpoolError, match="another bundle"):
        publish(outbox, header(1))


def test_latest_is_the_newest_by_number_and_not_by_time(outbox: Outbox) -> None:
    newest = publish(outbox, header(2))
    publish(outbox, header(1))
    latest = newest.path.with_name(LATEST_NAME)
    assert latest.read_bytes() == newest.path.read_bytes()
    later = publish(outbox, header(1, epoch=1_767_225_601))
    assert latest.read_bytes() == later.path.read_bytes()


@pytest.mark.parametrize("move", [Outbox.acknowledge, Outbox.void])
def test_latest_goes_when_its_original_goes(outbox: Outbox, move: object) -> None:
    assert callable(move)
    older, newer = publish(outbox, header(1)), publish(outbox, header(2))
    latest = older.path.with_name(LATEST_NAME)
    assert move(outbox, older.path.name)
    assert latest.exists()
    assert move(outbox, newer.path.name)
    assert not latest.exists()
    assert not move(outbox, newer.path.name), "moving twice is harmless"


def test_a_bundle_moves_with_its_sidecar_and_comes_back(outbox: Outbox) -> None:
    published = publish(outbox, header(1))
    name = published.path.name
    assert outbox.acknowledge(name)
    assert names(outbox.root / "acknowledged") == {name, sidecar_filename(name)}
    assert [file.filename for file in outbox.acknowledged()] == [name]
    assert outbox.waiting() == []
    assert outbox.void(name)
    assert [file.digest for file in outbox.voided()] == [published.digest]
    assert outbox.restore(name)
    assert [(file.filename, file.kind) for file in outbox.waiting()] == [(name, networks.BUNDLE_KIND_RESPONSES)]


def test_a_move_that_died_between_sidecar_and_bundle_is_finished_by_the_next(outbox: Outbox) -> None:
    published = publish(outbox, header(1))
    name = sidecar_filename(published.path.name)
    published.path.with_name(name).rename(outbox.root / "acknowledged" / name)
    assert outbox.acknowledge(published.path.name)
    assert names(outbox.root / "acknowledged") == {published.path.name, name}


def test_waiting_lists_bundles_only(outbox: Outbox) -> None:
    published = publish(outbox, header(1))
    folder = published.path.parent
    (folder / "notes.txt").write_text("hello")
    (folder / f"responses_20260101_000000_{UUID(int=7)}.pb.enc").symlink_to(published.path)
    damaged = folder / f"responses_20260101_000000_{UUID(int=8)}.pb.enc"
    damaged.write_bytes(b"damaged")
    assert [(file.path, file.digest) for file in outbox.waiting()] == [
        (damaged, None),
        (published.path, published.digest),
    ]


def test_a_file_that_moves_away_while_the_folder_is_listed_is_left_out(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, stays = publish(outbox, header(1)), publish(outbox, header(2))

    def moved_by_another_run(path: Path) -> PeekedEnds:
        gone.path.unlink(missing_ok=True)
        return peek(path)

    monkeypatch.setattr("transfer.spool.outbox.peek", moved_by_another_run)
    assert [file.filename for file in outbox.waiting()] == [stays.path.name]


def test_names_that_are_no_bundles_are_never_moved(outbox: Outbox) -> None:
    for name in ("../secret", LATEST_NAME, "notes.txt"):
        with pytest.raises(SpoolError, match="not the name of a bundle"):
            outbox.void(name)
    assert not outbox.restore("notes.txt")


def test_old_half_files_are_cleaned_and_nothing_else(outbox: Outbox) -> None:
    kept = publish(outbox, header(1))
    half = [outbox.temporary_path("half"), temporary_beside(outbox.root / "requests" / LATEST_NAME)]
    fresh = outbox.temporary_path("fresh")
    for path in (*half, fresh):
        path.write_bytes(b"half")
    week_ago = datetime.now(UTC) - timedelta(days=8)
    for path in (*half, kept.path):
        os.utime(path, (week_ago.timestamp(), week_ago.timestamp()))
    assert outbox.clean_half_files(datetime.now(UTC) - timedelta(days=7)) == 2
    assert [path for path in half if path.exists()] == []
    assert fresh.exists()
    assert kept.path.exists()


def test_two_runs_never_seal_into_one_file(outbox: Outbox) -> None:
    assert outbox.temporary_path("same") != outbox.temporary_path("same")


def test_a_file_that_is_not_wanted_is_discarded_and_removed(outbox: Outbox) -> None:
    temporary = outbox.temporary_path("x")
    temporary.write_bytes(b"x")
    outbox.discard_temporary(temporary)
    outbox.discard_temporary(temporary)
    published = publish(outbox, header(1))
    outbox.void(published.path.name)
    outbox.remove(outbox.voided()[0])
    assert names(outbox.root / "voided") == set()
