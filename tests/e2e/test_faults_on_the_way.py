"""What a courier, a thief or a full disk can do to bundles, and why nothing is lost, doubled or forged."""

from __future__ import annotations

import errno
import gc
import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
from airlock.bundle.v1.record_pb2 import Record
from airlock.common.v1 import network_pb2

from common.batches.steps import Step
from transfer.bundle.header import new_header
from transfer.bundle.keyring import Keyring, SigningKey, generate_keys
from transfer.bundle.peek import peek
from transfer.bundle.writer import BundleWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.two_networks import TwoNetworks
    from transfer.bundle.keyring import GeneratedKeys

EXPORT_STEPS = (Step.FREEZE, Step.SEAL, Step.WRITE, Step.RENAME, Step.CONFIRM)
IMPORT_STEPS = (Step.STAGE, Step.APPLY, Step.COMMIT, Step.ARCHIVE)


class PowerCutError(BaseException):
    """The process is gone at this point."""


async def test_the_same_bundle_twice_is_applied_once(networks: TwoNetworks) -> None:
    sara = await networks.bring_user()
    await sara.submit()
    await networks.request.export("requests")
    [bundle] = networks.request.bundles("requests")
    for number in range(2):
        networks.drop_in(networks.response, bundle, name=f"again-{number}.pb.enc")
    report = await networks.response.import_()
    assert sorted(batch.status for batch in report.batches) == ["completed", "duplicate"]
    networks.drop_in(networks.response, bundle)
    assert [batch.status for batch in (await networks.response.import_()).batches] == ["duplicate"]
    assert await networks.execute() == {"completed": 1}


async def test_bundles_in_reverse_order_are_all_applied(networks: TwoNetworks) -> None:
    sara = await networks.bring_user()
    asked = []
    for _ in range(3):
        asked.append(await sara.submit())
        await networks.request.export("requests")
    for bundle in reversed(networks.request.bundles("requests")):
        networks.drop_in(networks.response, bundle)
        assert [batch.status for batch in (await networks.response.import_()).batches] == ["completed"]
    await networks.execute()
    await networks.send_answers()
    assert {await sara.status(request_id) for request_id in asked} == {"completed"}


async def test_a_lost_stick_is_healed_by_the_next_one(networks: TwoNetworks) -> None:
    sara = await networks.bring_user()
    first = await sara.submit()
    await networks.request.export("requests")
    networks.take(networks.request)
    networks.wipe()
    second = await sara.submit()
    await networks.settle()
    assert {await sara.status(request_id) for request_id in (first, second)} == {"completed"}


async def test_one_bundle_lost_and_brought_later_leaves_no_trace(networks: TwoNetworks, tmp_path: Path) -> None:
    sara = await networks.bring_user()
    first = await sara.submit()
    await networks.request.export("requests")
    [lost] = networks.request.bundles("requests")
    kept = Path(shutil.copy(lost, tmp_path))
    second = await sara.submit()
    await networks.request.export("requests")
    networks.drop_in(networks.response, networks.request.bundles("requests")[1])
    await networks.response.import_()
    await networks.execute()
    await networks.send_answers()
    assert await sara.status(second) == "completed"
    assert await sara.status(first) == "exported"
    networks.drop_in(networks.response, kept)
    await networks.response.import_()
    await networks.execute()
    await networks.send_answers()
    assert await sara.status(first) == "completed"


async def test_what_was_delivered_is_not_carried_again_once_it_is_acknowledged(networks: TwoNetworks) -> None:
    sara = await networks.bring_user()
    await sara.submit()
    await networks.settle()
    await networks.request.export("requests")
    assert networks.request.bundles("requests") == []


async def test_a_bundle_of_the_wrong_direction_is_set_aside(networks: TwoNetworks) -> None:
    sara = await networks.bring_user()
    await sara.submit()
    await networks.request.export("requests")
    [own] = networks.request.bundles("requests")
    networks.drop_in(networks.request, own)
    [batch] = (await networks.request.import_()).batches
    assert (batch.status, batch.defect) == ("failed", "unknown-signer")
    assert networks.request.quarantined() == [own.name]


@pytest.mark.parametrize(
    ("damage", "defect"),
    [
        (lambda data: data[:-1], "truncated"),
        (lambda data: data + b"x", "trailing-bytes"),
        (lambda data: data[:300] + bytes([data[300] ^ 1]) + data[301:], "hash-mismatch"),
        (lambda _: b"this is not a bundle, only a letter to the operator\n" * 40, "not-a-bundle"),
    ],
)
async def test_a_damaged_bundle_is_set_aside_and_the_whole_one_still_counts(
    networks: TwoNetworks, tmp_path: Path, damage: Callable[[bytes], bytes], defect: str
) -> None:
    sara = await networks.bring_user()
    asked = await sara.submit()
    await networks.request.export("requests")
    [bundle] = networks.request.bundles("requests")
    damaged = tmp_path / "damaged.pb.enc"
    damaged.write_bytes(damage(bundle.read_bytes()))
    networks.drop_in(networks.response, damaged)
    await networks.response.import_()
    networks.clock.moved += timedelta(seconds=30)
    await networks.response.import_()
    assert networks.response.quarantined() == ["damaged.pb.enc"]
    [reason] = networks.response.reasons()
    assert defect in reason
    networks.carry(networks.request, networks.response)
    await networks.response.import_()
    await networks.execute()
    await networks.send_answers()
    assert await sara.status(asked) == "completed"


async def test_a_forged_bundle_by_a_signer_of_their_own_changes_nothing(
    networks: TwoNetworks, keys: GeneratedKeys, tmp_path: Path
) -> None:
    await networks.bring_user()
    stranger = generate_keys(tmp_path / "stranger")
    forged = seal(networks, keys.keyring, stranger.request_signing_key, tmp_path, [request_record()])
    networks.drop_in(networks.response, forged)
    [batch] = (await networks.response.import_()).batches
    assert (batch.status, batch.defect) == ("failed", "unknown-signer")
    assert await networks.execute() == {}


async def test_a_bundle_under_another_encryption_key_is_set_aside(
    networks: TwoNetworks, keys: GeneratedKeys, tmp_path: Path
) -> None:
    await networks.bring_user()
    stranger = generate_keys(tmp_path / "stranger")
    sealed = seal(networks, stranger.keyring, keys.request_signing_key, tmp_path, [request_record()])
    networks.drop_in(networks.response, sealed)
    [batch] = (await networks.response.import_()).batches
    assert (batch.status, batch.defect) == ("failed", "wrong-key")


async def test_an_answer_to_an_unknown_question_is_parked_and_the_rest_arrives(networks: TwoNetworks) -> None:
    sara = await networks.bring_user()
    asked = [await sara.submit() for _ in range(2)]
    await networks.send_requests()
    await networks.execute()
    await networks.request.run("DELETE FROM requests WHERE id = :id", id=asked[0])
    report = await networks.send_answers()
    assert [batch.status for batch in report.batches] == ["completed"]
    assert await networks.request.value("SELECT count(*) FROM parked_records") == 1
    assert await sara.status(asked[1]) == "completed"


async def test_a_full_disk_while_sealing_loses_nothing(networks: TwoNetworks) -> None:
    sara = await networks.bring_user()
    asked = await sara.submit()
    networks.request.break_at(Step.SEAL, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(OSError, match="No space left"):
        await networks.request.export("requests")
    assert networks.request.bundles("requests") == []
    networks.request.mend()
    await networks.settle()
    assert await sara.status(asked) == "completed"


# A process that is killed closes no file, and so the test must not mind one that nobody closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("step", EXPORT_STEPS)
async def test_an_export_that_dies_at_any_step_is_finished_by_the_next(networks: TwoNetworks, step: Step) -> None:
    sara = await networks.bring_user()
    asked = [await sara.submit() for _ in range(3)]
    networks.request.break_at(step, PowerCutError())
    with pytest.raises(PowerCutError):
        await networks.request.export("requests")
    gc.collect()
    networks.request.mend()
    await networks.settle()
    assert {await sara.status(request_id) for request_id in asked} == {"completed"}
    assert await networks.request.value("SELECT count(*) FROM responses") == len(asked)


@pytest.mark.parametrize("step", IMPORT_STEPS)
async def test_an_import_that_dies_at_any_step_is_finished_by_the_next(networks: TwoNetworks, step: Step) -> None:
    sara = await networks.bring_user()
    asked = [await sara.submit() for _ in range(3)]
    await networks.request.export("requests")
    networks.carry(networks.request, networks.response)
    networks.response.break_at(step, PowerCutError())
    with pytest.raises(PowerCutError):
        await networks.response.import_()
    networks.response.mend()
    await networks.settle()
    assert {await sara.status(request_id) for request_id in asked} == {"completed"}
    assert await networks.response.value("SELECT count(*) FROM incoming_requests") == len(asked)


async def test_a_bundle_that_its_header_sends_elsewhere_is_set_aside(
    networks: TwoNetworks, keys: GeneratedKeys, tmp_path: Path
) -> None:
    await networks.bring_user()
    reflected = seal(networks, keys.keyring, keys.request_signing_key, tmp_path, [request_record()], reflected=True)
    networks.drop_in(networks.response, reflected)
    [batch] = (await networks.response.import_()).batches
    assert (batch.status, batch.defect) == ("failed", "wrong-direction")


def request_record() -> Record:
    """A record as another network might forge it."""
    record = Record()
    record.request.id = uuid4().bytes
    return record


def seal(
    networks: TwoNetworks,
    keyring: Path,
    signing_key: Path,
    folder: Path,
    records: list[Record],
    *,
    reflected: bool = False,
) -> Path:
    """A bundle from the Request Network as far as its header says, number 1 of the present epoch."""
    [users] = (networks.request.import_dir / "archive").rglob("users_*.pb.enc")
    ends = (network_pb2.NETWORK_REQUEST, network_pb2.NETWORK_RESPONSE)
    source, destination = reversed(ends) if reflected else ends
    header = new_header(
        kind=network_pb2.BUNDLE_KIND_REQUESTS,
        source=source,
        destination=destination,
        batch_id=uuid4(),
        epoch=peek(users).header.epoch,
        sequence=1,
        created_at=networks.clock(),
        key_version="v1",
    )
    path = folder / "forged.pb.enc"
    writer = BundleWriter(
        path, header, Keyring.from_file(keyring), SigningKey.load(signing_key), Acknowledgements(epoch=header.epoch)
    )
    with writer:
        for record in records:
            writer.add_record(record.SerializeToString())
        writer.finish()
    return path
